//! Scripts that are mostly valid: two layers must do the same.
//!
//! The first byte chooses the two layers:
//! - the h2 crate and the own layer,
//! - the own layer with calls in its task, and with a task for each call,
//! - the own layer with bytes that arrive in one piece, and in many.
//!
//! If the environment has `JUDGE_OWN`, h2 is left out, because its differences must not hold up a
//! change of the own layer.

#![no_main]

use std::env;

use http2_judge::{choices::Choices, compare::compare, run::Side, script::Script, server::Layer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let in_pieces = |layer| Side { layer, chunks: Some(u64::from(*first)) };
    let pair = if env::var_os("JUDGE_OWN").is_some() { 5 + first % 3 } else { first % 8 };
    let [first, second]: [Side; 2] = match pair {
        0..=2 => [Layer::H2.into(), Layer::InPlace.into()],
        3 | 4 => [Layer::H2.into(), Layer::Tasks.into()],
        5 => [Layer::InPlace.into(), Layer::Tasks.into()],
        6 => [Layer::InPlace.into(), in_pieces(Layer::InPlace)],
        _ => [Layer::Tasks.into(), in_pieces(Layer::Tasks)],
    };
    let script = Script::generate(&mut Choices::bytes(rest));
    if let Err(difference) = compare(first, second, &script) {
        panic!("{difference}\n{script}");
    }
});
