//! CONNECT (RFC 9113, section 8.5).

use crate::support::{Start, fields, own_rule, rfc9113};

const CONNECT: (&str, &str) = (":method", "CONNECT");
const AUTHORITY: (&str, &str) = (":authority", "test:443");

/// Expects that a request with these fields is malformed.
async fn malformed(server: Start, request: &[(&str, &str)]) {
    let mut client = server.open().await;
    client.malformed(&fields(request)).await;
}

#[test]
fn connect_reaches_the_handler() {
    own_rule("the handler decides about every method", async |server| {
        let mut client = server.open().await;
        let call = client.accepted(&fields(&[CONNECT, AUTHORITY])).await;
        assert_eq!(call.method, "CONNECT");
        assert_eq!(call.uri.authority().expect("an authority"), "test:443");
    });
}

#[test]
fn connect_with_a_path_is_malformed() {
    rfc9113("8.5", async |server| {
        malformed(server, &[CONNECT, (":path", "/"), AUTHORITY]).await;
    });
}

#[test]
fn connect_with_a_scheme_is_malformed() {
    rfc9113("8.5", async |server| {
        malformed(server, &[CONNECT, (":scheme", "https"), AUTHORITY]).await;
    });
}

#[test]
fn connect_without_authority_is_malformed() {
    rfc9113("8.5", async |server| malformed(server, &[CONNECT]).await);
}
