//! TLS: the certificate authorities to trust, and the client's certificate.

use std::{
    fmt::{self, Display},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, ClientConfig, RootCertStore,
        client::WebPkiServerVerifier,
        crypto::CryptoProvider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName},
    },
};
use tokio_util::either::Either;
use wire::{crypto, pem, x509};

use crate::{
    tls_problem::{NO_HTTP2, explain},
    unverified::Unverified,
};

const HTTP2: &[u8] = b"h2";

/// A connection before TLS.
pub(crate) type SocketStream = Either<TcpStream, UnixStream>;

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

/// How connections are secured.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    server_name: Option<ServerName<'static>>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Tls {
    /// Returns TLS that verifies the server's certificate.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or has the wrong content, if the server
    /// name is not one, or if there are no certificate authorities.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = crypto::provider();
        let mut roots = RootCertStore::empty();
        match &files.ca {
            Some(file) => {
                for certificate in certificates(file)? {
                    roots.add(certificate.der).map_err(|error| wrong(file, error))?;
                }
            }
            None => {
                // Certificates that cannot be read are skipped: if one of them is needed, the
                // connection fails with an error that says so.
                let found = rustls_native_certs::load_native_certs().certs;
                roots.add_parsable_certificates(found);
                if roots.is_empty() {
                    return Err(TlsError::NoAuthorities);
                }
            }
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(&provider))
                .build()
                .expect("there are roots, and no revocation lists");
        let trust = |config: rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>| {
            config.with_webpki_verifier(verifier)
        };
        Self::build(provider, trust, files)
    }

    /// Returns TLS that does not verify the server's certificate, as HTTPS probes of
    /// Kubernetes do not. It is for health checks of the server on the same machine.
    ///
    /// # Errors
    ///
    /// Returns an error if a file of the client's certificate cannot be read or has the wrong
    /// content.
    pub fn unverified(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = crypto::provider();
        let verifier = Arc::new(Unverified::new(Arc::clone(&provider)));
        let trust = |config: rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>| {
            config.dangerous().with_custom_certificate_verifier(verifier)
        };
        Self::build(provider, trust, files)
    }

    fn build(
        provider: Arc<CryptoProvider>,
        trust: impl FnOnce(
            rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
        )
            -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
        files: &TlsFiles,
    ) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has ciphers for TLS 1.2 and 1.3");
        let config = trust(config);
        let mut config = match &files.identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = chain(certificate)?;
                config.with_client_auth_cert(chain, private_key(key)?).map_err(
                    |error| match error {
                        rustls::Error::InconsistentKeys(_) => wrong(
                            key,
                            format!(
                                "it is not the key of the certificate in {}",
                                certificate.display()
                            ),
                        ),
                        error => wrong(certificate, error),
                    },
                )?
            }
        };
        config.alpn_protocols = vec![HTTP2.to_vec()];
        let server_name = files.server_name.as_ref().map(|name| {
            ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name.clone()))
        });
        Ok(Self { connector: Arc::new(config).into(), server_name: server_name.transpose()? })
    }

    /// Starts TLS on a connection to `host`.
    ///
    /// # Errors
    ///
    /// Returns a text for people if the handshake fails.
    pub(crate) async fn connect(
        &self,
        host: &str,
        socket: SocketStream,
    ) -> Result<TlsStream<SocketStream>, String> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|_| format!("{host:?} is not a name that a certificate can have"))?,
        };
        let stream = self.connector.connect(name, socket).await.map_err(|error| explain(&error))?;
        if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
            return Err(NO_HTTP2.to_owned());
        }
        Ok(stream)
    }
}

fn certificates(file: &Path) -> Result<Vec<pem::Certificate>, TlsError> {
    pem::certificates(&pem::read(file)).map_err(|problem| wrong(file, problem))
}

/// Returns the client's certificates, the own one first.
fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = certificates(file)?;
    x509::parse(&chain)
        .and_then(|parsed| x509::check_chain(&parsed))
        .map_err(|problem| wrong(file, problem))?;
    Ok(chain.into_iter().map(|certificate| certificate.der).collect())
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    pem::private_key(&pem::read(file)).map_err(|problem| wrong(file, problem))
}

fn wrong(file: &Path, problem: impl Display) -> TlsError {
    TlsError::File { file: file.to_owned(), problem: problem.to_string() }
}
