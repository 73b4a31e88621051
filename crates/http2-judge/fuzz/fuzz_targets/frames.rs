//! Frames, of any bytes or as a script makes them, in one piece and cut into many: the peer must
//! see the same.

#![no_main]

use http2_fuzz::frames;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(case) = frames::case(data) {
        frames::compare(&case);
    }
});
