//! See the library: `lib.rs` lists its modules in reading order.

use std::process::ExitCode;

fn main() -> ExitCode {
    sample_service::cli::run(std::env::args_os())
}
