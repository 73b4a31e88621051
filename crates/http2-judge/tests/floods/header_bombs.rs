//! Header blocks that are small on the wire and large in memory.

use std::sync::atomic::Ordering::Relaxed;

use http2_judge::{
    frame::{END_HEADERS, END_STREAM, HEADERS, frame, integer, literal, post},
    server::settings,
};

use crate::{
    client::Client,
    frames::request,
    outcome::Outcome,
    rules::{Rule, check},
    run::{SMALL, each},
    work::{ECHO, WAIT},
};

/// A field by its index: the newest of the dynamic table.
const NEWEST: u8 = 0x80 | 62;
const CONNECTIONS: u64 = 5;

fn head(stream: u32, block: &[u8]) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block)
}

/// Returns a literal that is added to the dynamic table.
fn indexed_literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = literal(name, value);
    field[0] = 0x40;
    field
}

#[test]
fn a_repeated_field_of_one_byte_is_bounded_by_the_header_list() {
    // CVE-2026-49975. The streams may hold 200 header lists of 16 KiB, and a map of headers takes
    // up to twice what the list counts.
    let lists = u64::from(settings().streams * settings().header_list);
    each(CONNECTIONS * 2 * lists + 4 * SMALL, |layer| async move {
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut client = Client::start(layer).await;
            let streams = settings().streams;
            client
                .flood(streams, |number| {
                    let mut block = post(WAIT, &[]);
                    if number == 0 {
                        block.extend(indexed_literal("a", ""));
                    }
                    block.extend([NEWEST; 475]);
                    head(number * 2 + 1, &block)
                })
                .await;
            assert!(client.work.calls.load(Relaxed) <= u64::from(streams));
            clients.push(client);
        }
    });
}

#[test]
fn header_lists_over_the_limit_are_refused() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let field = indexed_literal("a", &"0".repeat(4_000));
        client.send(&head(1, &[post(ECHO, &[]), field].concat())).await;
        assert!(client.is_ok(1).await);
        // 1.2 MB of fields in 300 bytes.
        let block = [post(ECHO, &[]), vec![NEWEST; 300]].concat();
        let outcome = client.flood(1_000, |number| head(number * 2 + 3, &block)).await;
        assert_ne!(outcome, Outcome::Stalled);
        assert_eq!(client.work.calls.load(Relaxed), 1, "no handler sees the others");
    });
}

#[test]
fn trailers_over_the_limit_are_refused() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let field = indexed_literal("a", &"0".repeat(4_000));
        client.send(&head(1, &[post(ECHO, &[]), field].concat())).await;
        assert!(client.is_ok(1).await);
        let outcome = client
            .flood(1_000, |number| {
                let id = number * 2 + 3;
                [request(id, ECHO, 0), head(id, &[NEWEST; 300])].concat()
            })
            .await;
        assert_ne!(outcome, Outcome::Stalled);
        let seen = client.seen.borrow();
        assert_eq!(seen.ok.len(), 1, "no other call succeeds");
    });
}

#[test]
fn a_large_field_that_fits_arrives_by_its_index() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let field = indexed_literal("a", &"0".repeat(4_000));
        for number in 0..1_000 {
            let id = client.id();
            let fields = if number == 0 { field.clone() } else { vec![NEWEST; 3] };
            client.send(&head(id, &[post(ECHO, &[]), fields].concat())).await;
            assert!(client.is_ok(id).await, "call {number}: {:?}", client.seen.borrow().goaway);
        }
    });
}

#[test]
fn huffman_strings_count_with_their_decoded_length() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        // Each 5 zero bits are the character 0: 15,000 bytes become 24,000.
        let mut block = post(ECHO, &[]);
        block.extend([0, 1, b'a']);
        integer(&mut block, 0x80, 7, 15_000);
        block.extend([0; 15_000]);
        let outcome = client.flood(1_000, |number| head(number * 2 + 1, &block)).await;
        assert_ne!(outcome, Outcome::Stalled);
        assert_eq!(client.work.calls.load(Relaxed), 0, "no handler sees them");
    });
}

#[test]
fn changes_of_the_table_size_in_each_block_are_bounded() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let mut sizes = vec![0x20];
        integer(&mut sizes, 0x20, 5, 4096);
        let field = indexed_literal("a", &"0".repeat(4_000));
        let block = [sizes, post(ECHO, &[]), field].concat();
        for number in 0..5_000 {
            let id = client.id();
            client.send(&head(id, &block)).await;
            assert!(client.is_ok(id).await, "call {number}: {:?}", client.seen.borrow().goaway);
        }
    });
}

#[test]
fn thousands_of_changes_of_the_table_size_in_a_block_end_the_connection() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let mut sizes = vec![0x20];
        integer(&mut sizes, 0x20, 5, 4096);
        let block = [sizes.repeat(4_000), post(ECHO, &[])].concat();
        let outcome = client.flood(100, |number| head(number * 2 + 1, &block)).await;
        check(layer, Rule::TableSizesEnd, outcome.is_error(), outcome);
    });
}

#[test]
fn many_different_names_in_each_request_arrive() {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        for number in 0..100 {
            let id = client.id();
            let fields = (0..300).flat_map(|field| literal(format!("n{number}-{field}"), ""));
            let block: Vec<u8> = post(ECHO, &[]).into_iter().chain(fields).collect();
            client.send(&head(id, &block)).await;
            assert!(client.is_ok(id).await, "call {number}: {:?}", client.seen.borrow().goaway);
        }
    });
}
