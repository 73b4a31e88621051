//! TLS: who the server is, and who its client is.

use std::{io, sync::Arc, time::SystemTime};

use tokio::{io::AsyncWriteExt, net::TcpStream, sync::watch};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::CertificateDer},
    server::TlsStream,
};
use x509_parser::parse_x509_certificate;

use super::{
    StartError,
    certificate::{Files, HTTP2, in_words},
    reload::{Reloads, TlsStatus},
};
use crate::config;

/// Takes connections with the certificate that is in force at the moment.
#[derive(Debug, Clone)]
pub(super) struct Tls {
    in_force: watch::Receiver<Arc<ServerConfig>>,
    status: TlsStatus,
}

/// Checks the files of TLS, where the settings name any.
///
/// # Errors
///
/// Everything that is wrong with them.
pub fn check(settings: Option<&config::Tls>) -> Result<(), config::Faults> {
    let Some(settings) = settings else { return Ok(()) };
    Files::read(settings).check(settings, SystemTime::now()).map(|_| ())
}

impl Tls {
    /// Reads the files, and again whenever they change.
    pub(super) fn start(settings: &config::Tls) -> Result<Self, StartError> {
        let files = Files::read(settings);
        let identity = files.check(settings, SystemTime::now())?;
        tracing::info!(
            serial = identity.serial,
            not_after = in_words(identity.not_after),
            mutual = settings.client_ca.is_some(),
            "TLS"
        );
        let reloads = Reloads::new(settings.clone(), files, identity);
        let tls = Self { in_force: reloads.in_force(), status: reloads.status() };
        reloads.start().map_err(StartError::Thread)?;
        Ok(tls)
    }

    pub(super) fn status(&self) -> TlsStatus {
        self.status.clone()
    }

    /// Proves the server, and where there are authorities of clients, has the
    /// client prove itself. Gives the client's name too, where it has one.
    ///
    /// # Errors
    ///
    /// Where the client does not agree, is none of those, or will not speak HTTP/2.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<Arc<str>>)> {
        let config = Arc::clone(&self.in_force.borrow());
        let mut stream = TlsAcceptor::from(config).accept(stream).await?;
        let (_, session) = stream.get_ref();
        if session.alpn_protocol() != Some(HTTP2) {
            // To offer another protocol alone is refused before this: to offer
            // none is allowed by TLS, and not by gRPC.
            stream.shutdown().await?;
            let problem = "the client does not offer HTTP/2 (\"h2\" in ALPN)";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let client = session.peer_certificates().and_then(|chain| common_name(chain.first()?));
        Ok((stream, client))
    }
}

/// The first common name (CN) of a certificate's subject.
fn common_name(certificate: &CertificateDer<'_>) -> Option<Arc<str>> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
    Some(name.into())
}
