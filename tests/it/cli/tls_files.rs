//! Errors in the files of TLS, as `serve` and `config check` report them.

use std::fs;

use tempfile::TempDir;

use crate::support::{
    certificates::{Authority, Issued, write},
    process::{ServerProcess, command, stderr, stdout},
};

struct Files {
    authority: Authority,
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { authority: Authority::new("authority"), folder: TempDir::new().expect("a folder") }
    }

    fn issue(&self) -> Issued {
        self.authority.server().issue()
    }

    fn write(&self, name: &str, text: &str) -> String {
        write(self.folder.path(), name, text)
    }

    /// Returns the error of `serve` for these files, which is also that of `config check`. The
    /// path of the folder becomes `FOLDER`.
    fn refusal(&self, certificate: &str, key: &str, client_ca: &str) -> String {
        // `config check` runs first, because `serve` would not end if it accepted the files.
        let refusals = [&["config", "check"][..], &["serve", "--address", "127.0.0.1:0"]];
        let [of_check, of_serve] = refusals.map(|arguments| {
            let output = command(arguments)
                .env("SAMPLE__TLS__CERTIFICATE", certificate)
                .env("SAMPLE__TLS__KEY", key)
                .env("SAMPLE__TLS__CLIENT_CA", client_ca)
                .output()
                .expect("the binary runs");
            assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
            assert_eq!(stdout(&output), "");
            stderr(&output)
        });
        assert_eq!(of_serve, of_check);
        of_serve.replace(self.folder.path().to_str().expect("UTF-8"), "FOLDER")
    }
}

const ONE_ERROR: &str = "error: the configuration has 1 error\n  ";

#[test]
fn incomplete_pairs_of_settings_are_refused_all_at_once() {
    let files = Files::new();
    assert_eq!(
        files.refusal("a.crt", "", ""),
        format!(
            "{ONE_ERROR}tls.certificate: needs tls.key, the file of its key \
                 (from SAMPLE__TLS__CERTIFICATE)\n"
        )
    );
    let refusal = files.refusal("", "a.key", "ca.crt");
    assert!(refusal.starts_with("error: the configuration has 2 errors\n"), "{refusal}");
    assert!(refusal.contains("\n  tls.key: needs tls.certificate"), "{refusal}");
    assert!(refusal.contains("\n  tls.client_ca: needs tls.certificate"), "{refusal}");
}

#[test]
fn an_unreadable_file_of_tls_is_refused() {
    let files = Files::new();
    let (certificate, key) = files.issue().write(files.folder.path());
    let folder = files.folder.path().to_str().expect("UTF-8");
    let missing = format!("{folder}/missing");
    let empty = files.write("empty", " \n");
    let large = files.write("large", &"x".repeat(1024 * 1024));
    for (file, problem) in [
        (
            missing.as_str(),
            "FOLDER/missing: cannot be read: No such file or directory (os error 2); \
             correct the path, or put the file there",
        ),
        (folder, "FOLDER: is a directory: name the file in it"),
        (&empty, "FOLDER/empty: is empty: write PEM into it"),
        (&large, "FOLDER/large: is a megabyte or more, which no certificate is: name another file"),
        // The first page of this file is not mapped, so reading fails.
        ("/proc/self/mem", "/proc/self/mem: cannot be read: Input/output error (os error 5)"),
        ("/dev/null", "/dev/null: is not a regular file: write what it holds into one"),
    ] {
        for (setting, refusal) in [
            ("tls.certificate", files.refusal(file, &key, "")),
            ("tls.key", files.refusal(&certificate, file, "")),
            ("tls.client_ca", files.refusal(&certificate, &key, file)),
        ] {
            assert_eq!(refusal, format!("{ONE_ERROR}{setting}: {problem}\n"));
        }
    }
}

#[test]
fn a_file_without_a_certificate_or_key_is_refused() {
    let files = Files::new();
    let (certificate, key) = files.issue().write(files.folder.path());
    let no_certificate = format!(
        "{ONE_ERROR}SETTING: FOLDER/tls.key: has no certificate in it, which in PEM begins with \
         \"-----BEGIN CERTIFICATE-----\": name another file, or convert it\n"
    );
    assert_eq!(files.refusal(&key, &key, ""), no_certificate.replace("SETTING", "tls.certificate"));
    assert_eq!(
        files.refusal(&certificate, &key, &key),
        no_certificate.replace("SETTING", "tls.client_ca")
    );
    assert_eq!(
        files.refusal(&certificate, &certificate, ""),
        format!(
            "{ONE_ERROR}tls.key: FOLDER/tls.crt: has no key in it, which in PEM begins with \
             \"-----BEGIN PRIVATE KEY-----\": name another file, or convert it; a key with a \
             password has to be decrypted\n"
        )
    );
}

