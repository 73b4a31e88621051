//! The failure of a command whose arguments are wrong, or the schema that they name.

use std::fmt::Display;

use channel::{Failure, arguments::WrongArguments};

/// Returns the failure of a command whose arguments or schema have this problem.
pub(super) fn wrong(problem: impl Display) -> Failure {
    Failure::Arguments(WrongArguments::Method(problem.to_string()))
}
