//! How a client command runs.

use std::{fmt::Display, io::Write, pin::Pin, process::ExitCode, time::Duration};

use tokio::task::spawn_blocking;
use wire::{
    command::{Program, exit_code},
    escape::Escaped,
    export::ExportStartError,
    output::stderr,
    runtime,
    signal::shutdown_signals,
    trace::Tracing,
};

use crate::{Failure, Target};

/// How long a command waits at its end until its spans are sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

type Work<'a> = Pin<Box<dyn Future<Output = Result<ExitCode, Failure>> + 'a>>;

/// How a command ended.
#[derive(Debug)]
pub enum Outcome {
    /// It completed, with this exit code.
    Completed(ExitCode),
    /// A signal interrupted it. The number is the exit code that shells report for the signal.
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
/// interrupts it. Signals are handled, because the kernel drops a signal to process 1 of a
/// container if that process has no handler.
///
/// # Errors
///
/// Returns the failure of the work, or the system's if the runtime cannot be started.
pub fn until_interrupted(
    work: impl Future<Output = Result<ExitCode, Failure>>,
) -> Result<Outcome, Failure> {
    // Boxed, so that `run_work` is compiled once for all commands.
    run_work(Box::pin(work))
}

fn run_work(work: Work<'_>) -> Result<Outcome, Failure> {
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
    // Does not wait: a thread may be blocked in a read of standard input until more input comes.
    runtime.shutdown_background();
    outcome
}

/// Makes the calls of a command, sends their spans, and returns the exit code. `calls` returns
/// whether all calls succeeded.
///
/// # Errors
///
/// Returns the failure of the calls, or the system's if the runtime cannot be started.
pub fn make_calls(
    mut target: Target,
    program: Program<'_>,
    calls: impl AsyncFnOnce(&Target) -> Result<bool, Failure>,
) -> Result<ExitCode, Failure> {
    let outcome = until_interrupted(async {
        // Started inside the runtime, because its tasks send the spans.
        target.tracing = start_tracing(program)?;
        let succeeded = calls(&target).await;
        if let Some(tracing) = target.tracing {
            flush_spans(tracing).await;
        }
        Ok(if succeeded? { ExitCode::SUCCESS } else { exit_code::RPC.into() })
    })?;
    Ok(outcome.exit_code())
}

/// Starts the export of spans, if the settings of the environment ask for it. Settings that cannot
/// be used are only a warning, because the calls do not need them.
///
/// # Errors
///
/// Returns an error if the system has no thread left.
fn start_tracing(program: Program<'_>) -> Result<Option<Tracing>, Failure> {
    let problem = match (program.trace_settings)() {
        Ok(None) => return Ok(None),
        Ok(Some(settings)) => match Tracing::start(&settings, program.name, program.version) {
            Ok(tracing) => return Ok(Some(tracing)),
            Err(ExportStartError::Thread(error)) => return Err(Failure::System(error)),
            Err(ExportStartError::Exporter(error)) => error.to_string(),
        },
        Err(problem) => problem,
    };
    warn(format_args!("no spans are sent, because {problem}"));
    Ok(None)
}

/// Sends the remaining spans. Lost spans are only a warning, because the calls were made.
async fn flush_spans(tracing: Tracing) {
    let flush = move || {
        let flushed = tracing.shut_down(FLUSH_TIMEOUT);
        tracing.lost(flushed.err())
    };
    if let Ok(Some(lost)) = spawn_blocking(flush).await {
        warn(Escaped(lost));
    }
}

fn warn(text: impl Display) {
    // An error is ignored, because there is no other place to report it.
    let _ = stderr().write_all(format!("warning: {text}\n").as_bytes());
}
