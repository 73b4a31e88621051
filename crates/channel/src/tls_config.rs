//! The configuration of TLS: the certificate authorities to trust, and the client's certificate.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_rustls::rustls::{
    self, ClientConfig, ConfigBuilder, RootCertStore, WantsVerifier,
    client::{WantsClientCert, WebPkiServerVerifier},
    pki_types::{CertificateDer, PrivateKeyDer},
};
use wire::{
    crypto,
    pem::{self, Content},
    x509,
};

use crate::unverified::Unverified;

pub(crate) const HTTP2: &[u8] = b"h2";

/// The files and the name that TLS is configured with.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// A PEM file with the certificate authorities to trust; `None` for the system's.
    pub ca: Option<PathBuf>,
    /// A PEM file with the client's certificate chain, and a PEM file with its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate must have, if it is not the host of the
    /// address.
    pub server_name: Option<String>,
}

impl TlsFiles {
    /// Returns whether files are named and all of them can be read again. A pipe cannot.
    pub(crate) fn can_be_watched(&self) -> bool {
        let pair = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        let mut paths = self.ca.iter().chain(pair).peekable();
        paths.peek().is_some() && paths.all(|path| path.is_file())
    }
}

/// Why TLS cannot be configured.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or has the wrong content.
    #[error("{}: {problem}", file.display())]
    File {
        /// The path of the file.
        file: PathBuf,
        /// What is wrong with the file.
        problem: String,
    },
    /// The system has no certificate authorities.
    #[error("this system has no certificate authorities: pass one with --ca")]
    NoAuthorities,
    /// The server name is neither a DNS name nor an IP address.
    #[error("{0:?} is not the name of a server")]
    Name(String),
    /// A certificate is given without a key, or a key without a certificate.
    #[error("a client certificate needs both cert and key, and only one of them is given")]
    Identity,
}

/// The content of the files at one moment, or why they cannot be read. It includes the private
/// key, so it has no `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Contents {
    ca: Option<Content>,
    identity: Option<(Content, Content)>,
}

impl Contents {
    pub(crate) fn read(files: &TlsFiles, read: fn(&Path) -> Content) -> Self {
        Self {
            ca: files.ca.as_deref().map(read),
            identity: files.identity.as_ref().map(|(chain, key)| (read(chain), read(key))),
        }
    }
}

/// Whether the server's certificate is verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    Verified,
    Unverified,
}

/// Returns the configuration that the contents of the files make.
///
/// # Errors
///
/// Returns an error if a file could not be read or has the wrong content, or if there are no
/// certificate authorities.
pub(crate) fn client_config(
    trust: Trust,
    files: &TlsFiles,
    contents: &Contents,
) -> Result<Arc<ClientConfig>, TlsError> {
    let config = with_trust(trust, files, contents)?;
    let mut config = match (&files.identity, &contents.identity) {
        (Some((certificate, key)), Some((chain_content, key_content))) => {
            let chain = chain(certificate, chain_content)?;
            let private_key = private_key(key, key_content)?;
            config.with_client_auth_cert(chain, private_key).map_err(|error| match error {
                rustls::Error::InconsistentKeys(_) => wrong(
                    key,
                    format!("it is not the key of the certificate in {}", certificate.display()),
                ),
                error => wrong(certificate, error),
            })?
        }
        _ => config.with_no_client_auth(),
    };
    config.alpn_protocols = vec![HTTP2.to_vec()];
    Ok(Arc::new(config))
}

fn with_trust(
    trust: Trust,
    files: &TlsFiles,
    contents: &Contents,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsError> {
    let provider = crypto::provider();
    let config: ConfigBuilder<ClientConfig, WantsVerifier> =
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for TLS 1.2 and 1.3");
    if trust == Trust::Unverified {
        let verifier = Arc::new(Unverified::new(provider));
        return Ok(config.dangerous().with_custom_certificate_verifier(verifier));
    }
    let mut roots = RootCertStore::empty();
    match (&files.ca, &contents.ca) {
        (Some(file), Some(content)) => {
            for certificate in certificates(file, content)? {
                roots.add(certificate.der).map_err(|error| wrong(file, error))?;
            }
        }
        _ => {
            // Certificates that cannot be read are skipped: if one of them is needed, the
            // connection fails with an error that says so.
            let found = rustls_native_certs::load_native_certs().certs;
            roots.add_parsable_certificates(found);
            if roots.is_empty() {
                return Err(TlsError::NoAuthorities);
            }
        }
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
        .build()
        .expect("there are roots, and no revocation lists");
    Ok(config.with_webpki_verifier(verifier))
}

fn certificates(file: &Path, content: &Content) -> Result<Vec<pem::Certificate>, TlsError> {
    pem::certificates(content).map_err(|problem| wrong(file, problem))
}

/// Returns the client's certificates, the own one first.
fn chain(file: &Path, content: &Content) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = certificates(file, content)?;
    x509::parse(&chain)
        .and_then(|parsed| x509::check_chain(&parsed))
        .map_err(|problem| wrong(file, problem))?;
    Ok(chain.into_iter().map(|certificate| certificate.der).collect())
}

fn private_key(file: &Path, content: &Content) -> Result<PrivateKeyDer<'static>, TlsError> {
    pem::private_key(content).map_err(|problem| wrong(file, problem))
}

fn wrong(file: &Path, problem: impl Display) -> TlsError {
    TlsError::File { file: file.to_owned(), problem: problem.to_string() }
}
