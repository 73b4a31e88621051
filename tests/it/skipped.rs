//! A machine that lacks something says so once for each kind.

use std::{env, process::Command};

use crate::support::process::stderr;

/// Runs tests of this very binary on a PATH without promtool.
#[test]
fn what_is_not_tested_is_said_once_for_all_tests_of_its_kind() {
    let mut tests = Command::new(env::current_exe().expect("it runs"));
    tests.args(["monitoring::promtool_accepts", "--nocapture"]);
    let output = tests.env("PATH", "/nonexistent").env_remove("CI").output().expect("it runs");
    let text = stderr(&output);
    assert!(output.status.success(), "{text}");
    assert_eq!(text.matches("NOT TESTED with promtool: ").count(), 1, "{text}");
}
