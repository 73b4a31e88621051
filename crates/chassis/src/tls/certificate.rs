//! The certificate of the server, its key, and the certificate authorities of its clients:
//! read from PEM files, and checked before they are used.

use std::{path::Path, sync::Arc, time::SystemTime};

use tokio_rustls::rustls::{
    Error, InconsistentKeys, ServerConfig,
    crypto::CryptoProvider,
    pki_types::CertificateDer,
    server::{NoServerSessionStorage, danger::ClientCertVerifier},
    sign::{CertifiedKey, SigningKey, SingleCertAndKey},
};
use wire::{
    crypto,
    pem::{Content, certificates, private_key, read_regular},
    x509,
};

use super::{
    authorities::Authorities,
    time::{in_its_time, not_after, seconds},
};
use crate::config::{ConfigError, ConfigErrors, Tls};

/// HTTP/2 over TLS (RFC 9113, section 3.2).
pub(super) const HTTP2: &[u8] = b"h2";
/// HTTP/1.1 over TLS (RFC 7301, section 6).
const HTTP1: &[u8] = b"http/1.1";

/// The content of the files at one moment, or why they cannot be read. It includes the private
/// key, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    certificate: Content,
    key: Content,
    client_ca: Option<Content>,
}

/// The configuration with which connections are accepted.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) config: Arc<ServerConfig>,
    /// The serial number of the certificate.
    pub(super) serial: String,
    pub(super) expiry: Expiry,
    /// When an authority of clients becomes valid or has expired, in seconds since 1970.
    pub(super) changes_at: Option<i64>,
}

/// When the first certificate of each file expires, in seconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Expiry {
    pub(crate) certificate: i64,
    /// Of the authorities that are in use, if clients need a certificate.
    pub(crate) client_ca: Option<i64>,
}

impl Identity {
    /// Offers HTTP/1.1 to clients that do not speak HTTP/2.
    pub(super) fn with_http1(mut self) -> Self {
        Arc::make_mut(&mut self.config).alpn_protocols.push(HTTP1.to_vec());
        self
    }
}

impl Files {
    pub(super) fn read(settings: &Tls) -> Self {
        Self {
            certificate: read_regular(&settings.certificate),
            key: read_regular(&settings.key),
            client_ca: settings.client_ca.as_deref().map(read_regular),
        }
    }

    /// Returns the identity with which connections can be accepted at this time.
    ///
    /// # Errors
    ///
    /// Returns everything that is wrong with the files, with the setting and the file.
    pub(super) fn check(&self, settings: &Tls, now: SystemTime) -> Result<Identity, ConfigErrors> {
        let provider = crypto::provider();
        let now = seconds(now);
        let mut errors = Vec::new();
        let mut error = |setting: &str, path: &Path, problem: String| {
            errors.push(ConfigError {
                subject: setting.to_owned(),
                problem: format!("{}: {problem}", path.display()),
                source: None,
            });
        };

        let chain = chain(&self.certificate, now);
        let chain =
            chain.map_err(|problem| error("tls.certificate", &settings.certificate, problem));
        let key = key(&self.key, &provider);
        let key = key.map_err(|problem| error("tls.key", &settings.key, problem));
        let mut clients = None;
        if let (Some(path), Some(content)) = (&settings.client_ca, &self.client_ca) {
            match Authorities::read(content, now, &provider) {
                Ok(authorities) => clients = Some(authorities),
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
                let expiry = Expiry {
                    certificate: not_after,
                    client_ca: clients.as_ref().map(|authorities| authorities.not_after),
                };
                let changes_at = clients.as_ref().and_then(|authorities| authorities.changes_at);
                let verifier = clients.map(|authorities| authorities.verifier);
                let config = Arc::new(server_config(certified, verifier, provider));
                Ok(Identity { config, serial, expiry, changes_at })
            }
            _ => Err(ConfigErrors(errors)),
        }
    }
}

struct Chain {
    certificates: Vec<CertificateDer<'static>>,
    serial: String,
    not_after: i64,
}

/// Returns the certificates of the file: the server's own first, then those of its authorities.
fn chain(content: &Content, now: i64) -> Result<Chain, String> {
    let file = certificates(content)?;
    let chain = x509::parse(&file)?;
    for certificate in &chain {
        in_its_time(&certificate.parsed, now).map_err(|problem| certificate.problem(&problem))?;
    }
    x509::check_chain(&chain)?;
    let serial = chain[0].parsed.raw_serial_as_string();
    let not_after = chain.iter().map(|certificate| not_after(&certificate.parsed)).min();
    let not_after = not_after.expect("a file has at least one certificate");
    Ok(Chain { serial, not_after, certificates: file.into_iter().map(|one| one.der).collect() })
}

fn key(content: &Content, provider: &CryptoProvider) -> Result<Arc<dyn SigningKey>, String> {
    let key = provider.key_provider.load_private_key(private_key(content)?);
    key.map_err(|error| format!("has a key that cannot be used: {error}"))
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
