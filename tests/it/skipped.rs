//! Tests that this machine cannot run are reported once for each kind.

use std::{env, process::Command};

use crate::support::process::stderr;

/// Runs this test program again, on a PATH without promtool.
#[test]
fn skipped_tests_are_reported_once_for_each_kind() {
    let mut tests = Command::new(env::current_exe().expect("it runs"));
    tests.args(["monitoring::promtool_accepts", "--nocapture"]);
    let output = tests.env("PATH", "/nonexistent").env_remove("CI").output().expect("it runs");
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("NOT TESTED with promtool: ").count(), 1, "{text}");
}
