use super::*;

/// A sequence with the number 5, in base64 and as bytes.
const FIVE: (&str, &[u8]) = ("MAMCAQU=", &[0x30, 3, 2, 1, 5]);
/// A sequence with the number 6, in base64 and as bytes.
const SIX: (&str, &[u8]) = ("MAMCAQY=", &[0x30, 3, 2, 1, 6]);

fn block(label: &str, body: &str) -> String {
    format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
}

fn found(text: &str) -> Result<Vec<(Vec<u8>, usize)>, String> {
    let certificates = certificates(&Ok(text.as_bytes().to_vec()))?;
    Ok(certificates.into_iter().map(|found| (found.der.to_vec(), found.line)).collect())
}

fn key(text: &str) -> Result<Vec<u8>, String> {
    private_key(&Ok(text.as_bytes().to_vec())).map(|key| key.secret_der().to_vec())
}

#[test]
fn every_block_of_a_certificate_is_taken_with_its_line() {
    let two = block("CERTIFICATE", FIVE.0) + &block("CERTIFICATE", SIX.0);
    let glued = two.replace("-----\n-----BEGIN", "----------BEGIN");
    assert_ne!(glued, two);
    for (text, first, second) in [
        (two.clone(), 1, 4),
        (glued.clone(), 1, 3),
        (glued.replace('\n', ""), 1, 1),
        (format!("\u{feff}{two}"), 1, 4),
        (two.replace("-----BEGIN", "\u{feff}-----BEGIN"), 1, 4),
        (two.replace('\n', "\n \t"), 1, 4),
        (two.replace('\n', " \n"), 1, 4),
        (two.replace('\n', "\r\n"), 1, 4),
        (two.replace('\n', "\r"), 1, 4),
        (two.replace("MCAQ", "M\nCA\n\nQ"), 1, 7),
        (two.replace("CERTIFICATE", "X509 CERTIFICATE"), 1, 4),
        (two.replace("CERTIFICATE", "X.509 CERTIFICATE"), 1, 4),
        (two.replace("CERTIFICATE", "TRUSTED CERTIFICATE"), 1, 4),
        (two.replace("-----BEGIN", "\nsubject=CN=a -----BEGIN"), 2, 6),
        (block("PRIVATE KEY", SIX.0) + &glued, 4, 6),
        (block("CERTIFICATE REQUEST", SIX.0).trim_end().to_owned() + &glued, 3, 5),
    ] {
        let expected = vec![(FIVE.1.to_vec(), first), (SIX.1.to_vec(), second)];
        assert_eq!(found(&text), Ok(expected), "{text:?}");
    }
}

#[test]
fn a_block_of_certificates_that_cannot_be_taken_is_an_error_with_its_line() {
    let good = block("CERTIFICATE", FIVE.0);
    for (bad, line, problem) in [
        (block("CERTIFICATE", "MAM%"), 4, "not base64"),
        (block("CERTIFICATE", FIVE.0).replace("-----END", "----END"), 4, "has no end"),
        (block("CERTIFICATE", FIVE.0).replace("-----BEGIN", "----BEGIN"), 4, "malformed"),
        (block("CERTIFICATE", FIVE.0).replace("BEGIN", "begin"), 4, "malformed"),
        (format!("{}\n-----END CERTIFICATE-----\n", FIVE.0), 5, "has no beginning"),
        (block("certificate", FIVE.0), 4, "another kind"),
        (block("ATTRIBUTE CERTIFICATE", FIVE.0), 4, "another kind"),
        (block("CERTIFICATE CHAIN", FIVE.0), 4, "another kind"),
        (block("PKCS7", FIVE.0), 4, "another kind"),
        (block("PKCS #7 SIGNED DATA", FIVE.0), 4, "another kind"),
        (block("CMS", FIVE.0), 4, "another kind"),
        // A sequence, and another one after it.
        (block("TRUSTED CERTIFICATE", "MAMCAQUwAA=="), 4, "trust settings"),
        (block("CERTIFICATE", "MAMCAQUwAA=="), 4, "more than a certificate"),
    ] {
        let error = found(&(good.clone() + &bad)).expect_err(problem);
        assert!(error.contains(problem), "{bad}: {error}");
        assert!(error.contains(&format!("line {line}")), "{bad}: {error}");
    }
}

#[test]
fn the_first_key_is_taken_wherever_it_stands_in_its_lines() {
    let certificate = block("CERTIFICATE", SIX.0);
    for label in ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"] {
        let plain = block(label, FIVE.0);
        for text in [
            plain.clone(),
            format!("\u{feff}{plain}"),
            plain.replace('\n', "\n  "),
            plain.replace('\n', "\r"),
            plain.replace('\n', ""),
            format!("{certificate}{plain}").replace("-----\n-----", "----------"),
            block("EC PARAMETERS", SIX.0) + &plain,
            plain.clone() + &block("PRIVATE KEY", SIX.0),
        ] {
            assert_eq!(key(&text).as_deref(), Ok(FIVE.1), "{text:?}");
        }
    }
}

#[test]
fn a_key_that_cannot_be_used_is_an_error_with_its_line_and_without_its_text() {
    let good = block("PRIVATE KEY", FIVE.0);
    let with_header = "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMAMCAQU=";
    for (bad, problem) in [
        (block("PRIVATE KEY", "secret%"), "not base64"),
        (block("PRIVATE KEY", "secret").replace("-----END", ""), "has no end"),
        (block("PRIVATE KEY", "secret").replace("-----BEGIN", "--BEGIN"), "malformed"),
        (block("ENCRYPTED PRIVATE KEY", "secret"), "with a password"),
        (block("RSA PRIVATE KEY", with_header), "with a password"),
        (block("OPENSSH PRIVATE KEY", "secret"), "another kind"),
        (block("DSA PRIVATE KEY", "secret"), "another kind"),
    ] {
        for (text, line) in [(bad.clone(), 1), (good.clone() + &bad, 4)] {
            let error = key(&text).expect_err(problem);
            assert!(error.contains(problem), "{bad}: {error}");
            assert!(error.contains(&format!("line {line}")), "{bad}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
