//! The certificate of the server, its key, and the certificate authorities of its clients:
//! read from PEM files, and checked before they are used.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio_rustls::rustls::{
    Error, InconsistentKeys, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::CertificateDer,
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    sign::{CertifiedKey, SigningKey, SingleCertAndKey},
};
use x509_parser::{certificate::X509Certificate, parse_x509_certificate};

use crate::config::{ConfigError, ConfigErrors, Tls};
use wire::pem::{Content, certificates, private_key, read_regular};

/// HTTP/2 over TLS (RFC 9113, section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";

/// The content of the files at one moment, or why they cannot be read. It includes the private
/// key, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    certificate: Content,
    key: Content,
    client_ca: Option<Content>,
}

/// What connections are accepted with.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) config: Arc<ServerConfig>,
    /// The serial number of the certificate.
    pub(super) serial: String,
    /// When the certificate expires, in seconds since 1970.
    pub(super) not_after: i64,
}

impl Files {
    pub(super) fn read(settings: &Tls) -> Self {
        Self {
            certificate: read_regular(&settings.certificate),
            key: read_regular(&settings.key),
            client_ca: settings.client_ca.as_deref().map(read_regular),
        }
    }

    /// Returns what connections can be accepted with at this time.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the files, with the setting and the file.
    pub(super) fn check(&self, settings: &Tls, now: SystemTime) -> Result<Identity, ConfigErrors> {
        let provider = Arc::new(ring::default_provider());
        let mut errors = Vec::new();
        let mut error = |setting: &str, path: &Path, problem: String| {
            errors.push(ConfigError {
                subject: setting.to_owned(),
                problem: format!("{}: {problem}", path.display()),
                source: None,
            });
        };

        let chain = chain(&self.certificate, seconds(now));
        let chain =
            chain.map_err(|problem| error("tls.certificate", &settings.certificate, problem));
        let key = key(&self.key, &provider);
        let key = key.map_err(|problem| error("tls.key", &settings.key, problem));
        let mut clients = None;
        if let (Some(path), Some(content)) = (&settings.client_ca, &self.client_ca) {
            match client_verifier(content, seconds(now), &provider) {
                Ok(verifier) => clients = Some(verifier),
                Err(problem) => error("tls.client_ca", path, problem),
            }
        }
        let certified = match (chain, key) {
            (Ok(chain), Ok(key)) => {
                let certified = CertifiedKey::new(chain.certificates, key);
                match certified.keys_match() {
                    // Some kinds of keys cannot be compared.
                    Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
                    Err(Error::InconsistentKeys(_)) => error(
                        "tls.key",
                        &settings.key,
                        format!(
                            "is not the key of the first certificate in {}: \
                             give the two that were issued together",
                            settings.certificate.display()
                        ),
                    ),
                    Err(invalid) => error(
                        "tls.certificate",
                        &settings.certificate,
                        format!("has a certificate that cannot be used: {invalid}"),
                    ),
                }
                Some((certified, chain.serial, chain.not_after))
            }
            _ => None,
        };
        match certified {
            Some((certified, serial, not_after)) if errors.is_empty() => {
                let config = Arc::new(server_config(certified, clients, provider));
                Ok(Identity { config, serial, not_after })
            }
            _ => Err(ConfigErrors(errors)),
        }
    }
}

/// Formats a time such as `2030-01-31T00:00:00Z`.
pub(super) fn in_words(seconds: i64) -> String {
    // A certificate from before 1970 is shown as of 1970.
    let since_1970 = Duration::from_secs(seconds.try_into().unwrap_or(0));
    humantime::format_rfc3339_seconds(UNIX_EPOCH + since_1970).to_string()
}

fn seconds(time: SystemTime) -> i64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_secs().try_into().unwrap_or(i64::MAX)
}

struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    serial: String,
    not_after: i64,
}

fn chain(content: &Content, now: i64) -> Result<Chain, String> {
    let certificates = certificates(content)?;
    let first = parse(&certificates[0])?;
    for certificate in &certificates {
        in_its_time(&parse(certificate)?, now)?;
    }
    let not_after = first.validity().not_after.timestamp();
    Ok(Chain { serial: first.raw_serial_as_string(), not_after, certificates })
}

fn in_its_time(certificate: &X509Certificate<'_>, now: i64) -> Result<(), String> {
    let valid = certificate.validity();
    let (not_before, not_after) = (valid.not_before.timestamp(), valid.not_after.timestamp());
    if now < not_before {
        return Err(format!(
            "is not valid before {}: wait until then, or correct the clock of this machine",
            in_words(not_before)
        ));
    }
    if now > not_after {
        return Err(format!("has expired, at {}: renew it", in_words(not_after)));
    }
    Ok(())
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, String> {
    match parse_x509_certificate(certificate) {
        Ok((_, parsed)) => Ok(parsed),
        Err(error) => Err(format!("has a certificate that cannot be read: {error}")),
    }
}

fn key(content: &Content, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, String> {
    let key = provider.key_provider.load_private_key(private_key(content)?);
    key.map_err(|error| format!("has a key that cannot be used: {error}"))
}

/// Returns the verifier of client certificates. Expired authorities are left out, because a
/// file may have the old one beside the new, and rustls does not check their time.
fn client_verifier(
    content: &Content,
    now: i64,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let unusable = |error| format!("has a certificate that cannot be used: {error}");
    let mut authorities = RootCertStore::empty();
    let mut out_of_time = None;
    for certificate in certificates(content)? {
        match in_its_time(&parse(&certificate)?, now) {
            Ok(()) => authorities.add(certificate).map_err(unusable)?,
            Err(problem) => out_of_time = Some(problem),
        }
    }
    if let Some(problem) = out_of_time.filter(|_| authorities.is_empty()) {
        return Err(problem);
    }
    let provider = Arc::clone(provider);
    let verifier = WebPkiClientVerifier::builder_with_provider(authorities.into(), provider);
    Ok(verifier.build().expect("there is an authority, and no list of revoked certificates"))
}

fn server_config(
    certified: CertifiedKey,
    clients: Option<Arc<dyn ClientCertVerifier>>,
    provider: Arc<CryptoProvider>,
) -> ServerConfig {
    let config = ServerConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions();
    let config = config.expect("the provider has ciphers for TLS 1.2 and 1.3");
    let mutual = clients.is_some();
    let config = match clients {
        Some(verifier) => config.with_client_cert_verifier(verifier),
        None => config.with_no_client_auth(),
    };
    let mut config = config.with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![HTTP2.to_vec()];
    if mutual {
        // A resumed session would not check the client's certificate again.
        config.session_storage = Arc::new(NoServerSessionStorage {});
    }
    config
}
