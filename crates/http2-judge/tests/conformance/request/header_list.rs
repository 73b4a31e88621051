//! The limit for the fields of a request (RFC 9113, sections 6.5.2 and 10.5.1).

use http2_judge::{
    frame::{HEADERS, literal, post},
    hpack::encode::{indexed, insert},
};

use crate::support::{Client, Start, fields, own_rule, rfc9113};

const LIMIT: usize = 16 * 1024;

/// The size of the pseudo-fields of `post("/", &[])` in a header list.
const PSEUDO: usize = 4 * 32 + ":methodPOST:schemehttp:path/:authoritytest".len();

/// Returns a request whose header list has this size.
fn of_size(size: usize) -> Vec<u8> {
    let mut block = post("/", &[]);
    let rest = size - PSEUDO;
    let one = rest / 4;
    for length in [one, one, one, rest - 3 * one] {
        block.extend(literal("x", vec![b'v'; length - 33]));
    }
    block
}

/// Expects the status 431, and that the connection lives.
async fn refused(client: &mut Client, block: &[u8]) {
    let seen = client.calls.all().len();
    let id = client.fresh();
    client.request(id, block).await;
    assert_eq!(client.response(id).await.status, 431);
    assert_eq!(client.calls.all().len(), seen, "the handler sees the request");
    client.alive().await;
}

async fn open(server: Start) -> Client {
    server.open().await
}

#[test]
fn a_header_list_below_the_limit_is_accepted() {
    rfc9113("6.5.2", async |server| {
        let mut client = open(server).await;
        client.accepted(&of_size(LIMIT - 1)).await;
    });
}

#[test]
fn a_header_list_of_the_limit_is_accepted() {
    rfc9113("6.5.2", async |server| {
        let mut client = open(server).await;
        client.accepted(&of_size(LIMIT)).await;
    });
}

#[test]
fn a_header_list_over_the_limit_gets_status_431() {
    rfc9113("10.5.1", async |server| {
        let mut client = open(server).await;
        refused(&mut client, &of_size(LIMIT + 1)).await;
        refused(&mut client, &of_size(LIMIT + 200)).await;
    });
}

#[test]
fn a_small_block_with_a_header_list_over_the_limit_gets_status_431() {
    rfc9113("10.5.1", async |server| {
        let mut client = open(server).await;
        let big = insert("x-big", "v".repeat(2000));
        let block = [post("/", &[]), big, indexed(62).repeat(9)].concat();
        refused(&mut client, &block).await;
    });
}

#[test]
fn many_small_fields_over_the_limit_get_status_431() {
    rfc9113("6.5.2", async |server| {
        let mut client = open(server).await;
        // Each field counts 32 bytes more than its name and its value.
        let block = [post("/", &[]), insert("x", "y"), indexed(62).repeat(LIMIT / 34)].concat();
        refused(&mut client, &block).await;
    });
}

#[test]
fn a_refused_block_changes_the_dynamic_table() {
    rfc9113("4.3", async |server| {
        let mut client = open(server).await;
        let before = insert("x-before", "1");
        let big = insert("x-big", "v".repeat(2000));
        let after = insert("x-after", "2");
        let block = [post("/", &[]), before, big, indexed(62).repeat(9), after].concat();
        refused(&mut client, &block).await;
        let call = client.accepted(&[post("/", &[]), indexed(62), indexed(64)].concat()).await;
        assert_eq!(
            (call.values("x-after"), call.values("x-before")),
            (vec![&b"2"[..]], vec![&b"1"[..]])
        );
    });
}

#[test]
fn the_body_of_a_refused_request_is_ignored() {
    rfc9113("8.1", async |server| {
        let mut client = open(server).await;
        client.headers(1, &of_size(LIMIT + 200)).await;
        client.data(1, b"data").await;
        client.request(1, &fields(&[("x-name", "value")])).await;
        assert_eq!(client.response(1).await.status, 431);
        client.alive().await;
    });
}

#[test]
fn trailers_over_the_limit_do_not_reach_the_handler() {
    rfc9113("10.5.1", async |server| {
        let mut client = open(server).await;
        client.post(1).await;
        client.data(1, b"data").await;
        client.settle().await;
        client.send(HEADERS, 5, 1, &of_size(LIMIT + 200)[post("/", &[]).len()..]).await;
        client
            .until("an error", |state| {
                let stream = &state.streams[&1];
                stream.reset.is_some() || stream.is_ended
            })
            .await;
        let call = &client.calls.all()[0];
        assert!(!call.is_whole && call.trailers.is_none());
        client.alive().await;
    });
}

#[test]
fn a_request_with_too_many_fields_is_refused() {
    own_rule("the number of fields has a limit", async |server| {
        let mut client = server.with(|settings| settings.header_fields = 20).open().await;
        let few: Vec<_> = (0..10).map(|_| ("x-a", "1")).collect();
        client.accepted(&post("/", &few)).await;
        let many: Vec<_> = (0..21).map(|_| ("x-a", "1")).collect();
        let id = client.fresh();
        client.request(id, &post("/", &many)).await;
        assert_eq!(client.response(id).await.status, 431);
        client.alive().await;
    });
}
