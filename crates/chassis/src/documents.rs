//! The commands `completions` and `man`, whose output is made from the arguments of the program.

use std::io::{self, Write};

use clap::{Arg, ArgMatches, Command, error::ErrorKind, value_parser};
use clap_complete::Shell;
use clap_mangen::Man;

/// Returns the command that prints a script for a shell.
pub(crate) fn completions_command() -> Command {
    let shell = Arg::new("shell")
        .value_name("SHELL")
        .required(true)
        .value_parser(value_parser!(Shell))
        .help("The shell that the script is for");
    Command::new("completions")
        .about("Print a script that completes commands in a shell")
        .arg(shell)
}

/// Returns the command that prints a man page.
pub(crate) fn man_command() -> Command {
    let command = Arg::new("command")
        .value_name("COMMAND")
        .num_args(0..)
        .help("The command that the page is about [default: the whole program]");
    Command::new("man").about("Print a man page in roff, for `man -l -`").arg(command)
}

/// Writes the script for the shell that the arguments name.
///
/// The script for bash is corrected. In one half of it, clap_complete 4.6 replaces a hyphen in the
/// name of the program as if a subcommand began there, and finds no option.
///
/// # Errors
///
/// Returns the error of `out`.
pub(crate) fn write_completions(
    mut program: Command,
    matches: &ArgMatches,
    out: &mut impl Write,
) -> io::Result<()> {
    let shell: Shell = *matches.get_one("shell").expect("clap requires it");
    let name = program.get_name().to_owned();
    // Into memory, because the crate panics if it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut program, &name, &mut script);
    if shell == Shell::Bash {
        script = String::from_utf8_lossy(&script)
            .replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__"))
            .into_bytes();
    }
    out.write_all(&script)
}

/// Returns the page of the command that the arguments name.
///
/// # Errors
///
/// Returns an error if there is no such command.
pub(crate) fn man_page(mut program: Command, matches: &ArgMatches) -> Result<Vec<u8>, clap::Error> {
    program.build();
    let mut command = &program;
    for name in matches.get_many::<String>("command").into_iter().flatten() {
        command = command.find_subcommand(name).ok_or_else(|| {
            let problem = format!("there is no command {name:?}\n");
            clap::Error::raw(ErrorKind::InvalidSubcommand, problem)
        })?;
    }
    let mut page = Vec::new();
    Man::new(command.clone()).render(&mut page)?;
    Ok(page)
}
