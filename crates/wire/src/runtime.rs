//! Runtimes, whose start returns an error if the system has no thread left for them.

use std::{
    any::Any,
    io,
    panic::{self, AssertUnwindSafe, catch_unwind},
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use tokio::runtime::{Builder, Runtime};

const NO_MESSAGE: &str = "(no message)";

/// Longer than any process runs.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Builds a runtime of the current thread that has a thread for blocking work from the start.
/// Later work waits for that thread if the system has none left; without it, tokio would panic.
///
/// # Errors
///
/// Returns an error if the system has no thread or no descriptor left.
pub fn current_thread() -> io::Result<Runtime> {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().thread_keep_alive(FOREVER).build()?;
    if let Err(error) = start_thread(|| drop(runtime.spawn_blocking(|| ()))) {
        runtime.shutdown_background();
        return Err(error);
    }
    Ok(runtime)
}

/// Builds a runtime with `threads` threads, which asks the system for I/O and timers after every
/// `tasks_per_poll` tasks.
///
/// If the system refuses a thread after the first, tokio panics, and then waits forever for the
/// other threads. The runtime is therefore built in a thread of its own, which then stays blocked:
/// the process must end.
///
/// # Errors
///
/// Returns an error if the system has no thread or no descriptor left.
pub fn multi_thread(threads: usize, tasks_per_poll: u32) -> io::Result<Runtime> {
    let (sender, built) = channel();
    let panicked = sender.clone();
    let hook = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        let text = panic.payload_as_str().unwrap_or(NO_MESSAGE).to_owned();
        // The receiver waits for this error.
        let _ = panicked.send(Err(io::Error::other(text)));
    }));
    let build = move || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(threads).event_interval(tasks_per_poll).enable_all();
        let _ = sender.send(builder.build());
    };
    let built = thread::Builder::new().name("start".into()).spawn(build).and_then(|starter| {
        let runtime = built.recv().expect("it is built, or a panic is reported")?;
        // Waits until the thread has ended, so that it does not count against a limit of threads.
        starter.join().expect("it did not panic");
        Ok(runtime)
    });
    panic::set_hook(hook);
    built
}

/// Calls a function of a library that panics if it cannot start a thread. The panic is returned as
/// an error and not printed. A panic of another thread meanwhile would not be printed either, so
/// call this only at the start of a process.
///
/// # Errors
///
/// Returns an error with the text of the panic.
pub fn start_thread<T>(start: impl FnOnce() -> T) -> io::Result<T> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let started = catch_unwind(AssertUnwindSafe(start));
    panic::set_hook(hook);
    started.map_err(|panic| io::Error::other(panic_text(&*panic).to_owned()))
}

/// Returns the message of a panic.
pub fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref().map(String::as_str)).unwrap_or(NO_MESSAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runtime_has_its_threads() {
        let runtime = multi_thread(3, 61).expect("threads");
        assert_eq!(runtime.metrics().num_workers(), 3);
        let blocking = current_thread().expect("a thread");
        let on_another = blocking.block_on(blocking.spawn_blocking(|| thread::current().id()));
        assert_ne!(on_another.expect("no panic"), thread::current().id());
    }

    #[test]
    fn a_panic_while_a_thread_starts_is_an_error_with_its_text() {
        let error = start_thread(|| panic!("no thread {}", 7)).expect_err("a panic");
        assert_eq!(error.to_string(), "no thread 7");
        assert_eq!(start_thread(|| 7).expect("it starts"), 7);
    }
}
