//! The encoder of the server. Every block is decoded by a strict decoder, in every case.

use http::Response;
use http2_judge::body::Outgoing;

use crate::support::{Client, HEADER_TABLE_SIZE, Start, rfc7541, rfc9113};

/// Returns a client whose requests get a response with fields that an encoder can index.
async fn open(server: Start, settings: &[(u16, u32)]) -> Client {
    let client = server.open_with(settings).await;
    client.calls.respond(|request| async move {
        let value = request.uri().path().to_owned();
        Response::builder()
            .header("content-type", "application/grpc")
            .header("x-value", value)
            .header("x-fixed", "the same in every response")
            .body(Outgoing::empty())
            .expect("it is right")
    });
    client
}

/// Makes a call with this number, and expects the right headers.
async fn exchange(client: &mut Client, number: usize) {
    let id = client.fresh();
    let path = format!("/{number}");
    client.request(id, &http2_judge::frame::post(&path, &[])).await;
    let headers = client.response(id).await.headers;
    let has = |name: &str, value: &str| {
        headers.iter().any(|field| field.0 == name.as_bytes() && field.1 == value.as_bytes())
    };
    assert!(has("content-type", "application/grpc") && has("x-value", &path), "{headers:?}");
    assert!(has("x-fixed", "the same in every response"), "{headers:?}");
}

async fn exchanges(client: &mut Client) {
    for number in 0..20 {
        exchange(client, number).await;
    }
}

#[test]
fn the_table_of_the_server_stays_within_4096_bytes() {
    rfc7541("4.2", async |server| {
        let mut client = open(server, &[]).await;
        for number in 0..500 {
            exchange(&mut client, number).await;
        }
        assert!(client.state.decoder.most() <= 4096);
    });
}

#[test]
fn a_table_of_size_0_is_respected() {
    rfc9113("4.3.1", async |server| {
        let mut client = open(server, &[(HEADER_TABLE_SIZE, 0)]).await;
        exchanges(&mut client).await;
        assert_eq!(client.state.decoder.size(), 0);
    });
}

#[test]
fn a_small_table_is_respected() {
    rfc9113("4.3.1", async |server| {
        for size in [1, 31, 32, 60, 100, 200] {
            let mut client = open(server.clone(), &[(HEADER_TABLE_SIZE, size)]).await;
            exchanges(&mut client).await;
            assert!(client.state.decoder.size() <= size as usize);
        }
    });
}

#[test]
fn a_table_that_is_lowered_between_responses_is_signalled() {
    rfc9113("4.3.1", async |server| {
        let mut client = open(server, &[]).await;
        for size in [4096, 100, 99, 0, 50] {
            exchanges(&mut client).await;
            client.settings(&[(HEADER_TABLE_SIZE, size)]).await;
            client.ping().await;
        }
        exchanges(&mut client).await;
    });
}

#[test]
fn a_table_that_is_lowered_and_raised_between_responses_is_signalled() {
    rfc7541("4.2", async |server| {
        let mut client = open(server, &[]).await;
        exchanges(&mut client).await;
        for size in [0, 4096] {
            client.settings(&[(HEADER_TABLE_SIZE, size)]).await;
        }
        client.ping().await;
        exchanges(&mut client).await;
    });
}

#[test]
fn a_table_that_is_lowered_and_raised_in_one_frame_is_signalled() {
    rfc7541("4.2", async |server| {
        let mut client = open(server, &[]).await;
        exchanges(&mut client).await;
        client.settings(&[(HEADER_TABLE_SIZE, 0), (HEADER_TABLE_SIZE, 4096)]).await;
        client.ping().await;
        exchanges(&mut client).await;
    });
}

#[test]
fn a_raised_table_is_used_right() {
    rfc9113("4.3.1", async |server| {
        let mut client = open(server, &[(HEADER_TABLE_SIZE, 65_536)]).await;
        exchanges(&mut client).await;
        client.settings(&[(HEADER_TABLE_SIZE, u32::MAX)]).await;
        client.ping().await;
        exchanges(&mut client).await;
        client.settings(&[(HEADER_TABLE_SIZE, 64)]).await;
        client.ping().await;
        exchanges(&mut client).await;
    });
}

#[test]
fn a_table_that_is_lowered_while_a_response_waits_is_signalled_in_its_trailers() {
    rfc9113("4.3.1", async |server| {
        let mut client = server.open_with(&[(4, 0)]).await;
        client.calls.respond(|_| async {
            let name = http::HeaderName::from_static("x-end");
            let trailers =
                http::HeaderMap::from_iter([(name, http::HeaderValue::from_static("1"))]);
            Response::new(Outgoing::complete("data", Some(trailers)))
        });
        client.get(1).await;
        client.settle().await;
        client.settings(&[(HEADER_TABLE_SIZE, 0)]).await;
        client.ping().await;
        client.window_update(1, 100).await;
        let trailers = client.response(1).await.trailers.expect("trailers");
        assert_eq!(trailers, [(b"x-end".to_vec(), b"1".to_vec())]);
    });
}

#[test]
fn a_sensitive_value_is_not_added_to_the_table() {
    rfc7541("7.1.3", async |server| {
        let mut client = server.open().await;
        client.calls.respond(|_| async {
            let mut value = http::HeaderValue::from_static("secret");
            value.set_sensitive(true);
            let response = Response::builder().header("x-token", value);
            response.body(Outgoing::empty()).expect("it is right")
        });
        for id in [1, 3] {
            client.get(id).await;
            let headers = client.response(id).await.headers;
            assert!(headers.contains(&(b"x-token".to_vec(), b"secret".to_vec())), "{headers:?}");
        }
        assert_eq!(client.state.decoder.size(), 0);
    });
}

#[test]
fn a_table_with_many_fields_is_used_right() {
    rfc7541("2.3.3", async |server| {
        let mut client = server.open().await;
        let fields: Vec<_> = (0..20).map(|number| (format!("x-{number}"), "value")).collect();
        client.calls.respond(move |_| {
            let mut response = Response::builder();
            for (name, value) in &fields {
                response = response.header(name, *value);
            }
            std::future::ready(response.body(Outgoing::empty()).expect("it is right"))
        });
        for id in [1, 3] {
            client.get(id).await;
            let headers = client.response(id).await.headers;
            for number in 0..20 {
                let field = (format!("x-{number}").into_bytes(), b"value".to_vec());
                assert!(headers.contains(&field), "{number} of {headers:?}");
            }
        }
    });
}
