//! Valid requests and trailers.

use super::{
    block::Block,
    step::{State, Step},
};
use crate::{choices::Choices, deviations::Deviation};

/// Names and values of fields.
const FIELDS: &[(&str, &str)] = &[
    ("te", "trailers"),
    ("x-one", "1"),
    ("x-one", "another"),
    ("x-empty", ""),
    ("cookie", "a=b"),
    ("cookie", "c=d"),
    ("content-type", "application/grpc"),
    ("user-agent", "judge"),
    ("host", "test"),
    ("x-inner", "a b\tc"),
    ("grpc-timeout", "1S"),
];

/// Returns a path, which says how the handler behaves.
pub(super) fn path(choices: &mut Choices<'_>, stream: u32) -> String {
    let behaviour = match choices.below(10) {
        0 => "echo".to_owned(),
        1 => format!("bytes-{}", choices.size(30_000)),
        2 => format!("stream-{}", choices.below(30)),
        3 => "trailers".to_owned(),
        4 => "early".to_owned(),
        5 => "forever".to_owned(),
        6 => format!("slow-{}", choices.below(6) * 10 + 5),
        7 => "header".to_owned(),
        8 => "open".to_owned(),
        _ => format!("fail-{}", choices.below(3)),
    };
    format!("/{behaviour}/{stream}{}", choices.pick(&["", "", "?query", "/%7e/"]))
}

/// Returns the pseudo-header fields of a request.
pub(super) fn pseudo(choices: &mut Choices<'_>, stream: u32) -> Vec<(&'static str, String)> {
    vec![
        (":method", choices.text(&["POST", "POST", "GET", "PUT", "M-SEARCH"]).to_owned()),
        (":scheme", choices.text(&["http", "https"]).to_owned()),
        (":path", path(choices, stream)),
        (":authority", choices.text(&["test", "test:80", "[::1]:1"]).to_owned()),
    ]
}

/// Returns a request.
pub(super) fn request(choices: &mut Choices<'_>, state: &mut State) -> Step {
    let is_end = choices.one_in(2);
    let stream = state.open(is_end);
    let mut block = Block::default();
    if choices.one_in(20) {
        // A size update to 0 empties the dynamic table, and a second one makes it as large as
        // before (RFC 7541, section 6.3).
        block.0.extend([0x20, 0x3f, 0xe1, 0x1f]);
        state.indexed.clear();
    }
    let mut pseudo = pseudo(choices, stream);
    // If only one layer sends a body, its stream counts longer for the stream limit.
    let is_head = choices.one_in(12) && !state.limits.is_low();
    if is_head {
        pseudo[0].1 = "HEAD".to_owned();
    }
    if choices.one_in(4) {
        let last = pseudo.len() - 1;
        pseudo.swap(choices.below(last), last);
    }
    if choices.one_in(10) {
        // The authority is not required (section 8.3.1).
        pseudo.retain(|(name, _)| *name != ":authority");
    }
    let text = format!("request {stream} {pseudo:?}{}", if is_end { ", its end" } else { "" });
    for (name, value) in &pseudo {
        block.field(choices, state, name, value);
    }
    regular(choices, state, &mut block);
    if choices.one_in(20) {
        block.large(state.limits.header_list as usize + choices.size(20_000));
    }
    let mut may_differ = Vec::new();
    if is_head {
        may_differ.push((stream, Deviation::Head));
    }
    if block.1 == state.limits.header_list as usize {
        may_differ.push((stream, Deviation::FullHead));
    }
    if block.1 > state.limits.header_list as usize {
        may_differ.push((stream, Deviation::LargeHead));
    }
    Step { may_differ, ..Step::new(text, block.frames(choices, stream, is_end)) }
}

/// Adds fields that are valid in a request and in trailers.
fn regular(choices: &mut Choices<'_>, state: &mut State, block: &mut Block) {
    for _ in 0..choices.below(5) {
        let (name, value) = choices.pick(FIELDS);
        block.field(choices, state, name, value);
    }
    if choices.one_in(4) {
        block.indexed(choices, state);
    }
    if choices.one_in(6) {
        block.huffman("x-huffman");
    }
    if choices.one_in(10) {
        let long = "x".repeat(choices.size(3000));
        block.field(choices, state, "x-long", &long);
    }
}

/// Returns trailers, sometimes without END_STREAM.
pub(super) fn trailers(choices: &mut Choices<'_>, state: &mut State) -> Step {
    let stream = state.any(choices);
    let mut block = Block::default();
    block.field(choices, state, "x-trailer", "value");
    if choices.one_in(20) {
        // A pseudo-header field is malformed here (section 8.1).
        block.field(choices, state, ":path", "/trailers");
    }
    let is_large = choices.one_in(30) && !state.limits.is_low();
    if is_large {
        block.large(state.limits.header_list as usize + choices.size(20_000));
    }
    let is_end = !choices.one_in(30);
    if is_end {
        state.finish(stream);
    }
    let text = format!("trailers {stream}{}", if is_end { "" } else { " without END_STREAM" });
    let may_differ = is_large.then_some((stream, Deviation::LargeTrailers)).into_iter().collect();
    Step { may_differ, ..Step::new(text, block.frames(choices, stream, is_end)) }
}
