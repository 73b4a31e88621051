//! `:authority` and Host (RFC 9113, section 8.3.1).

use crate::support::{Start, fields, own_rule, rfc9113};

const REQUEST: [(&str, &str); 3] = [(":method", "POST"), (":scheme", "http"), (":path", "/")];

/// Expects that a request with these fields is accepted.
async fn accepted(server: Start, more: &[(&str, &str)]) {
    let mut client = server.open().await;
    client.accepted(&fields(&[&REQUEST[..], more].concat())).await;
}

#[test]
fn the_authority_reaches_the_handler() {
    rfc9113("8.3.1", async |server| {
        let mut client = server.open().await;
        for authority in ["test", "test:50051", "127.0.0.1:1", "[::1]:50051", "a.b.c"] {
            let request = [&REQUEST[..], &[(":authority", authority)]].concat();
            let call = client.accepted(&fields(&request)).await;
            assert_eq!(call.uri.authority().expect("an authority"), authority);
        }
    });
}

#[test]
fn a_request_with_host_instead_of_authority_is_accepted() {
    rfc9113("8.3.1", async |server| {
        let mut client = server.open().await;
        let call = client.accepted(&fields(&[&REQUEST[..], &[("host", "test")]].concat())).await;
        assert_eq!(call.values("host"), [b"test"]);
    });
}

#[test]
fn a_request_with_the_same_host_beside_its_authority_is_accepted() {
    rfc9113("8.3.1", async |server| {
        accepted(server, &[(":authority", "test"), ("host", "test")]).await;
    });
}

#[test]
fn a_request_without_authority_and_host_is_accepted() {
    own_rule("clients on Unix sockets may have no name for the server", async |server| {
        accepted(server, &[]).await;
    });
}

#[test]
fn a_list_of_addresses_is_accepted_as_an_authority() {
    own_rule("any value of :authority is accepted", async |server| {
        accepted(server, &[(":authority", "127.0.0.1:1,127.0.0.2:2")]).await;
    });
}

#[test]
fn a_name_with_a_query_is_accepted_as_an_authority() {
    own_rule("any value of :authority is accepted", async |server| {
        accepted(server, &[(":authority", "my-service?tag=x")]).await;
    });
}

#[test]
fn an_escaped_path_of_a_socket_is_accepted_as_an_authority() {
    own_rule("any value of :authority is accepted", async |server| {
        accepted(server, &[(":authority", "%2Frun%2Fsock")]).await;
    });
}

#[test]
fn a_path_of_a_socket_is_accepted_as_an_authority() {
    own_rule("any value of :authority is accepted", async |server| {
        accepted(server, &[(":authority", "/run/x.sock")]).await;
    });
}

#[test]
fn an_empty_authority_is_accepted() {
    own_rule("any value of :authority is accepted", async |server| {
        accepted(server, &[(":authority", "")]).await;
    });
}

#[test]
fn an_authority_with_an_illegal_byte_is_malformed() {
    rfc9113("8.2.1", async |server| {
        for authority in ["a\0b", "a\rb", "a\nb"] {
            let mut client = server.clone().open().await;
            let request = [&REQUEST[..], &[(":authority", authority)]].concat();
            client.malformed(&fields(&request)).await;
        }
    });
}

#[test]
fn another_host_beside_the_authority_is_accepted_or_malformed() {
    rfc9113("8.3.1", async |server| {
        let mut client = server.open().await;
        let more = [(":authority", "test"), ("host", "other")];
        client.request(1, &fields(&[&REQUEST[..], &more].concat())).await;
        client.settle().await;
        if client.state.streams[&1].reset.is_none() {
            let status = client.response(1).await.status;
            assert!(status == 200 || status >= 400, "{status}");
            assert!(client.calls.all().iter().all(|call| call.uri.authority().is_some()));
        }
        client.alive().await;
    });
}
