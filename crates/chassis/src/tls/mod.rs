//! TLS: the certificate of the server, its reload, and the identity of clients.

mod authorities;
mod certificate;
mod names;
mod reload;
mod time;

use std::{io, sync::Arc, time::SystemTime};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::watch,
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

use crate::config;

use certificate::{Files, HTTP2};
use reload::Reloads;
use time::in_words;

pub use names::PeerNames;
pub(crate) use reload::TlsStatus;

/// Why TLS does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsStartError {
    /// The files are not valid.
    #[error(transparent)]
    Files(#[from] config::ConfigErrors),
    /// The system has no thread left.
    #[error("no thread can be started to watch the certificate files: {0}")]
    Thread(io::Error),
}

/// Accepts connections with the current certificate.
#[derive(Debug, Clone)]
pub(crate) struct Tls {
    has_http1: bool,
    current: watch::Receiver<Arc<ServerConfig>>,
    status: TlsStatus,
}

/// Checks the files of TLS, if the settings name any.
///
/// # Errors
///
/// Returns everything that is wrong with them.
pub(crate) fn check(settings: Option<&config::Tls>) -> Result<(), config::ConfigErrors> {
    let Some(settings) = settings else { return Ok(()) };
    Files::read(settings).check(settings, SystemTime::now()).map(|_| ())
}

impl Tls {
    /// Reads the files, and reads them again whenever they change.
    pub(crate) fn start(settings: &config::Tls, has_http1: bool) -> Result<Self, TlsStartError> {
        let files = Files::read(settings);
        let identity = files.check(settings, SystemTime::now())?;
        let identity = if has_http1 { identity.with_http1() } else { identity };
        tracing::info!(
            serial = identity.serial,
            not_after = in_words(identity.expiry.certificate),
            mutual = settings.client_ca.is_some(),
            "TLS"
        );
        let reloads = Reloads::new(settings.clone(), has_http1, files, identity);
        let tls = Self { has_http1, current: reloads.current(), status: reloads.status() };
        reloads.start().map_err(TlsStartError::Thread)?;
        Ok(tls)
    }

    pub(crate) fn status(&self) -> TlsStatus {
        self.status.clone()
    }

    /// Shakes hands. Returns the stream, whether it is for HTTP/2, and the names of the client's
    /// certificate.
    ///
    /// # Errors
    ///
    /// Returns an error if the client refuses the server's certificate, has no certificate of
    /// `tls.client_ca`, or does not offer HTTP/2 while HTTP/1.1 is not served.
    pub(crate) async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
    ) -> io::Result<(TlsStream<S>, bool, Option<Arc<PeerNames>>)> {
        let config = Arc::clone(&self.current.borrow());
        let mut stream = TlsAcceptor::from(config).accept(stream).await?;
        let (_, session) = stream.get_ref();
        let is_http2 = session.alpn_protocol() == Some(HTTP2);
        if !is_http2 && !self.has_http1 {
            // rustls refuses a client that offers only other protocols. One that offers none is
            // allowed by TLS, but not by gRPC.
            stream.shutdown().await?;
            let problem = "the client does not offer HTTP/2 (\"h2\" in ALPN)";
            return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
        }
        let client = session.peer_certificates().and_then(|chain| PeerNames::read(chain.first()?));
        Ok((stream, is_http2, client.map(Arc::new)))
    }
}
