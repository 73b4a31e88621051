//! The client at the other end of a connection.

use std::{net::SocketAddr, sync::Arc};

use crate::http2::Share;

/// The address of a client, and the name that its certificate proves.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    /// The address as text, because every call of the connection logs it.
    text: String,
    identity: Option<Arc<str>>,
    share: Arc<Share>,
}

impl Peer {
    /// Returns the peer at this address, with the common name of its certificate.
    pub(crate) fn new(address: SocketAddr, identity: Option<Arc<str>>, share: Arc<Share>) -> Self {
        Self { address, text: address.to_string(), identity, share }
    }

    /// Returns what the connection holds of the memory budget.
    pub(crate) fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// Returns the address of the client.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the common name (CN) of the client's certificate, if it had to show one.
    pub(crate) fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}
