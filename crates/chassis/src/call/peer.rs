//! The client at the other end of a connection.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use crate::{http2::Share, tls::PeerNames};

/// The address of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PeerAddress {
    Ip(SocketAddr),
    /// A client of a Unix socket, by the user that it runs as.
    Unix {
        uid: u32,
    },
}

impl PeerAddress {
    /// Returns the address of a TCP client. An IPv4-mapped address such as `::ffff:10.0.0.1`
    /// becomes IPv4, because a listener of both families gets IPv4 clients in this form.
    pub(crate) fn tcp(address: SocketAddr) -> Self {
        Self::Ip(match address.ip().to_canonical() {
            IpAddr::V4(ip) => (ip, address.port()).into(),
            // The zone of a link-local address stays.
            IpAddr::V6(_) => address,
        })
    }

    /// Returns the IP address and the port, which a client of a Unix socket does not have.
    pub(crate) fn socket_address(self) -> Option<SocketAddr> {
        match self {
            Self::Ip(address) => Some(address),
            Self::Unix { .. } => None,
        }
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(f),
            Self::Unix { uid } => write!(f, "unix:uid={uid}"),
        }
    }
}

/// The address of a client, and the names in its certificate.
#[derive(Debug)]
pub(crate) struct Peer {
    address: PeerAddress,
    /// The address as text, because every call of the connection logs it.
    text: String,
    names: Option<Arc<PeerNames>>,
    share: Arc<Share>,
}

impl Peer {
    /// Returns the peer at this address, with the names of its certificate.
    pub(crate) fn new(
        address: PeerAddress,
        names: Option<Arc<PeerNames>>,
        share: Arc<Share>,
    ) -> Self {
        Self { address, text: address.to_string(), names, share }
    }

    /// Returns the connection's share of the memory budget.
    pub(crate) fn share(&self) -> &Arc<Share> {
        &self.share
    }

    /// Returns the address of the client.
    pub(crate) fn address(&self) -> PeerAddress {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http2::Budget;

    #[test]
    fn an_ipv4_client_of_a_listener_of_both_families_is_shown_as_ipv4() {
        let share = Share::open(&Budget::new(1000), 0).expect("there is room");
        for (address, shown) in [
            ("[::ffff:10.0.0.1]:5", "10.0.0.1:5"),
            ("10.0.0.1:5", "10.0.0.1:5"),
            ("[::1]:5", "[::1]:5"),
            ("[fe80::1%3]:5", "[fe80::1%3]:5"),
            // An IPv4-compatible address: deprecated, and not an IPv4 client.
            ("[::10.0.0.1]:5", "[::a00:1]:5"),
        ] {
            let address = PeerAddress::tcp(address.parse().expect("an address"));
            assert_eq!(Peer::new(address, None, Arc::clone(&share)).text(), shown);
        }
    }
}
