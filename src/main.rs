//! See the library: `lib.rs` lists its modules in reading order.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A call allocates some dozens of times, and musl's own allocator, of which the
/// image would be, is made for size.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    sample_service::cli::run(std::env::args_os())
}
