//! Tests that the checks of every case find a server that breaks the protocol.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http2_judge::{
    frame::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING,
        PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, literal,
    },
    hpack::encode::{insert, size_update},
};

use super::state::{HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, State};

/// Returns the state after SETTINGS of both sides and a request on stream 1.
fn state() -> State {
    let mut state = State::default();
    receive(&mut state, SETTINGS, 0, 0, &[]);
    state.sent(HEADERS, END_HEADERS, 1, &[]);
    state
}

fn receive(state: &mut State, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    state.received(Frame { kind, flags, stream, payload: payload.to_vec() });
}

/// Expects that the checks fail for the last of these frames, and for no other.
fn found(mut state: State, frames: &[(u8, u8, u32, &[u8])]) {
    let (last, before) = frames.split_last().expect("a frame");
    for (kind, flags, stream, payload) in before {
        receive(&mut state, *kind, *flags, *stream, payload);
    }
    let (kind, flags, stream, payload) = *last;
    let check = || receive(&mut state, kind, flags, stream, payload);
    catch_unwind(AssertUnwindSafe(check)).expect_err("it breaks the protocol");
}

const HEAD: (u8, u8, u32, &[u8]) = (HEADERS, END_HEADERS, 1, &[0x88]);

#[test]
fn a_frame_that_no_server_may_send_is_found() {
    found(State::default(), &[(PING, ACK, 0, &[0; 8])]);
    found(State::default(), &[(SETTINGS, ACK, 0, &[])]);
    found(state(), &[(SETTINGS, ACK, 0, &[])]);
    found(state(), &[(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 1])]);
    found(state(), &[(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2, 0x82])]);
    found(state(), &[(PING, 0x80, 0, &[0; 8])]);
    found(state(), &[(GOAWAY, 0, 0, &[0; 8]), (GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])]);
    found(state(), &[(WINDOW_UPDATE, 0, 0, &[0; 4])]);
    found(state(), &[(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])]);
}

#[test]
fn a_frame_that_does_not_fit_the_state_of_its_stream_is_found() {
    found(state(), &[(HEADERS, END_HEADERS, 3, &[0x88])]);
    found(state(), &[(DATA, 0, 1, b"data")]);
    found(state(), &[HEAD, (DATA, END_STREAM, 1, b""), (DATA, 0, 1, b"")]);
    found(state(), &[HEAD, (RST_STREAM, 0, 1, &[0; 4]), (DATA, 0, 1, b"")]);
    found(state(), &[(HEADERS, 0, 1, &[]), (PING, ACK, 0, &[0; 8])]);
    found(state(), &[(CONTINUATION, END_HEADERS, 1, &[0x88])]);
}

#[test]
fn a_byte_beyond_a_window_is_found() {
    let mut frames = vec![HEAD];
    let most = vec![0; 16_384];
    frames.extend([(DATA, 0, 1, &most[..]); 4]);
    frames[4].3 = &most[..16_383];
    let mut fits = state();
    for (kind, flags, stream, payload) in &frames {
        receive(&mut fits, *kind, *flags, *stream, payload);
    }
    frames.push((DATA, 0, 1, &[0]));
    found(state(), &frames);
    let mut only_the_stream = state();
    only_the_stream.sent(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1]);
    found(only_the_stream, &frames);
    let mut only_the_connection = state();
    only_the_connection.sent(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]);
    found(only_the_connection, &frames);
    found(state(), &[HEAD, (DATA, 0, 1, &vec![0; 16_385])]);
}

#[test]
fn a_lower_window_counts_once_it_is_acknowledged() {
    let lowered = || {
        let mut state = state();
        let [high, low] = INITIAL_WINDOW_SIZE.to_be_bytes();
        state.sent(SETTINGS, 0, 0, &[high, low, 0, 0, 0, 1]);
        state
    };
    let mut before = lowered();
    receive(&mut before, HEADERS, END_HEADERS, 1, &[0x88]);
    receive(&mut before, DATA, 0, 1, b"data");
    found(lowered(), &[(SETTINGS, ACK, 0, &[]), HEAD, (DATA, 0, 1, b"da")]);
}

#[test]
fn a_wrong_header_block_is_found() {
    let head = |block: Vec<u8>| found(state(), &[(HEADERS, END_HEADERS, 1, &block)]);
    head(vec![]);
    head(literal("x-name", "value"));
    head([literal("x-name", "value"), vec![0x88]].concat());
    head([vec![0x88], literal("X-Name", "value")].concat());
    head([vec![0x88], literal("connection", "close")].concat());
    head([vec![0x88], literal("x-name", " value")].concat());
    head(literal(":status", "100"));
    head([vec![0x88, 0x88]].concat());
    head([size_update(4097), vec![0x88]].concat());
    let trailers = literal(":status", "200");
    found(state(), &[HEAD, (HEADERS, END_HEADERS | END_STREAM, 1, &trailers)]);
    let trailers = literal("x-name", "value");
    found(state(), &[HEAD, (HEADERS, END_HEADERS, 1, &trailers)]);
}

#[test]
fn an_encoder_that_ignores_the_table_size_is_found() {
    let mut state = state();
    let [high, low] = HEADER_TABLE_SIZE.to_be_bytes();
    state.sent(SETTINGS, 0, 0, &[high, low, 0, 0, 0, 0]);
    let block = [vec![0x88], insert("x-name", "value")].concat();
    found(state, &[(SETTINGS, ACK, 0, &[]), (HEADERS, END_HEADERS, 1, &block)]);
}
