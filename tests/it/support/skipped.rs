//! Tests that are skipped, because the machine lacks something.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

/// Says on standard error, once for each `what` in a run, what is not tested and why. In CI that is
/// a failure. `what` completes "NOT TESTED".
pub(crate) fn not_tested(what: &str, problem: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    assert!(env::var_os("CI").is_none(), "{problem}");
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned()) {
        // Not captured, so that a skipped test is seen.
        let _ = writeln!(io::stderr(), "NOT TESTED {what}: {problem}");
    }
}
