//! How many connections each peer has.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
};

use crate::call::PeerAddress;

/// The network prefix that one user of IPv6 gets, in bits: counted by address, one machine would
/// be 2^64 peers.
const IPV6_PREFIX: u32 = 64;

/// The part of an address that counts as one peer: an IPv4 address, or an IPv6 network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct PeerKey(IpAddr);

impl PeerKey {
    /// Returns the key of a client, or `None` for a client of a Unix socket. The mode of the socket
    /// decides who may connect, and all connections often come from one proxy.
    pub(super) fn of(peer: PeerAddress) -> Option<Self> {
        Some(Self(match peer.socket_address()?.ip().to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & (u128::MAX << (128 - IPV6_PREFIX));
                IpAddr::V6(Ipv6Addr::from(network))
            }
            IpAddr::V4(address) => IpAddr::V4(address),
        }))
    }
}

/// The number of connections of each peer that has one.
#[derive(Debug, Default)]
pub(super) struct PeerCounts(HashMap<PeerKey, usize>);

impl PeerCounts {
    pub(super) fn get(&self, peer: PeerKey) -> usize {
        self.0.get(&peer).copied().unwrap_or(0)
    }

    pub(super) fn add(&mut self, peer: PeerKey) {
        *self.0.entry(peer).or_default() += 1;
    }

    pub(super) fn remove(&mut self, peer: PeerKey) {
        if let Some(count) = self.0.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> PeerKey {
        let ip: IpAddr = address.parse().expect("an address");
        PeerKey::of(PeerAddress::Ip((ip, 1).into())).expect("it is not of a Unix socket")
    }

    #[test]
    fn a_peer_is_an_ipv4_address_or_an_ipv6_network() {
        assert_eq!(key("10.0.0.1"), key("::ffff:10.0.0.1"));
        assert_ne!(key("10.0.0.1"), key("10.0.0.2"));
        assert_ne!(key("::ffff:10.0.0.1"), key("::ffff:10.0.0.2"));
        assert_eq!(key("2001:db8:0:1::1"), key("2001:db8:0:1:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:0:1::1"), key("2001:db8:0:2::1"));
    }

    #[test]
    fn peers_without_connections_are_forgotten() {
        let mut counts = PeerCounts::default();
        let peer = key("10.0.0.1");
        counts.add(peer);
        counts.add(peer);
        counts.remove(peer);
        assert_eq!(counts.get(peer), 1);
        counts.remove(peer);
        assert_eq!((counts.get(peer), counts.0.len()), (0, 0));
    }
}
