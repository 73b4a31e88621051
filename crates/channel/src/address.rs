//! The address of servers, and its resolution to IP addresses.

use std::{collections::BTreeMap, fmt, io, net::SocketAddr, str::FromStr};

use http::uri::Authority;
use serde::Deserialize;
use tokio::net::lookup_host;

/// The host and port of a server, such as `localhost:9999` or `[::1]:9999`, or several of
/// them separated by commas. A host name stands for all of its IP addresses.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(Vec<Authority>);

impl Address {
    /// Returns all IP addresses, each with the host that it belongs to.
    ///
    /// # Errors
    ///
    /// Returns the error of the last host if no IP address is found.
    pub(crate) async fn resolve(&self) -> io::Result<BTreeMap<SocketAddr, Authority>> {
        let mut found = BTreeMap::new();
        let mut failure = None;
        for authority in &self.0 {
            match lookup_host((host(authority), port(authority))).await {
                Ok(addresses) => {
                    found.extend(addresses.map(|address| (address, authority.clone())));
                }
                Err(error) => failure = Some(error),
            }
        }
        if found.is_empty() {
            let none = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            return Err(failure.unwrap_or_else(none));
        }
        Ok(found)
    }

    /// Returns whether all hosts are IP addresses, which are resolved only once.
    pub(crate) fn is_literal(&self) -> bool {
        self.0.iter().all(|authority| host(authority).parse::<std::net::IpAddr>().is_ok())
    }
}

/// Returns the host without the brackets that an IPv6 address has in a URI.
pub(crate) fn host(authority: &Authority) -> &str {
    let host = authority.host();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

fn port(authority: &Authority) -> u16 {
    authority.port_u16().expect("an address is parsed only with a port")
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let authority = |text: &str| {
            let text = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
            text.parse::<Authority>()
                .ok()
                .filter(|authority| authority.port_u16().is_some() && !authority.host().is_empty())
        };
        text.split(',')
            .map(authority)
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| "expected a host and a port, such as localhost:9999".to_owned())
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        let text = address.to_string();
        Self(vec![text.parse().expect("an IP address and port are an authority")])
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, authority) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{authority}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_addresses_is_parsed_and_displayed() {
        let list = "127.0.0.1:1,[::1]:2,localhost:3";
        assert_eq!(list.parse::<Address>().expect("valid").to_string(), list);
        for wrong in ["", "localhost", "a:1,", ",a:1", "a:1,b", "[::1", "https://a:1"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn each_ip_address_is_resolved_once() {
        let list: Address = "127.0.0.1:1,[::1]:2,127.0.0.1:1".parse().expect("valid");
        let found: Vec<_> = list.resolve().await.expect("literals").into_keys().collect();
        assert_eq!(found.len(), 2);
        assert!(list.is_literal());
    }
}
