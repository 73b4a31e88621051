//! How a client command runs.

use std::{io::Write, process::ExitCode, time::Duration};

use tokio::task::spawn_blocking;
use wire::{
    command::{Program, exit_code},
    escape::Escaped,
    output::stderr,
    runtime,
    signal::shutdown_signals,
    trace::{TraceSettings, TraceStartError, Tracing},
};

use crate::Failure;

/// How long a command waits at its end until its spans are sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// How a command ended.
#[derive(Debug)]
pub enum Outcome {
    /// It completed, with this exit code.
    Completed(ExitCode),
    /// A signal interrupted it; with the exit code that shells report for the signal.
    Interrupted(u8),
}

impl Outcome {
    /// Returns the exit code of a command for which a signal is a failure.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Completed(code) => code,
            Self::Interrupted(code) => code.into(),
        }
    }
}

/// Runs the work of a command on the current thread, until it completes or a signal
/// interrupts it. Signals are handled, because process 1 of a container is not ended by a
/// signal that it does not handle.
///
/// # Errors
///
/// Returns the failure of the work, or the system's if the runtime cannot be started.
pub fn until_interrupted(
    work: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<Outcome, Failure> {
    let runtime = runtime::current_thread().map_err(Failure::System)?;
    let outcome = runtime.block_on(async {
        let mut signals = shutdown_signals().map_err(Failure::System)?;
        tokio::select! {
            code = work => Ok(Outcome::Completed(code?)),
            signal = signals.recv() => Ok(Outcome::Interrupted(match signal {
                Some("SIGINT") => exit_code::SIGINT,
                _ => exit_code::SIGTERM,
            })),
        }
    });
    // A thread may be blocked in a read of standard input, and only input would end that.
    runtime.shutdown_background();
    outcome
}

/// Starts the export of spans, if there are settings for it.
///
/// # Errors
///
/// Returns an error if the exporter cannot be built, or if the system has no thread left.
pub fn start_tracing(
    settings: Option<&TraceSettings>,
    program: Program<'_>,
) -> Result<Option<Tracing>, Failure> {
    let start = |settings| Tracing::start(settings, program.name, program.version);
    settings.map(start).transpose().map_err(|error| match error {
        TraceStartError::Thread(error) => Failure::System(error),
        TraceStartError::Exporter(error) => Failure::Tracing(error.into()),
    })
}

/// Sends the spans that are left. A failure is only a warning, because the calls were made.
pub async fn flush_spans(tracing: Tracing) {
    let flushed = spawn_blocking(move || tracing.shut_down(FLUSH_TIMEOUT)).await;
    if let Ok(Err(error)) = flushed {
        let line = format!("warning: spans could not be sent: {}\n", Escaped(error));
        let _ = stderr().write_all(line.as_bytes());
    }
}
