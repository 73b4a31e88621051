//! Two layers get the same scripts, and must not differ.
//!
//! `JUDGE_SEEDS=5000` runs more scripts, and `JUDGE_SEED=7` one of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http2_judge::{
    choices::Choices, compare::compare, run::Side, script::Script, seeds, server::Layer,
    shrink::shrink,
};

/// How many seeds are run for each pair.
const SEEDS: u64 = 300;

#[test]
fn a_layer_does_not_differ_from_h2() {
    for layer in Layer::ALL.into_iter().filter(|layer| *layer != Layer::H2) {
        check(|_| [Layer::H2.into(), layer.into()]);
    }
}

#[test]
fn the_modes_of_the_own_layer_do_not_differ() {
    check(|_| [Layer::InPlace.into(), Layer::Tasks.into()]);
}

#[test]
fn a_layer_does_not_differ_if_bytes_arrive_in_small_pieces() {
    for layer in Layer::ALL {
        check(|seed| [layer.into(), Side { layer, chunks: Some(seed) }]);
    }
}

#[test]
fn the_bytes_of_a_fuzzer_make_scripts() {
    assert_eq!(Script::generate(&mut Choices::bytes(&[])).steps.len(), 1);
    let mut random = fastrand::Rng::with_seed(0);
    for length in 0..50 {
        let bytes: Vec<u8> = (0..length * 4).map(|_| random.u8(..)).collect();
        let script = Script::generate(&mut Choices::bytes(&bytes));
        compare(Layer::H2, Layer::H2, &script).expect("no difference");
    }
}

/// Compares the two sides for each seed.
fn check(sides: impl Fn(u64) -> [Side; 2]) {
    seeds::run(&format!("{:?}", sides(0)), SEEDS, |seed| {
        let [first, second] = sides(seed);
        let compare = |script: &Script| {
            catch_unwind(AssertUnwindSafe(|| compare(first, second, script)))
                .unwrap_or_else(|_| Err("a panic".to_owned()))
        };
        let script = Script::generate(&mut Choices::seeded(seed));
        if compare(&script).is_err() {
            let script = shrink(&script, |script| compare(script).is_err());
            let difference = compare(&script).expect_err("it still fails");
            panic!("JUDGE_SEED={seed}\n{script}{difference}");
        }
    });
}
