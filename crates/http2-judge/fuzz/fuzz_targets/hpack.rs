//! Header blocks for the decoder, and header maps for the encoder, of the own layer.
//!
//! The first byte says how the others are read. It is 0 in seeds of connections.

#![no_main]

use http2_fuzz::hpack;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    match first % 4 {
        0 => hpack::decode(&hpack::blocks_of_frames(rest)),
        1 => hpack::decode(&hpack::raw_blocks(rest)),
        2 => hpack::decode(&hpack::chosen_blocks(rest)),
        _ => hpack::round_trip(rest),
    }
});
