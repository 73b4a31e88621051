//! Tests that are skipped, because the machine lacks something.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write},
    sync::{Mutex, PoisonError},
};

/// Reports on standard error that tests are skipped, once for each `what`. In CI that is a failure.
/// `what` completes "NOT TESTED", and `problem` is the reason.
pub(crate) fn not_tested(what: &str, problem: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    assert!(env::var_os("CI").is_none(), "{problem}");
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(what.to_owned()) {
        // `eprintln` would be captured, and a skipped test would not be seen.
        let _ = writeln!(io::stderr(), "NOT TESTED {what}: {problem}");
    }
}
