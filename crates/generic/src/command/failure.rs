//! What is wrong with the arguments of a command, or with the schema that they name.

use std::fmt::Display;

use channel::{Failure, arguments::WrongArguments};

/// Returns the failure of a command for what is wrong.
pub(super) fn wrong(problem: impl Display) -> Failure {
    Failure::Arguments(WrongArguments::Method(problem.to_string()))
}
