//! The threads that serve calls.

use std::{
    future::pending,
    io,
    thread::{self, available_parallelism},
};

use tokio::runtime::{Builder, Handle, Runtime};

/// As many threads as there are CPUs for the process, its quota in a container
/// considered.
///
/// With one CPU, one thread does everything and wakes nobody: half of the kernel's
/// part in a call is gone. With more, threads take work from each other, so that a
/// connection with many calls, as gRPC's clients like it, is not bound to one CPU,
/// and a handler that computes holds up none but itself.
///
/// A runtime for each CPU would serve many connections with small calls faster still.
/// But a connection whose calls compute would have one CPU, whatever the others do,
/// and those that share it would wait.
#[derive(Debug)]
pub struct CallThreads {
    handle: Handle,
    /// With one thread, that thread has it.
    runtime: Option<Runtime>,
}

impl CallThreads {
    /// Starts them.
    ///
    /// # Errors
    ///
    /// Where the system has no thread left.
    pub fn start() -> io::Result<Self> {
        let cpus = available_parallelism().map_or(1, usize::from);
        if cpus > 1 {
            let runtime = Builder::new_multi_thread().worker_threads(cpus).enable_all().build()?;
            return Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) });
        }
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        // To the end of the process: a handler that does not yield could not be
        // waited for anyway.
        thread::Builder::new()
            .name("calls".into())
            .spawn(move || runtime.block_on(pending::<()>()))?;
        Ok(Self { handle, runtime: None })
    }

    /// Where tasks are given to them.
    pub fn handle(&self) -> &Handle {
        &self.handle
    }
}

impl Drop for CallThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
