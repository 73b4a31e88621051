//! The Host header of HTTP/1 (RFC 9112, section 3.2).

use hyper::{
    Version,
    header::{HOST, HeaderMap, ORIGIN},
};

/// Returns whether a request has exactly one Host header, with a valid value. Before HTTP/1.1, a
/// request may have none.
pub(crate) fn is_valid(version: Version, headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(HOST).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().is_ok_and(is_host),
        (None, _) => version < Version::HTTP_11,
        (Some(_), Some(_)) => false,
    }
}

/// The ends of names that no one can register in the public DNS, or that mean this machine.
const PRIVATE: [&str; 5] = [".svc", ".local", ".internal", ".localhost", ".test"];

/// Returns whether the host of the request cannot be a name in the public DNS: it is an IP address,
/// a name without a dot, or has a private ending. A request without a host is private too.
///
/// A page of another site can make its own name lead to this server (DNS rebinding), and then read
/// its responses. The browser sends that name as the host.
pub(crate) fn is_private(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|value| value.to_str().ok()) else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    name.starts_with('[')
        || name.parse::<std::net::Ipv4Addr>().is_ok()
        || !name.contains('.')
        || PRIVATE.iter().any(|end| name.ends_with(end))
}

/// Returns whether a page of another site makes the request.
pub(crate) fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let authority = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    authority.is_none_or(|(_, authority)| !authority.eq_ignore_ascii_case(host))
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
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(name: hyper::header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_name_that_anyone_can_register_is_not_private() {
        for host in [
            "127.0.0.1:9464",
            "10.0.0.1",
            "[::1]:9464",
            "localhost:9464",
            "sample-service:9464",
            "sample-service.shop.svc",
            "sample-service.shop.svc.cluster.local.:9464",
            "host.docker.internal:9464",
            "",
        ] {
            assert!(is_private(&headers(HOST, host)), "{host}");
        }
        for host in ["evil.example:9464", "127.0.0.1.evil.example", "svc.example", "a.b:80", "a.b."]
        {
            assert!(!is_private(&headers(HOST, host)), "{host}");
        }
        assert!(is_private(&HeaderMap::new()));
    }

    #[test]
    fn a_request_of_another_sites_page_is_foreign() {
        for (origin, expected) in [
            ("http://localhost:9464", false),
            ("http://LOCALHOST:9464", false),
            ("http://localhost:9465", true),
            ("https://evil.example", true),
            ("null", true),
        ] {
            let mut headers = headers(HOST, "localhost:9464");
            headers.insert(ORIGIN, HeaderValue::from_static(origin));
            assert_eq!(is_foreign(&headers), expected, "{origin}");
        }
        assert!(!is_foreign(&headers(HOST, "localhost")));
    }

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
