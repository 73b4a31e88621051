//! The client at the other end of a connection.

use std::{net::SocketAddr, sync::Arc};

use crate::tls::PeerNames;

/// The address of a client, and the names in its certificate.
#[derive(Debug)]
pub(crate) struct Peer {
    address: SocketAddr,
    /// The address as text, because every call of the connection logs it.
    text: String,
    names: Option<Arc<PeerNames>>,
}

impl Peer {
    /// Returns the peer at this address, with the names of its certificate.
    pub(crate) fn new(address: SocketAddr, names: Option<Arc<PeerNames>>) -> Self {
        Self { address, text: address.to_string(), names }
    }

    /// Returns the address of the client.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the names of the client's certificate, if it had to show one.
    pub(crate) fn names(&self) -> Option<&PeerNames> {
        self.names.as_deref()
    }

    /// Returns the name that stands for the client.
    pub(crate) fn identity(&self) -> Option<&str> {
        self.names()?.subject()
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}
