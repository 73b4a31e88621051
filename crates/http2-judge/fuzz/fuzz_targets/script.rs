//! Bytes that choose frames, so that most of them are valid and deep states are reached.

#![no_main]

use http2_fuzz::{script, serve};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| serve(&script::steps(data)));
