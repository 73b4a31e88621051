//! The threads that compute, and the queue in front of them.

use std::{
    any::Any,
    collections::BTreeMap,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::{
        Arc, Condvar, LazyLock, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    thread::{self, available_parallelism},
    time::Duration,
};

use tokio::{
    runtime::Handle,
    sync::oneshot::{Receiver, Sender, channel},
};

/// How much lower the priority of these threads is, as the system's nice value.
const NICE: i32 = 10;

/// How long a thread waits for work before it ends. When the thread ends, the allocator gets back
/// the memory that the thread allocated and other threads freed.
const IDLE: Duration = Duration::from_secs(1);

static THREADS: LazyLock<Threads> =
    LazyLock::new(|| Threads::new(available_parallelism().map_or(1, usize::from)));

type Job = Box<dyn FnOnce() + Send>;

/// Returns a future that runs the computation that `begin` returns on another thread, first in,
/// first out. The computation should end early if its result is no longer wanted.
///
/// The thread that first polls the future calls `begin`, which should allocate the large parts of
/// the result. If another thread frees memory, an allocator gives it back to the system only when
/// the thread that has allocated it needs more, and these threads may sleep for long.
pub(crate) fn run<T, F>(begin: impl FnOnce() -> F + Send + 'static) -> Computation<T>
where
    T: Send + 'static,
    F: FnOnce(&Wanted<'_>) -> T + Send + 'static,
{
    THREADS.run(begin)
}

/// Tells a computation whether its result is still wanted.
pub(crate) struct Wanted<'a>(&'a dyn Fn() -> bool);

impl Wanted<'_> {
    /// For a computation in place, which nothing can cancel.
    pub(crate) const ALWAYS: Self = Wanted(&|| true);

    pub(crate) fn check(&self) -> bool {
        (self.0)()
    }
}

/// A computation on another thread. It is queued when it is first polled. If it is dropped, it
/// leaves the queue, or learns that its result is not wanted.
pub(crate) struct Computation<T: Send + 'static> {
    /// `None` once the computation is queued.
    begin: Option<Box<dyn FnOnce() -> Job + Send>>,
    /// `None` once the result was received.
    result: Option<Receiver<Result<T, Box<dyn Any + Send>>>>,
    is_wanted: Arc<AtomicBool>,
    place: Option<u64>,
    threads: &'static Threads,
}

impl<T: Send + 'static> fmt::Debug for Computation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Computation").finish_non_exhaustive()
    }
}

impl<T: Send + 'static> Future for Computation<T> {
    type Output = T;

    /// Panics if the computation has panicked.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(begin) = self.begin.take() {
            self.place = Some(self.threads.add(begin()));
        }
        let result = self.result.as_mut().expect("a future is not polled after it is ready");
        let computed = ready!(Pin::new(result).poll(cx));
        self.result = None;
        let computed = computed.expect("a queued computation sends a result");
        Poll::Ready(computed.unwrap_or_else(|panic| resume_unwind(panic)))
    }
}

impl<T: Send + 'static> Drop for Computation<T> {
    fn drop(&mut self) {
        self.is_wanted.store(false, Relaxed);
        let Some(place) = self.place else { return };
        let removed = self.threads.lock().queue.remove(&place);
        if removed.is_none()
            && let Some(result) = self.result.take()
            && let Ok(runtime) = Handle::try_current()
        {
            // Drops the result in the runtime that has allocated it: see `run`.
            let freed: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async {
                drop(result.await);
            });
            runtime.spawn(freed);
        }
        // Not while the queue is locked, because the job can be large.
        drop(removed);
    }
}

/// Up to `limit` threads, which start when there is work for them.
struct Threads {
    limit: usize,
    state: Mutex<State>,
    queued: Condvar,
}

#[derive(Default)]
struct State {
    /// By place: first in, first out. A call queues one computation at a time, so the limits of
    /// admission limit the length.
    queue: BTreeMap<u64, Job>,
    next_place: u64,
    started: usize,
    idle: usize,
}

impl Threads {
    fn new(limit: usize) -> Self {
        Self { limit, state: Mutex::default(), queued: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it is locked")
    }

    fn run<T, F>(&'static self, begin: impl FnOnce() -> F + Send + 'static) -> Computation<T>
    where
        T: Send + 'static,
        F: FnOnce(&Wanted<'_>) -> T + Send + 'static,
    {
        let (sender, result) = channel();
        let is_wanted = Arc::new(AtomicBool::new(true));
        let wanted = Arc::clone(&is_wanted);
        let begin = Box::new(move || -> Job {
            let work = begin();
            Box::new(move || compute(work, &wanted, sender))
        });
        let (begin, result) = (Some(begin as _), Some(result));
        Computation { begin, result, is_wanted, place: None, threads: self }
    }

    /// Adds work to the queue, and starts a thread for it if none is idle. Returns its place.
    fn add(&'static self, job: Job) -> u64 {
        let mut state = self.lock();
        let place = state.next_place;
        state.next_place += 1;
        state.queue.insert(place, job);
        if state.queue.len() > state.idle && state.started < self.limit {
            match self.start() {
                Ok(()) => state.started += 1,
                Err(error) if state.started == 0 => {
                    // The caller computes: slow is better than never.
                    let job = state.queue.remove(&place).expect("it was added above");
                    drop(state);
                    tracing::warn!(%error, "no thread can be started to compress messages");
                    job();
                    return place;
                }
                // The threads that have started do the work.
                Err(_) => {}
            }
        }
        drop(state);
        self.queued.notify_one();
        place
    }

    fn start(&'static self) -> io::Result<()> {
        thread::Builder::new().name("compute".into()).spawn(|| self.work())?;
        Ok(())
    }

    /// Works until there is nothing to do for a while.
    fn work(&self) {
        // If the system refuses, the thread keeps its priority.
        let _ = rustix::process::nice(NICE);
        let mut state = self.lock();
        loop {
            if let Some((_, job)) = state.queue.pop_first() {
                drop(state);
                job();
                state = self.lock();
                continue;
            }
            state.idle += 1;
            let waited = self.queued.wait_timeout(state, IDLE);
            let timeout;
            (state, timeout) = waited.expect("nothing panics while it is locked");
            state.idle -= 1;
            if timeout.timed_out() && state.queue.is_empty() {
                state.started -= 1;
                return;
            }
        }
    }
}

/// Does the work, and sends its result or its panic.
fn compute<T, F>(work: F, wanted: &AtomicBool, sender: Sender<Result<T, Box<dyn Any + Send>>>)
where
    F: FnOnce(&Wanted<'_>) -> T,
{
    let is_wanted = || wanted.load(Relaxed);
    // Unwind safe, because the work is dropped after a panic.
    let computed = catch_unwind(AssertUnwindSafe(|| work(&Wanted(&is_wanted))));
    // Nothing receives the result if the call is over.
    let _ = sender.send(computed);
}

#[cfg(test)]
mod tests;
