//! The program. `lib.rs` describes the service.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A call allocates several dozen times, and the C library's allocator is slower.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    sample_service::service().run()
}
