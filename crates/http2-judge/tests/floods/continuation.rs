//! Header blocks in many CONTINUATION frames (CVE-2024-27316).

use http2_judge::frame::{
    CONTINUATION, END_HEADERS, END_STREAM, HEADERS, frame, integer, literal, post,
};

use crate::{
    client::Client,
    rules::{Rule, check},
    run::{SMALL, each},
    work::ECHO,
};

/// Sends HEADERS, and CONTINUATION frames with this fragment that never end the block. Checks that
/// the connection ends.
fn ends(head: &[u8], fragment: &[u8], times: u32) {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let head = frame(HEADERS, END_STREAM, 1, head);
        let more = frame(CONTINUATION, 0, 1, fragment);
        client.send(&head).await;
        let outcome = client.flood(times, |_| more.clone()).await;
        check(layer, Rule::ContinuationsEnd, outcome.is_error(), outcome);
        assert!(client.flooded < times / 10, "it ends after {} frames", client.flooded);
    });
}

#[test]
fn continuations_of_16_kib_end_the_connection() {
    let fields: Vec<u8> =
        (0..400).flat_map(|number| literal(format!("name-{number}"), "0".repeat(24))).collect();
    ends(&post(ECHO, &[]), &fields[..], 2_000);
}

#[test]
fn empty_continuations_end_the_connection() {
    ends(&post(ECHO, &[]), &[], 200_000);
}

#[test]
fn continuations_of_one_byte_end_the_connection() {
    // A value of 1,000,000 bytes begins.
    let mut head = post(ECHO, &[]);
    head.extend([0, 1, b'n']);
    integer(&mut head, 0, 7, 1_000_000);
    ends(&head, b"0", 200_000);
}

/// Sends a block of about 12 KiB in fragments of this many bytes, 20 times. Checks that each of
/// them gets its response.
fn arrives(fragment: usize, rule: Rule) {
    each(SMALL, |layer| async move {
        let mut client = Client::start(layer).await;
        let names: Vec<String> = (0..12).map(|number| format!("name-{number}")).collect();
        let value = "0".repeat(980);
        let fields: Vec<_> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        let block = post(ECHO, &fields);
        let mut succeeds = true;
        for _ in 0..20 {
            let id = client.id();
            let count = block.chunks(fragment).count();
            let frames: Vec<u8> = block
                .chunks(fragment)
                .enumerate()
                .flat_map(|(index, fragment)| {
                    let (kind, first) =
                        if index == 0 { (HEADERS, END_STREAM) } else { (CONTINUATION, 0) };
                    let last = if index + 1 == count { END_HEADERS } else { 0 };
                    frame(kind, first | last, id, fragment)
                })
                .collect();
            client.send(&frames).await;
            succeeds &= client.is_ok(id).await;
        }
        check(layer, rule, succeeds, client.seen.borrow().goaway);
    });
}

#[test]
fn headers_of_12_kib_in_continuations_of_4_kib_arrive() {
    arrives(4 * 1024, Rule::FewContinuationsLive);
}

#[test]
fn headers_of_12_kib_in_continuations_of_1_kib_arrive() {
    arrives(1024, Rule::ContinuationsOf1KibLive);
}

#[test]
fn headers_of_12_kib_in_continuations_of_256_bytes_arrive() {
    arrives(256, Rule::ContinuationsOf256BytesLive);
}