#[test]
fn text_around_pem_blocks_is_skipped_and_invalid_blocks_are_refused() {
    let files = Files::new();
    let issued = files.issue();
    let (certificate, key) = issued.write(files.folder.path());
    let not_base64_in = |pem: &str| pem.replacen("\nMI", "\n%%", 1);
    let half = |pem: &str| pem[..pem.len() / 2].to_owned();
    let malformed = |pem: &str| pem.replacen("-----\n", "--\n", 1);
    let not_base64 = "the block that begins in line 1 has something in it that is not base64";
    for (damage, problem) in [
        (&not_base64_in as &dyn Fn(&str) -> String, not_base64),
        (&half, "the block that begins in line 1 has no end"),
        (&malformed, "line 1, where a block begins, is malformed"),
    ] {
        let problem = format!("FOLDER/broken: is not valid PEM: {problem}; encode it again\n");
        let broken = files.write("broken", &damage(&issued.certificate));
        let refusal = files.refusal(&broken, &key, "");
        assert_eq!(refusal, format!("{ONE_ERROR}tls.certificate: {problem}"));
        let refusal = files.refusal(&certificate, &key, &broken);
        assert_eq!(refusal, format!("{ONE_ERROR}tls.client_ca: {problem}"));
        let broken = files.write("broken", &damage(&issued.key));
        let refusal = files.refusal(&certificate, &broken, "");
        assert_eq!(refusal, format!("{ONE_ERROR}tls.key: {problem}"));
    }

    // Valid base64, but no certificate.
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let second = issued.certificate.lines().count() + 1;
    for (text, line) in [
        (nonsense.to_owned(), String::new()),
        (issued.certificate.clone() + nonsense, format!("line {second}: ")),
    ] {
        let broken = files.write("broken", &text);
        let refusal = files.refusal(&broken, &key, "");
        let problem = format!(
            "tls.certificate: FOLDER/broken: {line}has a certificate that cannot be read: "
        );
        assert!(refusal.starts_with(&format!("{ONE_ERROR}{problem}")), "{refusal}");
    }
    let nonsense = files.write("broken", &nonsense.replace("CERTIFICATE", "PRIVATE KEY"));
    let refusal = files.refusal(&certificate, &nonsense, "");
    let problem = "tls.key: FOLDER/broken: has a key that cannot be used: ";
    assert!(refusal.starts_with(&format!("{ONE_ERROR}{problem}")), "{refusal}");

    fs::write(&certificate, format!("subject=server\n\n{}\nthe end", issued.certificate))
        .expect("it is written");
    // With text around the blocks, the server starts.
    ServerProcess::with(
        &[("SAMPLE__TLS__CERTIFICATE", &certificate), ("SAMPLE__TLS__KEY", &key)],
        &[],
    );
}

#[test]
fn a_wrong_pair_or_a_certificate_that_is_not_valid_now_is_refused() {
    let files = Files::new();
    let (certificate, key) = files.issue().write(files.folder.path());
    let other = files.write("other.key", &files.issue().key);
    assert_eq!(
        files.refusal(&certificate, &other, ""),
        format!(
            "{ONE_ERROR}tls.key: FOLDER/other.key: is not the key of the first certificate in \
             FOLDER/tls.crt: give the two that were issued together\n"
        )
    );
    for (first, last, problem) in [
        (2000, 2001, "has expired, at 2001-01-01T00:00:00Z: renew it"),
        (
            2900,
            3000,
            "is not valid before 2900-01-01T00:00:00Z: wait until then, or correct the clock of \
             this machine",
        ),
    ] {
        let issued = files.authority.server().years(first, last).issue();
        issued.write(files.folder.path());
        assert_eq!(
            files.refusal(&certificate, &key, ""),
            format!("{ONE_ERROR}tls.certificate: FOLDER/tls.crt: {problem}\n")
        );
    }
}

