//! The program. `lib.rs` describes the service.

use std::process::ExitCode;

fn main() -> ExitCode {
    orders::service().run()
}
