//! Parses the certificates of a file, and checks that they are a chain.

use x509_parser::{
    certificate::X509Certificate, error::X509Error, parse_x509_certificate, x509::X509Version,
};

use crate::pem;

/// A certificate of a file, parsed.
#[derive(Debug)]
pub struct Certificate<'a> {
    /// The fields of the certificate.
    pub parsed: X509Certificate<'a>,
    line: usize,
    /// Whether the file has other certificates, so that an error must name the line.
    is_one_of_many: bool,
}

impl Certificate<'_> {
    /// Puts the line of the certificate before a problem, if the file has other certificates.
    pub fn problem(&self, problem: &str) -> String {
        if self.is_one_of_many { format!("line {}: {problem}", self.line) } else { problem.into() }
    }

    /// Returns whether peers may accept certificates that this one has issued: it is an
    /// authority's, or of a version that cannot say so, or self-issued and trusted directly.
    pub fn may_issue(&self) -> bool {
        let parsed = &self.parsed;
        let is_self_issued = parsed.subject().as_raw() == parsed.issuer().as_raw();
        parsed.is_ca() || is_self_issued || parsed.version() != X509Version::V3
    }
}

/// Parses the certificates of a file.
///
/// # Errors
///
/// Returns a text for people if a block of the file is not a certificate.
pub fn parse(file: &[pem::Certificate]) -> Result<Vec<Certificate<'_>>, String> {
    let is_one_of_many = file.len() > 1;
    let mut certificates = Vec::with_capacity(file.len());
    for pem::Certificate { der, line } in file {
        let (_, parsed) = parse_x509_certificate(der).map_err(|error| {
            let line = if is_one_of_many { format!("line {line}: ") } else { String::new() };
            format!("{line}has a certificate that cannot be read: {error}")
        })?;
        certificates.push(Certificate { parsed, line: *line, is_one_of_many });
    }
    Ok(certificates)
}

/// Checks that each certificate is followed by the one that issued it. TLS 1.2 requires this order
/// (RFC 5246, section 7.4.2), and some clients need it.
///
/// # Errors
///
/// Returns a text for people with the line of the first certificate that is out of place.
pub fn check_chain(chain: &[Certificate<'_>]) -> Result<(), String> {
    for (index, pair) in chain.windows(2).enumerate() {
        let [before, next] = pair else { continue };
        let name = next.parsed.subject();
        let same = |other: &&Certificate<'_>| other.parsed.as_raw() == next.parsed.as_raw();
        if let Some(first) = chain[..=index].iter().find(same) {
            return Err(
                next.problem(&format!("the certificate of line {} again: delete it", first.line))
            );
        }
        if before.parsed.issuer().as_raw() != name.as_raw() {
            return Err(next.problem(&format!(
                "the certificate of {name} did not issue the one before it, which {} issued: put \
                 the own certificate first, and behind each the one that issued it",
                before.parsed.issuer()
            )));
        }
        // Some algorithms cannot be verified here.
        let verified = before.parsed.verify_signature(Some(next.parsed.public_key()));
        if verified == Err(X509Error::SignatureVerificationError) {
            return Err(next.problem(&format!(
                "the certificate of {name} did not issue the one before it, which an authority \
                 of the same name with another key issued: give the certificate of that one"
            )));
        }
        if !next.may_issue() {
            return Err(next.problem(&format!(
                "the certificate of {name} is not an authority's (CA:TRUE), so that what it \
                 issued is not valid"
            )));
        }
    }
    Ok(())
}
