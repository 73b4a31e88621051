//! The output of a command that fails: a line on standard error, and with `--json` an object on
//! standard output too.

use std::{
    ffi::OsString,
    io::{self, Write},
    process::ExitCode,
};

use clap::error::{ContextKind, ContextValue};
use serde_json::{Value, json};
use wire::{
    command::{CommandError, exit_code},
    output::{stderr, stdout},
};

/// Exit codes of `serve` and `config`, most of them from `sysexits.h`.
pub(crate) mod sysexits {
    /// The drain cut calls, connections or background tasks.
    pub(crate) const CUT: u8 = 1;
    pub(crate) const USAGE: u8 = 64;
    pub(crate) const UNAVAILABLE: u8 = 69;
    pub(crate) const SOFTWARE: u8 = 70;
    pub(crate) const OS: u8 = 71;
    pub(crate) const CONFIG: u8 = 78;
}

/// Returns whether the arguments of the program ask for JSON. Arguments that are not valid count
/// too: a script reads that error as it reads every other.
pub(crate) fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}

/// Prints why a command failed, and returns its exit code. An output whose reader has closed it is
/// a success: the reader has seen enough.
pub(crate) fn fail(failure: &CommandError, json: bool) -> ExitCode {
    let CommandError { exit_code, error, status } = failure;
    let io_error = error.chain().find_map(|cause| cause.downcast_ref::<io::Error>());
    if io_error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    let message = format!("{error:#}");
    // In one write, because standard error is not buffered.
    let _ = stderr().write_all(format!("error: {message}\n").as_bytes());
    // The status of a server that is not healthy is a result, and has been printed already.
    if json && *exit_code != exit_code::UNHEALTHY {
        print_json(*exit_code, status.as_ref(), &message);
    }
    ExitCode::from(*exit_code)
}

/// Prints what is wrong with the arguments, and returns `exit_code`. Help that they ask for is
/// printed on standard output, and is a success.
pub(crate) fn usage(error: &clap::Error, exit_code: u8, json: bool) -> ExitCode {
    // An error here is ignored: it means that the output is closed.
    let _ = error.print();
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    if json {
        let text = error.render().to_string();
        // The usage that follows is left out, because it is the same for every error.
        let text = text.split("\n\nUsage:").next().unwrap_or(&text);
        let text = text.split("\n\nFor more information").next().unwrap_or(text);
        print_json(exit_code, None, text.trim_start_matches("error: ").trim_end());
    }
    ExitCode::from(exit_code)
}

/// The names of options in other tools, and their names here. clap would suggest an option whose
/// name looks more like the one in the other tool.
const ELSEWHERE: [(&str, &str); 3] = [("--cacert", "ca"), ("--ca-cert", "ca"), ("--cafile", "ca")];

/// Makes an error suggest the option of `command` that has another name in other tools.
pub(crate) fn suggest(error: &mut clap::Error, command: &clap::Command) {
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidArg) else { return };
    let known = ELSEWHERE.iter().find(|(name, _)| name == wrong).map(|(_, option)| *option);
    let is_there =
        |option: &&str| command.get_arguments().any(|arg| arg.get_long() == Some(option));
    if let Some(option) = known.filter(is_there) {
        let option = ContextValue::String(format!("--{option}"));
        error.insert(ContextKind::SuggestedArg, option);
        // The usage has clap's own suggestion.
        error.insert(ContextKind::Usage, ContextValue::None);
    }
}

/// Prints the object of a failure. docs/commands.md documents it.
fn print_json(exit_code: u8, status: Option<&Value>, message: &str) {
    let mut error = status.cloned().unwrap_or_else(|| json!({ "message": message }));
    error["kind"] = kind(exit_code).into();
    let object = json!({ "error": error, "exit_code": exit_code });
    // An error of standard output is ignored, because standard error has the failure already.
    let _ = stdout().write_all(format!("{object}\n").as_bytes());
}

fn kind(exit_code: u8) -> &'static str {
    match exit_code {
        exit_code::ARGUMENTS | sysexits::USAGE => "arguments",
        exit_code::CONNECTION => "connection",
        exit_code::RPC => "call",
        exit_code::IO => "io",
        sysexits::OS => "system",
        sysexits::CONFIG => "configuration",
        sysexits::UNAVAILABLE => "start",
        _ => "internal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_wanted_by_an_option_and_not_by_a_message() {
        let wants = |arguments: &[&str]| {
            wants_json(&arguments.iter().map(OsString::from).collect::<Vec<_>>())
        };
        assert!(wants(&["test", "call", "--wrong", "--json"]));
        assert!(!wants(&["test", "call", "--", "--json"]));
    }
}
