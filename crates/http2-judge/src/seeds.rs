//! Runs a generated test for many seeds.

use std::{env, thread};

use tokio::runtime::Builder;

/// Prints the seed if its test panics.
struct Seed<'a>(&'a str, u64);

impl Drop for Seed<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}: failed with JUDGE_SEED={}", self.0, self.1);
        }
    }
}

/// Runs a test for `count` seeds. The variable `JUDGE_SEEDS` sets another count, and `JUDGE_SEED`
/// runs only that seed.
pub fn run(name: &str, count: u64, mut test: impl FnMut(u64)) {
    let number = |name| env::var(name).ok().map(|value| value.parse::<u64>().expect("a number"));
    let seeds = match number("JUDGE_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("JUDGE_SEEDS").unwrap_or(count),
    };
    for seed in seeds {
        let _seed = Seed(name, seed);
        test(seed);
    }
}

/// Runs a future under paused time on a runtime of its own, so that each run is the same.
pub fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing").block_on(test)
}
