//! Programs of Debian that the tests run.

use std::{
    env,
    io::{self, Write},
    process::{Command, Stdio},
};

/// Returns the command of a program, or `None` if this machine does not have it. In CI that is a
/// failure.
pub(crate) fn program(name: &str, package: &str) -> Option<Command> {
    // All of them know -h, and not all of them --version.
    let help = Command::new(name).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if help.is_ok() {
        return Some(Command::new(name));
    }
    let problem = format!("there is no {name}; Debian's package {package} has it");
    assert!(env::var_os("CI").is_none(), "{problem}");
    // Not captured, so that a skipped test is seen.
    let _ = writeln!(io::stderr(), "NOT TESTED with {name}: {problem}");
    None
}
