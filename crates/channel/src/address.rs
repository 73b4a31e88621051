//! The address of servers.

use std::{fmt, str::FromStr};

use serde::Deserialize;

use crate::host::{Host, Location, Socket};

/// The hosts and ports of servers, separated by commas, such as `localhost:9999` or
/// `[::1]:9999`. A host name stands for all of its IP addresses.
///
/// Other forms are `dns:///host:port`, `http://host:port`, and `ipv4:` and `ipv6:` with a list of
/// IP addresses and ports. `unix:` has the path of a Unix socket, without a comma in it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(Vec<Host>);

impl Address {
    /// Returns the hosts, each of them once.
    pub(crate) fn hosts(&self) -> &[Host] {
        &self.0
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("the address is empty".to_owned());
        }
        let (scheme, list) = match text.split_once(':') {
            Some((scheme @ ("ipv4" | "ipv6"), list)) => {
                (scheme, list.strip_prefix("///").unwrap_or(list))
            }
            _ => ("", text),
        };
        if list.trim().is_empty() {
            return Err(format!("{text:?} has no address after {scheme}:"));
        }
        let mut hosts = Vec::new();
        for entry in list.split(',').map(str::trim) {
            if entry.is_empty() {
                return Err(format!("{text:?} has a comma without an address beside it"));
            }
            let host: Host = entry.parse()?;
            let is_expected = match (scheme, &host.location) {
                ("ipv4", Location::Socket(Socket::Ip(address))) => address.is_ipv4(),
                ("ipv6", Location::Socket(Socket::Ip(address))) => address.is_ipv6(),
                (scheme, _) => scheme.is_empty(),
            };
            if !is_expected {
                return Err(format!("{entry:?} is not an address of {scheme}: and a port"));
            }
            if !hosts.contains(&host) {
                hosts.push(host);
            }
        }
        Ok(Self(hosts))
    }
}

impl TryFrom<String> for Address {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Socket> for Address {
    fn from(socket: Socket) -> Self {
        Self(vec![socket.into()])
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, host) in self.0.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            write!(f, "{comma}{host}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_addresses_is_parsed_and_displayed() {
        for (text, shown) in [
            ("127.0.0.1:1,[::1]:2,localhost:3", "127.0.0.1:1,[::1]:2,localhost:3"),
            (" a:1 , b:2 ", "a:1,b:2"),
            ("a:1,A:1,b:1,a:2,a:1", "a:1,b:1,a:2"),
            ("dns:///a:1,unix:/b", "a:1,unix:/b"),
            ("ipv4:127.0.0.1:1, 127.0.0.2:2", "127.0.0.1:1,127.0.0.2:2"),
            ("ipv6:[::1]:1,[::2]:2", "[::1]:1,[::2]:2"),
        ] {
            assert_eq!(
                text.parse::<Address>().map(|address| address.to_string()).as_deref(),
                Ok(shown)
            );
        }
    }

    #[test]
    fn a_refusal_says_which_entry_is_wrong() {
        for (text, problem) in [
            (" ", "the address is empty"),
            ("a:1,", r#""a:1," has a comma without an address beside it"#),
            ("a:1,,b:1", r#""a:1,,b:1" has a comma without an address beside it"#),
            ("a:1,b", r#""b" has no port, such as b:9999"#),
            ("ipv4:[::1]:1", r#""[::1]:1" is not an address of ipv4: and a port"#),
            ("ipv4:127.0.0.1:1,a:1", r#""a:1" is not an address of ipv4: and a port"#),
            ("ipv6:127.0.0.1:1", r#""127.0.0.1:1" is not an address of ipv6: and a port"#),
        ] {
            assert_eq!(text.parse::<Address>(), Err(problem.to_owned()));
        }
    }
}
