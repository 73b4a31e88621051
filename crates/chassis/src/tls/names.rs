//! The names in the certificate of a client.

use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_parser::{extensions::GeneralName, parse_x509_certificate};

/// The names in the certificate that a client has shown. An authority of `tls.client_ca` vouches
/// for all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerNames {
    common_name: Option<String>,
    uris: Vec<String>,
    dns_names: Vec<String>,
    emails: Vec<String>,
}

impl PeerNames {
    /// Reads the names of a certificate. Names that are empty or not text are left out.
    pub(crate) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(certificate).ok()?;
        let mut common_names =
            certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let mut names = Self {
            common_name: common_names.find(|name| !name.is_empty()).map(ToOwned::to_owned),
            ..Self::default()
        };
        let alternative = certificate.subject_alternative_name().ok().flatten();
        for name in alternative.iter().flat_map(|extension| &extension.value.general_names) {
            let (list, name) = match name {
                GeneralName::URI(name) => (&mut names.uris, name),
                GeneralName::DNSName(name) => (&mut names.dns_names, name),
                GeneralName::RFC822Name(name) => (&mut names.emails, name),
                _ => continue,
            };
            if !name.is_empty() {
                list.push((*name).to_owned());
            }
        }
        Some(names)
    }

    /// Returns the name that stands for the client, in the log too. It is the common name, or else
    /// the first URI, DNS name or e-mail address, in this order.
    pub fn subject(&self) -> Option<&str> {
        let alternative = [&self.uris, &self.dns_names, &self.emails];
        let alternative = || alternative.into_iter().flatten().next();
        self.common_name.as_ref().or_else(alternative).map(String::as_str)
    }

    /// Returns the first common name (CN) of the subject.
    pub fn common_name(&self) -> Option<&str> {
        self.common_name.as_deref()
    }

    /// Returns the URIs of the subject alternative name, such as `spiffe://example.org/orders`.
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// Returns the DNS names of the subject alternative name.
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// Returns the e-mail addresses of the subject alternative name.
    pub fn emails(&self) -> &[String] {
        &self.emails
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn names(common_name: Option<&str>, alternative: Vec<SanType>) -> PeerNames {
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.subject_alt_names = alternative;
        let certificate = params.self_signed(&KeyPair::generate().expect("a key"));
        PeerNames::read(certificate.expect("a certificate").der()).expect("it is read")
    }

    fn alternative() -> [SanType; 5] {
        let name = |name: &str| name.try_into().expect("ASCII");
        [
            SanType::Rfc822Name(name("a@example.org")),
            SanType::IpAddress([127, 0, 0, 1].into()),
            SanType::DnsName(name("a.example.org")),
            SanType::URI(name("spiffe://example.org/a")),
            SanType::URI(name("https://example.org/a")),
        ]
    }

    #[test]
    fn the_subject_is_the_common_name_or_the_first_uri_dns_name_or_email() {
        let [email, ip, dns, uri, second_uri] = alternative();
        for (common_name, alternative, subject) in [
            (Some("alice"), alternative().to_vec(), Some("alice")),
            (Some(""), vec![dns.clone()], Some("a.example.org")),
            (None, alternative().to_vec(), Some("spiffe://example.org/a")),
            (None, vec![second_uri, uri], Some("https://example.org/a")),
            (None, vec![email.clone(), ip.clone(), dns], Some("a.example.org")),
            (None, vec![ip.clone(), email], Some("a@example.org")),
            (None, vec![ip], None),
            (None, vec![], None),
        ] {
            assert_eq!(names(common_name, alternative).subject(), subject);
        }
    }

    #[test]
    fn all_names_are_kept() {
        let names = names(Some("alice"), alternative().to_vec());
        assert_eq!(names.common_name(), Some("alice"));
        assert_eq!(names.uris(), ["spiffe://example.org/a", "https://example.org/a"]);
        assert_eq!(names.dns_names(), ["a.example.org"]);
        assert_eq!(names.emails(), ["a@example.org"]);
    }
}
