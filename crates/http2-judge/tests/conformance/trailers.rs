//! Trailers of a request (RFC 9113, section 8.1).

use http2_judge::{
    frame::{END_HEADERS, END_STREAM, HEADERS, post},
    hpack::encode::{indexed, insert},
};

use crate::support::{Client, PROTOCOL_ERROR, Start, fields, rfc9113};

async fn posted(server: &Start) -> Client {
    let mut client = server.clone().open().await;
    client.post(1).await;
    client.data(1, b"data").await;
    // The handler must run before the trailers come. If all comes at once, it may see nothing.
    client.settle().await;
    client
}

/// Expects that these trailers are malformed.
async fn malformed(server: &Start, trailers: &[(&str, &str)]) {
    let mut client = posted(server).await;
    client.request(1, &fields(trailers)).await;
    client.stream_error(1, &[PROTOCOL_ERROR]).await;
    let call = &client.calls.all()[0];
    assert!(!call.is_whole && call.trailers.is_none(), "the handler sees {trailers:?}");
}

#[test]
fn trailers_follow_the_body() {
    rfc9113("8.1", async |server| {
        let mut client = posted(&server).await;
        client.request(1, &fields(&[("x-one", "1"), ("x-two", "2"), ("x-one", "3")])).await;
        client.ok(1).await;
        let call = client.last_call();
        let trailers = call.trailers.expect("trailers");
        let ones: Vec<&[u8]> = trailers.get_all("x-one").iter().map(|one| one.as_bytes()).collect();
        assert_eq!(ones, [b"1", b"3"]);
        assert_eq!(trailers["x-two"], "2");
        assert_eq!(call.body, b"data");
    });
}

#[test]
fn trailers_may_follow_the_headers_at_once() {
    rfc9113("8.1", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.request(1, &fields(&[("x-name", "value")])).await;
        client.ok(1).await;
        let call = client.last_call();
        assert_eq!(call.trailers.expect("trailers")["x-name"], "value");
        assert!(call.is_whole && call.body.is_empty());
    });
}

#[test]
fn empty_trailers_end_the_request() {
    rfc9113("8.1", async |server| {
        let mut client = posted(&server).await;
        client.request(1, &[]).await;
        client.ok(1).await;
        assert!(client.last_call().is_whole);
    });
}

#[test]
fn trailers_change_the_dynamic_table() {
    rfc9113("4.3", async |server| {
        let mut client = posted(&server).await;
        client.request(1, &insert("x-name", "value")).await;
        client.ok(1).await;
        let call = client.accepted(&[post("/", &[]), indexed(62)].concat()).await;
        assert_eq!(call.values("x-name"), [b"value"]);
    });
}

#[test]
fn trailers_without_end_stream_are_malformed() {
    rfc9113("8.1", async |server| {
        let mut client = posted(&server).await;
        client.send(HEADERS, END_HEADERS, 1, &fields(&[("x-name", "value")])).await;
        client.stream_error(1, &[PROTOCOL_ERROR]).await;
        assert!(!client.calls.all()[0].is_whole);
    });
}

#[test]
fn a_second_header_block_before_the_body_is_malformed_without_end_stream() {
    rfc9113("8.1", async |server| {
        let mut client = server.open().await;
        client.post(1).await;
        client.post(1).await;
        client.either_error(1, &[PROTOCOL_ERROR]).await;
    });
}

#[test]
fn trailers_with_a_pseudo_field_are_malformed() {
    rfc9113("8.1", async |server| {
        for name in [":method", ":path", ":scheme", ":authority", ":status", ":unknown"] {
            malformed(&server, &[(name, "200")]).await;
        }
    });
}

#[test]
fn trailers_with_an_upper_case_name_are_malformed() {
    rfc9113("8.2.1", async |server| malformed(&server, &[("X-Name", "value")]).await);
}

#[test]
fn trailers_with_a_field_of_one_connection_are_malformed() {
    rfc9113("8.2.2", async |server| {
        for name in ["connection", "transfer-encoding", "upgrade", "keep-alive"] {
            malformed(&server, &[(name, "close")]).await;
        }
    });
}

#[test]
fn trailers_with_an_illegal_value_are_malformed() {
    rfc9113("8.2.1", async |server| malformed(&server, &[("x-name", "a\nb")]).await);
}

#[test]
fn data_after_trailers_is_an_error() {
    rfc9113("8.1", async |server| {
        let mut client = posted(&server).await;
        client.calls.respond(|_| std::future::pending());
        client.post(3).await;
        client.send(HEADERS, END_HEADERS | END_STREAM, 3, &fields(&[("x-name", "value")])).await;
        client.data(3, b"late").await;
        client
            .until("an error", |state| {
                state.streams[&3].reset.is_some() || !state.goaways.is_empty()
            })
            .await;
    });
}
