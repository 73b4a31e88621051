//! A TLS client, which also shows the serial number of the server's certificate.

use std::{io, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore, SupportedProtocolVersion,
        crypto::ring::default_provider,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use super::{certificates::Issued, wire::Caller};

pub(crate) struct Client {
    authority: String,
    identity: Option<Issued>,
    versions: Vec<&'static SupportedProtocolVersion>,
    protocols: Vec<Vec<u8>>,
}

impl Client {
    /// Returns a client that trusts this authority, which is in PEM.
    pub(crate) fn new(authority: String) -> Self {
        let protocols = vec![b"h2".to_vec()];
        Self { authority, identity: None, versions: vec![&TLS12, &TLS13], protocols }
    }

    pub(crate) fn identity(mut self, identity: Issued) -> Self {
        self.identity = Some(identity);
        self
    }

    pub(crate) fn version(mut self, version: &'static SupportedProtocolVersion) -> Self {
        self.versions = vec![version];
        self
    }

    /// Sets the protocols for ALPN.
    pub(crate) fn protocols(mut self, protocols: &[&str]) -> Self {
        self.protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        self
    }

    /// Returns a connector, whose connections can resume a session.
    pub(crate) fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(self.authority.as_bytes()) {
            roots.add(authority.expect("PEM")).expect("an authority");
        }
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&self.versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => config.with_no_client_auth(),
            Some(Issued { certificate, key }) => {
                let certificate = CertificateDer::from_pem_slice(certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
                let chain = vec![certificate.expect("a certificate")];
                config.with_client_auth_cert(chain, key).expect("a pair")
            }
        };
        config.alpn_protocols.clone_from(&self.protocols);
        Arc::new(config).into()
    }

    pub(crate) async fn connect(&self, address: &str) -> io::Result<TlsStream<TcpStream>> {
        connect(&self.connector(), address).await
    }

    /// Returns a new connection with HTTP/2, and the serial number of the server's certificate.
    pub(crate) async fn caller(&self, address: &str) -> (Caller, u64) {
        let tls = self.connect(address).await.expect("a connection");
        let chain = tls.get_ref().1.peer_certificates().expect("the server showed one");
        let (_, first) = x509_parser::parse_x509_certificate(&chain[0]).expect("it parses");
        let serial = serial(&first.raw_serial_as_string());
        (Caller::over(tls).await, serial)
    }
}

pub(crate) async fn connect(
    connector: &TlsConnector,
    address: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").expect("a name");
    connector.connect(name, TcpStream::connect(address).await?).await
}

/// Parses a number such as `01:e2:40`.
pub(crate) fn serial(text: &str) -> u64 {
    u64::from_str_radix(&text.replace(':', ""), 16).expect("a number")
}
