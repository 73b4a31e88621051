//! TLS as a client: whom to trust, and who to be.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        self, AlertDescription, CertificateError, ClientConfig, RootCertStore,
        client::WebPkiServerVerifier,
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime},
    },
};

use super::unverified::Unverified;
use crate::pem;

const HTTP2: &[u8] = b"h2";

/// What a person may say of TLS.
#[derive(Debug, Clone, Default)]
pub struct TlsFiles {
    /// PEM with the authorities to trust, and no others; without it, the system's.
    pub ca: Option<PathBuf>,
    /// PEM with this client's certificate and those that it is signed by, and
    /// PEM with its private key.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate must be for, where that is not the
    /// host of its address.
    pub server_name: Option<String>,
}

/// What is wrong with a file or a name.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read, or does not hold what it should.
    #[error("{}: {problem}", file.display())]
    File {
        /// Which file.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// There is nobody to trust.
    #[error("this system has no certificate authorities: pass one with --ca")]
    NoAuthorities,
    /// The name is neither a DNS name nor an IP address.
    #[error("{0:?} is not the name of a server")]
    Name(String),
}

/// How connections are secured.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    server_name: Option<ServerName<'static>>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("server_name", &self.server_name).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read or does not hold what it should.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        match &files.ca {
            Some(file) => {
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|error| wrong(file, error))?;
                }
            }
            None => {
                // What cannot be read of them is missed where it is needed.
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
                .expect("there are roots, and no lists of revoked certificates");
        let trust = |config: rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>| {
            config.with_webpki_verifier(verifier)
        };
        Self::with(provider, trust, files)
    }

    /// For the server on this very machine, which is asked for its health and
    /// nothing else: its certificate is not verified, as with the HTTPS probes of
    /// Kubernetes.
    ///
    /// # Errors
    ///
    /// Where a file of the client's own certificate is wrong.
    pub fn unverified(files: &TlsFiles) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(Unverified::new(Arc::clone(&provider)));
        let trust = |config: rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>| {
            config.dangerous().with_custom_certificate_verifier(verifier)
        };
        Self::with(provider, trust, files)
    }

    fn with(
        provider: Arc<CryptoProvider>,
        trust: impl FnOnce(
            rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>,
        )
            -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>,
        files: &TlsFiles,
    ) -> Result<Self, TlsError> {
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has suites for TLS 1.2 and 1.3");
        let config = trust(config);
        let mut config = match &files.identity {
            None => config.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates(certificate)?;
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

    /// Secures a connection to `host`. The error says what was wrong, for people.
    pub(super) async fn connect(
        &self,
        host: &str,
        tcp: TcpStream,
    ) -> Result<TlsStream<TcpStream>, String> {
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.to_owned())
                .map_err(|_| format!("{host:?} is not a name that a certificate can have"))?,
        };
        let stream = self.connector.connect(name, tcp).await.map_err(|error| explain(&error))?;
        if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
            return Err(NO_HTTP2.to_owned());
        }
        Ok(stream)
    }
}

const NO_HTTP2: &str = "the server does not offer HTTP/2 in its TLS handshake (ALPN)";

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    pem::certificates(&pem::read(file)).map_err(|problem| wrong(file, problem))
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    pem::private_key(&pem::read(file)).map_err(|problem| wrong(file, problem))
}

fn wrong(file: &Path, problem: impl Display) -> TlsError {
    TlsError::File { file: file.to_owned(), problem: problem.to_string() }
}

/// What went wrong with a connection, in words for the one who can mend it.
pub(super) fn explain(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(problem)) => explain_certificate(problem),
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::CertificateRequired => {
                "the server asks for a client certificate: pass --cert and --key".to_owned()
            }
            AlertDescription::NoApplicationProtocol => NO_HTTP2.to_owned(),
            alert => format!("the server refused: TLS alert {alert:?}"),
        },
        Some(rustls::Error::InvalidMessage(_)) => "the server does not speak TLS".to_owned(),
        Some(error) => format!("TLS failed: {error}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection".to_owned()
        }
        None => error.to_string(),
    }
}

fn explain_certificate(problem: &CertificateError) -> String {
    let date = |time: &UnixTime| {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
    };
    match problem {
        // The second is an authority of the same name with another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is signed by nobody trusted here: --ca names whom to trust"
                .to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate has expired: it was valid until {}", date(not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid yet: it will be from {}",
            date(not_before)
        ),
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the server's certificate is not for {} but for {}: --server-name names another",
            expected.to_str(),
            presented.join(", ")
        ),
        // webpki's own word for it is all that there is.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the server's certificate is an authority's own (CA:TRUE), not a server's".to_owned()
        }
        other => format!("the server's certificate is refused: {other}"),
    }
}
