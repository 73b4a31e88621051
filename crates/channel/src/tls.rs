//! TLS connections, with the certificates that the files have now.

use std::{fmt, sync::Arc};

use tokio::{
    net::{TcpStream, UnixStream},
    sync::watch,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, pki_types::ServerName},
};
use tokio_util::either::Either;
use wire::{
    pem,
    reload::{self, Reload},
};

use crate::{
    tls_config::{Contents, HTTP2, TlsError, TlsFiles, Trust, client_config},
    tls_problem::{NO_HTTP2, explain},
};

/// A connection before TLS.
pub(crate) type SocketStream = Either<TcpStream, UnixStream>;

/// How connections are secured. Changed files are in effect about a second later, for new
/// connections; if they are not valid, the old ones stay, with a warning.
#[derive(Clone)]
pub struct Tls {
    current: watch::Receiver<Arc<ClientConfig>>,
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
        Self::start(Trust::Verified, files)
    }

    /// Returns TLS that does not verify the server's certificate, as HTTPS probes of
    /// Kubernetes do not. It is for health checks of the server on the same machine.
    ///
    /// # Errors
    ///
    /// Returns an error if a file of the client's certificate cannot be read or has the wrong
    /// content.
    pub fn unverified(files: &TlsFiles) -> Result<Self, TlsError> {
        Self::start(Trust::Unverified, files)
    }

    fn start(trust: Trust, files: &TlsFiles) -> Result<Self, TlsError> {
        let server_name = files.server_name.as_ref().map(|name| {
            ServerName::try_from(name.clone()).map_err(|_| TlsError::Name(name.clone()))
        });
        let reloads = Reloads::new(trust, files)?;
        let current = reloads.current.subscribe();
        let tls = Self { current, server_name: server_name.transpose()? };
        reloads.start();
        Ok(tls)
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
        let config = Arc::clone(&self.current.borrow());
        let connected = TlsConnector::from(config).connect(name, socket).await;
        let stream = connected.map_err(|error| explain(&error))?;
        if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
            return Err(NO_HTTP2.to_owned());
        }
        Ok(stream)
    }
}

/// Watches the files.
struct Reloads {
    trust: Trust,
    files: TlsFiles,
    contents: Reload<Contents>,
    current: watch::Sender<Arc<ClientConfig>>,
}

impl Reloads {
    fn new(trust: Trust, files: &TlsFiles) -> Result<Self, TlsError> {
        let contents = Contents::read(files, pem::read);
        let current = watch::Sender::new(client_config(trust, files, &contents)?);
        Ok(Self { trust, files: files.clone(), contents: Reload::new(contents), current })
    }

    /// Watches the files until the last clone of the [`Tls`] is dropped.
    fn start(mut self) {
        if !self.files.can_be_watched() {
            return;
        }
        let watched = reload::watch(move || {
            match self.look() {
                None => {}
                Some(Ok(())) => tracing::info!("the files of TLS were reloaded"),
                Some(Err(error)) => {
                    tracing::warn!(error, "the files of TLS were not reloaded: the old ones stay");
                }
            }
            !self.current.is_closed()
        });
        if let Err(error) = watched {
            tracing::warn!(%error, "the files of TLS are not watched: there is no thread left");
        }
    }

    /// Loads the files if they have changed. Returns whether they are valid, once for each change.
    fn look(&mut self) -> Option<Result<(), String>> {
        let contents = Contents::read(&self.files, pem::read_regular);
        let load = |contents: &Contents| {
            client_config(self.trust, &self.files, contents).map_err(|error| error.to_string())
        };
        let loaded = self.contents.look(contents, false, load)?;
        Some(loaded.map(|config| {
            self.current.send_replace(config);
        }))
    }
}

#[cfg(test)]
mod tests;
