//! One entry of an address: a host and its port, or a Unix socket.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use http::uri::Authority;
pub(crate) use wire::socket::Socket;

/// A host with its port, or a Unix socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// The authority of the calls to this host.
    pub(crate) authority: Authority,
    pub(crate) location: Location,
}

/// How the sockets of a host are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// A name to resolve, and the port.
    Name(String, u16),
    /// An IP address and a port, or a Unix socket. It is not resolved.
    Socket(Socket),
}

/// Returns the host without the brackets that an IPv6 address has in a URI.
pub(crate) fn host(authority: &Authority) -> &str {
    let host = authority.host();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = |problem: String| format!("{text:?} {problem}");
        if let Some(socket) = Socket::unix(text) {
            return socket.map(Self::from).map_err(named);
        }
        // The user information may have a password, which an error must not show.
        if let Some((_, host)) = text.rsplit_once('@') {
            return Err(format!("leave out the user information before @{}", host.escape_debug()));
        }
        without_scheme(text).and_then(host_and_port).map_err(named)
    }
}

fn without_scheme(text: &str) -> Result<&str, String> {
    if let Some(rest) = text.strip_prefix("dns:")
        // `dns:53` is a host with the name "dns" and its port.
        && !rest.bytes().all(|byte| byte.is_ascii_digit())
    {
        return match rest.strip_prefix("//").map(|rest| rest.split_once('/')) {
            None => Ok(rest),
            Some(Some(("", host))) => Ok(host),
            Some(_) => {
                Err("names a DNS server, which cannot be chosen: write dns:///host:port".to_owned())
            }
        };
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(text.strip_suffix('/').unwrap_or(text));
    };
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    match scheme {
        "http" => Ok(rest),
        "https" => Err(format!("needs TLS: write {} and use --tls", rest.escape_debug())),
        _ => Err("has a scheme that is not dns, ipv4, ipv6, unix or http".to_owned()),
    }
}

fn host_and_port(text: &str) -> Result<Host, String> {
    if text.contains(['/', '?', '#']) {
        return Err("has a path, and only a host and a port are expected".to_owned());
    }
    if let Some(rest) = text.strip_prefix('[') {
        let (address, rest) =
            rest.split_once(']').ok_or("has a bracket that is not closed".to_owned())?;
        let address: Ipv6Addr =
            address.parse().map_err(|_| "has no IPv6 address in its brackets".to_owned())?;
        let port = match rest.strip_prefix(':') {
            Some(port) => port,
            None if rest.is_empty() => "",
            None => return Err("has no colon after its brackets".to_owned()),
        };
        return Ok(Socket::Ip((address, parse_port(text, port)?).into()).into());
    }
    let (host, port) = match text.split_once(':') {
        Some((_, rest)) if rest.contains(':') => {
            let problem = match text.parse::<Ipv6Addr>() {
                Ok(_) => "is an IPv6 address, which needs brackets and a port",
                Err(_) => "has more than one colon, and an IPv6 address needs brackets",
            };
            return Err(format!("{problem}, such as [::1]:9999"));
        }
        Some(parts) => parts,
        None => (text, ""),
    };
    if host.is_empty() {
        return Err("has no host before the port".to_owned());
    }
    let is_wrong = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if let Some(wrong) = host.chars().find(|&c| is_wrong(c)) {
        return Err(format!("has {wrong:?}, which a host name cannot have"));
    }
    let port = parse_port(text, port)?;
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return Ok(Socket::Ip((address, port).into()).into());
    }
    let authority = format!("{host}:{port}")
        .parse()
        .map_err(|error| format!("is not a host and a port: {error}"))?;
    Ok(Host { authority, location: Location::Name(host.to_ascii_lowercase(), port) })
}

fn parse_port(text: &str, port: &str) -> Result<u16, String> {
    if port.is_empty() {
        return Err(format!("has no port, such as {}:9999", text.trim_end_matches(':')));
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("has the port {port:?}, which is not a number"));
    }
    match port.parse() {
        Ok(0) => Err("has the port 0, which cannot be called".to_owned()),
        Ok(port) => Ok(port),
        Err(_) => Err(format!("has the port {port}, which is above 65535")),
    }
}

