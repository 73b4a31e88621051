//! Programs of Debian that the tests run.

use std::process::{Command, Stdio};

use super::skipped::not_tested;

/// Returns the command of a program, or `None` if this machine does not have it. In CI that is a
/// failure.
pub(crate) fn program(name: &str, package: &str) -> Option<Command> {
    // All of the programs know -h, but not all know --version.
    let help = Command::new(name).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if help.is_ok() {
        return Some(Command::new(name));
    }
    let problem = format!("there is no {name}; Debian's package {package} has it");
    not_tested(&format!("with {name}"), &problem);
    None
}
