//! The threads that serve calls.

use std::{
    future::pending,
    io,
    thread::{self, available_parallelism},
};

use tokio::runtime::{Builder, Handle, Runtime};
use wire::runtime::multi_thread;

/// How many tasks run before the system is asked for I/O and timers. One poll of a connection can
/// take milliseconds, because it works on all calls that have arrived. With tokio's default of 61,
/// a new request and a deadline could wait for more than 100 ms to be seen.
const TASKS_PER_POLL: u32 = 16;

/// One thread for each CPU that the process may use, which in a container is its quota.
///
/// With one CPU a single thread does everything, which saves the wake-ups: half of the kernel time
/// of a call. With more CPUs the threads steal work from each other. A connection with many calls,
/// which is usual in gRPC, is not bound to one CPU, and a handler that computes delays no other
/// call.
///
/// One runtime for each CPU would be faster for many connections with small calls. But all
/// calls of a connection would then share one CPU, even if others are idle.
#[derive(Debug)]
pub(crate) struct CallThreads {
    handle: Handle,
    /// `None` if there is a single thread, which owns its runtime.
    runtime: Option<Runtime>,
}

impl CallThreads {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it has no thread left.
    pub(crate) fn start() -> io::Result<Self> {
        let cpus = available_parallelism().map_or(1, usize::from);
        if cpus > 1 {
            let runtime = multi_thread(cpus, TASKS_PER_POLL)?;
            return Ok(Self { handle: runtime.handle().clone(), runtime: Some(runtime) });
        }
        let runtime =
            Builder::new_current_thread().event_interval(TASKS_PER_POLL).enable_all().build()?;
        let handle = runtime.handle().clone();
        // The thread ends with the process, because a handler that does not yield could not be
        // waited for.
        thread::Builder::new()
            .name("calls".into())
            .spawn(move || runtime.block_on(pending::<()>()))?;
        Ok(Self { handle, runtime: None })
    }

    /// Returns the handle to spawn tasks on these threads.
    pub(crate) fn handle(&self) -> &Handle {
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
