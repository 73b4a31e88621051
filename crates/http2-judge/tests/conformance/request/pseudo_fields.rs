//! The pseudo-fields of requests (RFC 9113, sections 8.3 and 8.3.1).

use crate::support::{Start, fields, rfc9113};

const METHOD: (&str, &str) = (":method", "POST");
const SCHEME: (&str, &str) = (":scheme", "http");
const PATH: (&str, &str) = (":path", "/");
const AUTHORITY: (&str, &str) = (":authority", "test");

/// Expects that a request with these fields is malformed.
async fn malformed(server: &Start, request: &[(&str, &str)]) {
    let mut client = server.clone().open().await;
    client.malformed(&fields(request)).await;
}

#[test]
fn a_request_without_method_scheme_or_path_is_malformed() {
    rfc9113("8.3.1", async |server| {
        malformed(&server, &[SCHEME, PATH, AUTHORITY]).await;
        malformed(&server, &[METHOD, PATH, AUTHORITY]).await;
        malformed(&server, &[METHOD, SCHEME, AUTHORITY]).await;
        malformed(&server, &[AUTHORITY]).await;
        malformed(&server, &[("x-name", "value")]).await;
    });
}

#[test]
fn a_request_with_neither_path_nor_authority_is_malformed() {
    rfc9113("8.3.1", async |server| malformed(&server, &[METHOD, SCHEME]).await);
}

#[test]
fn an_empty_header_block_is_malformed() {
    rfc9113("8.3.1", async |server| malformed(&server, &[]).await);
}

#[test]
fn a_pseudo_field_that_comes_twice_is_malformed() {
    rfc9113("8.3", async |server| {
        for field in [METHOD, SCHEME, PATH, AUTHORITY] {
            malformed(&server, &[METHOD, SCHEME, PATH, AUTHORITY, field]).await;
        }
        malformed(&server, &[METHOD, ("\u{3a}method", "GET"), SCHEME, PATH, AUTHORITY]).await;
    });
}

#[test]
fn a_pseudo_field_after_a_regular_field_is_malformed() {
    rfc9113("8.3", async |server| {
        let x = ("x-name", "value");
        malformed(&server, &[x, METHOD, SCHEME, PATH, AUTHORITY]).await;
        malformed(&server, &[METHOD, x, SCHEME, PATH, AUTHORITY]).await;
        malformed(&server, &[METHOD, SCHEME, PATH, x, AUTHORITY]).await;
    });
}

#[test]
fn an_unknown_pseudo_field_is_malformed() {
    rfc9113("8.3", async |server| {
        for name in [":unknown", ":Method", ":", ":path2", ":host"] {
            malformed(&server, &[METHOD, SCHEME, PATH, AUTHORITY, (name, "value")]).await;
        }
    });
}

#[test]
fn a_pseudo_field_of_responses_is_malformed() {
    rfc9113("8.3", async |server| {
        malformed(&server, &[METHOD, SCHEME, PATH, AUTHORITY, (":status", "200")]).await;
        malformed(&server, &[(":status", "200")]).await;
    });
}

#[test]
fn protocol_is_malformed_while_extended_connect_is_not_enabled() {
    rfc9113("8.3", async |server| {
        let protocol = (":protocol", "websocket");
        malformed(&server, &[METHOD, SCHEME, PATH, AUTHORITY, protocol]).await;
        malformed(&server, &[(":method", "CONNECT"), SCHEME, PATH, AUTHORITY, protocol]).await;
    });
}

#[test]
fn the_pseudo_fields_may_come_in_any_order() {
    rfc9113("8.3", async |server| {
        let mut client = server.open().await;
        let call = client.accepted(&fields(&[AUTHORITY, PATH, SCHEME, METHOD])).await;
        assert_eq!((call.method.as_str(), call.uri.path()), ("POST", "/"));
    });
}

#[test]
fn an_empty_path_is_malformed() {
    rfc9113("8.3.1", async |server| {
        malformed(&server, &[METHOD, SCHEME, (":path", ""), AUTHORITY]).await;
        malformed(&server, &[("\u{3a}method", "OPTIONS"), SCHEME, (":path", ""), AUTHORITY]).await;
    });
}

#[test]
fn a_path_that_does_not_start_with_a_slash_is_malformed() {
    rfc9113("8.3.1", async |server| {
        for path in ["name", "http://test/", "?query", "name/"] {
            malformed(&server, &[METHOD, SCHEME, (":path", path), AUTHORITY]).await;
        }
    });
}

#[test]
fn an_asterisk_is_a_path_of_options() {
    rfc9113("8.3.1", async |server| {
        let mut client = server.open().await;
        let request = [(":method", "OPTIONS"), SCHEME, (":path", "*"), AUTHORITY];
        let call = client.accepted(&fields(&request)).await;
        assert_eq!(call.uri.path(), "*");
    });
}

#[test]
fn an_asterisk_is_no_path_of_another_method() {
    rfc9113("8.3.1", async |server| {
        malformed(&server, &[METHOD, SCHEME, (":path", "*"), AUTHORITY]).await;
    });
}

#[test]
fn a_path_and_its_query_reach_the_handler_as_they_are() {
    rfc9113("8.3.1", async |server| {
        let mut client = server.open().await;
        for path in ["/", "//", "/a/b", "/a%20b?c=d&e", "/package.Service/Method", "/?", "/*"] {
            let request = [METHOD, SCHEME, (":path", path), AUTHORITY];
            let call = client.accepted(&fields(&request)).await;
            assert_eq!(call.uri.path_and_query().expect("a path"), path);
        }
    });
}

#[test]
fn every_method_is_accepted() {
    rfc9113("8.3.1", async |server| {
        let mut client = server.open().await;
        for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "X-OTHER", "get"] {
            let request = [(":method", method), SCHEME, PATH, AUTHORITY];
            let call = client.accepted(&fields(&request)).await;
            assert_eq!(call.method, method);
        }
    });
}

#[test]
fn a_method_that_is_no_token_is_malformed() {
    rfc9113("8.3.1", async |server| {
        for method in ["", "GE T", "GET\t", "G(T"] {
            malformed(&server, &[(":method", method), SCHEME, PATH, AUTHORITY]).await;
        }
    });
}

#[test]
fn other_schemes_are_accepted() {
    rfc9113("8.3.1", async |server| {
        let mut client = server.open().await;
        for scheme in ["http", "https", "coap", "x+y-z.1"] {
            client.accepted(&fields(&[METHOD, (":scheme", scheme), PATH, AUTHORITY])).await;
        }
    });
}
