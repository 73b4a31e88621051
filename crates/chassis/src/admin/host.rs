//! The Host header of HTTP/1 (RFC 9112, section 3.2).

use hyper::{
    Version,
    header::{HOST, HeaderMap},
};

/// Returns whether a request has the Host header that it must have: one, whose value is valid.
/// Before HTTP/1.1, it may have none.
pub(super) fn is_valid(version: Version, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(HOST).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().is_ok_and(is_host),
        (None, _) => version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// Returns whether the text is a host with or without a port (RFC 3986, section 3.2), or empty.
fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let Some((address, rest)) = rest.split_once(']') else { return false };
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            ("", rest)
        }
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let is_port = port.strip_prefix(':').unwrap_or(port).bytes().all(|byte| byte.is_ascii_digit());
    is_port && (port.is_empty() || port.starts_with(':')) && is_registered_name(host.as_bytes())
}

fn is_registered_name(mut name: &[u8]) -> bool {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte);
    while let [first, rest @ ..] = name {
        name = match rest {
            _ if is_valid(*first) => rest,
            [high, low, rest @ ..]
                if *first == b'%' && high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                rest
            }
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_a_name_or_an_address_and_perhaps_a_port() {
        for host in [
            "",
            "a",
            "a.b-c_d:9464",
            "127.0.0.1:1",
            "[::1]",
            "[2001:db8::1]:80",
            "a%2fb",
            "a:",
            ":1",
        ] {
            assert!(is_host(host), "{host}");
        }
        for host in [
            "a b", "a/b", "user@a", "a:b", "a:1:2", "::1", "[::1", "[x]", "[::1]80", "a%2", "a%zz",
            "[]",
        ] {
            assert!(!is_host(host), "{host}");
        }
    }
}
