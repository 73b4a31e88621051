//! Frames from any bytes or from a script, sent in one piece and in many. The peer must see the
//! same each time.

#![no_main]

use http2_fuzz::frames;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(case) = frames::case(data) {
        frames::compare(&case);
    }
});