/// rustls does not check whether an authority has expired, so the server checks at its start.
#[test]
fn an_expired_client_authority_is_refused_unless_the_file_has_a_valid_one() {
    let files = Files::new();
    let (certificate, key) = files.issue().write(files.folder.path());
    // Only the validity matters here, so any certificate will do.
    let expired = files.authority.client("old").years(2000, 2001).issue().certificate;
    let old = files.write("old.crt", &expired);
    assert_eq!(
        files.refusal(&certificate, &key, &old),
        format!(
            "{ONE_ERROR}tls.client_ca: FOLDER/old.crt: has expired, at 2001-01-01T00:00:00Z: \
             renew it\n"
        )
    );
    let both = files.write("both.crt", &(expired.clone() + &files.authority.pem()));
    let check = |file: &str| {
        let mut check = command(&["config", "check"]);
        check.env("SAMPLE__TLS__CERTIFICATE", &certificate).env("SAMPLE__TLS__KEY", &key);
        check.env("SAMPLE__TLS__CLIENT_CA", file).output().expect("the binary runs").status
    };
    assert!(check(&both).success());

    let chain = files.issue();
    let line = chain.certificate.lines().count() + 1;
    files.write("tls.crt", &(chain.certificate + &expired));
    files.write("tls.key", &chain.key);
    assert_eq!(
        files.refusal(&certificate, &key, ""),
        format!(
            "{ONE_ERROR}tls.certificate: FOLDER/tls.crt: line {line}: has expired, at \
             2001-01-01T00:00:00Z: renew it\n"
        )
    );
}

#[test]
fn certificates_that_are_no_chain_are_refused_with_the_line() {
    let files = Files::new();
    let root = &files.authority;
    let intermediate = root.intermediate("intermediate", 3000);
    let renewed = root.intermediate("intermediate", 3000);
    let Issued { certificate: own, key } = intermediate.server().issue();
    let key = files.write("tls.key", &key);
    let of_client = root.client("alice").issue().certificate;
    let (root, intermediate, renewed) = (root.pem(), intermediate.pem(), renewed.pem());
    let check = |chain: &str| {
        let file = files.write("tls.crt", chain);
        let mut check = command(&["config", "check"]);
        check.env("SAMPLE__TLS__CERTIFICATE", file).env("SAMPLE__TLS__KEY", &key);
        check.output().expect("the binary runs")
    };
    for chain in [own.clone(), own.clone() + &intermediate, own.clone() + &intermediate + &root] {
        let output = check(&chain);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    let [in_2nd, in_3rd] =
        [&own, &(own.clone() + &intermediate)].map(|text| text.lines().count() + 1);
    for (chain, line, problem) in [
        (
            own.clone() + &root,
            in_2nd,
            "the certificate of CN=authority did not issue the one before",
        ),
        (own.clone() + &root + &intermediate, in_2nd, "which CN=intermediate issued"),
        (own.clone() + &renewed, in_2nd, "of the same name with another key"),
        (own.clone() + &of_client, in_2nd, "CN=alice did not issue"),
        (own.clone() + &own, in_2nd, "the certificate of line 1 again"),
        (own.clone() + &intermediate + &own, in_3rd, "the certificate of line 1 again"),
        (own.clone() + &intermediate + &renewed, in_3rd, "did not issue the one before"),
    ] {
        let output = check(&chain);
        assert_eq!(output.status.code(), Some(78), "{problem}");
        let error = stderr(&output);
        assert!(error.contains(&format!("tls.crt: line {line}: ")), "{error}");
        assert!(error.contains(problem), "{error}");
    }
}

#[test]
fn a_client_authority_that_cannot_issue_certificates_is_refused() {
    let files = Files::new();
    let (certificate, key) = files.issue().write(files.folder.path());
    let alice = files.authority.client("alice").issue().certificate;
    let problem = "the certificate of CN=alice is not an authority's (CA:TRUE), so that no client \
                   is accepted for it: give the certificate of the authority that issues client \
                   certificates";
    let line = files.authority.pem().lines().count() + 1;
    for (text, line) in
        [(alice.clone(), String::new()), (files.authority.pem() + &alice, format!("line {line}: "))]
    {
        let file = files.write("ca.crt", &text);
        assert_eq!(
            files.refusal(&certificate, &key, &file),
            format!("{ONE_ERROR}tls.client_ca: FOLDER/ca.crt: {line}{problem}\n")
        );
    }
}

#[test]
fn errors_of_all_files_are_listed_at_once() {
    let files = Files::new();
    let refusal = files.refusal("missing.crt", "missing.key", "missing.ca");
    assert!(refusal.starts_with("error: the configuration has 3 errors\n"), "{refusal}");
    for part in
        ["tls.certificate: missing.crt", "tls.key: missing.key", "tls.client_ca: missing.ca"]
    {
        assert!(refusal.contains(part), "{refusal}");
    }
}