impl From<Socket> for Host {
    fn from(socket: Socket) -> Self {
        let authority = match &socket {
            Socket::Ip(address) => {
                address.to_string().parse().expect("an IP address and port are an authority")
            }
            // The authority that gRPC sends for Unix sockets.
            Socket::Unix(_) => Authority::from_static("localhost"),
        };
        Self { authority, location: Location::Socket(socket) }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Location::Socket(socket) => socket.fmt(f),
            Location::Name(..) => self.authority.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_an_ip_address_or_a_unix_socket() {
        for (text, shown, authority) in [
            ("localhost:9999", "localhost:9999", "localhost:9999"),
            ("http://Servers.test:80/", "Servers.test:80", "Servers.test:80"),
            ("dns:///a_b:1", "a_b:1", "a_b:1"),
            ("dns:a:1", "a:1", "a:1"),
            ("dns:53", "dns:53", "dns:53"),
            ("127.0.0.1:1/", "127.0.0.1:1", "127.0.0.1:1"),
            ("dns:///[::1]:1", "[::1]:1", "[::1]:1"),
            ("unix:/run/a.sock", "unix:/run/a.sock", "localhost"),
            ("unix:///run/a.sock", "unix:/run/a.sock", "localhost"),
            ("unix:a.sock", "unix:a.sock", "localhost"),
        ] {
            let host: Host = text.parse().expect(text);
            assert_eq!(host.to_string(), shown);
            assert_eq!(host.authority.as_str(), authority);
        }
        let is_resolved =
            |text: &str| matches!(text.parse::<Host>().expect(text).location, Location::Name(..));
        assert!(is_resolved("localhost:1"));
        assert!(!is_resolved("127.0.0.1:1") && !is_resolved("[::1]:1") && !is_resolved("unix:a"));
    }

    #[test]
    fn a_refusal_says_what_is_wrong() {
        for (text, problem) in [
            ("localhost", r#""localhost" has no port, such as localhost:9999"#),
            ("localhost:", r#""localhost:" has no port, such as localhost:9999"#),
            ("[::1]", r#""[::1]" has no port, such as [::1]:9999"#),
            ("a:0", r#""a:0" has the port 0, which cannot be called"#),
            ("a:65536", r#""a:65536" has the port 65536, which is above 65535"#),
            ("a:+1", r#""a:+1" has the port "+1", which is not a number"#),
            ("a:http", r#""a:http" has the port "http", which is not a number"#),
            (":1", r#"":1" has no host before the port"#),
            ("[::1", r#""[::1" has a bracket that is not closed"#),
            ("[a]:1", r#""[a]:1" has no IPv6 address in its brackets"#),
            ("[::1]1", r#""[::1]1" has no colon after its brackets"#),
            (
                "::1",
                r#""::1" is an IPv6 address, which needs brackets and a port, such as [::1]:9999"#,
            ),
            (
                "a:1:2",
                r#""a:1:2" has more than one colon, and an IPv6 address needs brackets, such as [::1]:9999"#,
            ),
            ("a b:1", r#""a b:1" has ' ', which a host name cannot have"#),
            ("bücher:1", r#""bücher:1" has 'ü', which a host name cannot have"#),
            ("a:1/x", r#""a:1/x" has a path, and only a host and a port are expected"#),
            ("https://a:1/", r#""https://a:1/" needs TLS: write a:1 and use --tls"#),
            ("xds:///a", r#""xds:///a" has a scheme that is not dns, ipv4, ipv6, unix or http"#),
            (
                "dns://8.8.8.8/a:1",
                r#""dns://8.8.8.8/a:1" names a DNS server, which cannot be chosen: write dns:///host:port"#,
            ),
            ("me:secret@a:1", "leave out the user information before @a:1"),
            ("unix:", r#""unix:" has no path after unix:"#),
            ("unix://a/b", r#""unix://a/b" names a host: write unix:/path or unix:///path"#),
        ] {
            assert_eq!(text.parse::<Host>().map(|host| host.to_string()), Err(problem.to_owned()));
        }
        let long = format!("unix:/{}", "a".repeat(200)).parse::<Host>().expect_err("too long");
        assert!(long.contains("cannot be the path of a socket"), "{long}");
    }
}
