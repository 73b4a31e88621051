//! The values of fields, and their order (RFC 9113, sections 8.2.1 and 8.2.3).

use http2_judge::frame::{literal, post};

use crate::support::{Start, fields, rfc9113};

/// Expects that a request with a field of this value is malformed.
async fn malformed(server: &Start, value: &[u8]) {
    let mut client = server.clone().open().await;
    client.malformed(&[post("/", &[]), literal("x-name", value)].concat()).await;
}

#[test]
fn a_value_with_nul_cr_or_lf_is_malformed() {
    rfc9113("8.2.1", async |server| {
        for byte in *b"\0\r\n" {
            for value in [vec![byte], vec![b'a', byte], vec![byte, b'a'], vec![b'a', byte, b'b']] {
                malformed(&server, &value).await;
            }
        }
    });
}

#[test]
fn a_value_that_starts_with_a_space_or_a_tab_is_malformed() {
    rfc9113("8.2.1", async |server| {
        for value in [" a", "\ta"] {
            malformed(&server, value.as_bytes()).await;
        }
    });
}

#[test]
fn a_value_that_ends_with_a_space_or_a_tab_is_malformed() {
    rfc9113("8.2.1", async |server| {
        for value in ["a ", "a\t", " "] {
            malformed(&server, value.as_bytes()).await;
        }
    });
}

#[test]
fn a_value_of_every_other_byte_is_accepted() {
    rfc9113("8.2.1", async |server| {
        let mut client = server.open().await;
        let value: Vec<u8> = (0x21..=0x7e).chain(*b" \t").chain(0x80..=0xff).collect();
        let call = client.accepted(&[post("/", &[]), literal("x-name", &value)].concat()).await;
        assert_eq!(call.values("x-name"), [value]);
    });
}

#[test]
fn an_empty_value_is_accepted() {
    rfc9113("8.2.1", async |server| {
        let mut client = server.open().await;
        let call = client.accepted(&post("/", &[("x-name", "")])).await;
        assert_eq!(call.values("x-name"), [b""]);
    });
}

#[test]
fn the_values_of_a_repeated_name_keep_their_order() {
    rfc9113("8.2", async |server| {
        let mut client = server.open().await;
        let more = [("x-a", "1"), ("x-b", "2"), ("x-a", "3"), ("x-a", ""), ("x-b", "1")];
        let call = client.accepted(&post("/", &more)).await;
        assert_eq!(call.values("x-a"), [&b"1"[..], b"3", b""]);
        assert_eq!(call.values("x-b"), [b"2", b"1"]);
    });
}

#[test]
fn many_fields_are_accepted() {
    rfc9113("8.2", async |server| {
        let mut client = server.open().await;
        let names: Vec<String> = (0..100).map(|number| format!("x-{number}")).collect();
        let more: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "value")).collect();
        let call = client.accepted(&post("/", &more)).await;
        assert!(names.iter().all(|name| call.values(name) == [b"value"]));
    });
}

#[test]
fn several_cookies_are_joined_for_the_handler() {
    rfc9113("8.2.3", async |server| {
        let mut client = server.open().await;
        let more = [("cookie", "a=b"), ("x-name", "value"), ("cookie", "c=d"), ("cookie", "e=f")];
        let call = client.accepted(&post("/", &more)).await;
        assert_eq!(call.values("cookie"), [b"a=b; c=d; e=f"]);
    });
}

#[test]
fn one_cookie_stays_as_it_is() {
    rfc9113("8.2.3", async |server| {
        let mut client = server.open().await;
        let call = client.accepted(&post("/", &[("cookie", "a=b; c=d")])).await;
        assert_eq!(call.values("cookie"), [b"a=b; c=d"]);
    });
}

#[test]
fn an_illegal_byte_in_a_pseudo_field_is_malformed() {
    rfc9113("8.2.1", async |server| {
        for byte in ["\0", "\r", "\n"] {
            let path = format!("/a{byte}b");
            let scheme = format!("ht{byte}tp");
            for (scheme, path) in [("http", &*path), (&*scheme, "/")] {
                let mut client = server.clone().open().await;
                let request = [
                    (":method", "POST"),
                    (":scheme", scheme),
                    (":path", path),
                    (":authority", "t"),
                ];
                client.malformed(&fields(&request)).await;
            }
        }
    });
}
