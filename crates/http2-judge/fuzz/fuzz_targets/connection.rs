//! Any bytes after the preface.
//!
//! The first byte says how the others are cut: 128 to 255 mean pieces of 1 to 128 bytes, and a
//! lower number means one piece.

#![no_main]

use http2_fuzz::{Step, serve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((cut, bytes)) = data.split_first() else { return };
    let length = if *cut >= 128 { usize::from(*cut) - 127 } else { usize::MAX };
    let steps: Vec<Step> = bytes.chunks(length).map(|piece| Step::Send(piece.to_vec())).collect();
    serve(&steps);
});
