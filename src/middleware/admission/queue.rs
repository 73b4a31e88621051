//! The workers, and the queue before them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::service_time::ServiceTime;
use crate::{config, middleware::Cause, telemetry::Progress};

/// Nobody is told to come back sooner than this: it is the least that gRPC's
/// pushback can say.
const LEAST_DELAY: Duration = Duration::from_millis(1);

/// First in, first out: the semaphore gives a free worker to whoever has waited
/// longest, and never to a newcomer past them.
#[derive(Debug)]
pub(super) struct Queue {
    workers: Arc<Semaphore>,
    max_workers: usize,
    waiting: AtomicUsize,
    limits: config::Queue,
    service_time: ServiceTime,
    refused: RefusedCounts,
}

/// Who works and who waits at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Workers that are at work.
    pub busy: usize,
    /// Workers that there are.
    pub max_workers: usize,
    /// Calls that wait for one.
    pub waiting: usize,
    /// Calls that may wait.
    pub queue_length: usize,
    /// Calls that were turned away so far.
    pub refused: Refused,
}

/// How many calls were turned away, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused {
    /// As many waited as may wait.
    pub queue_full: u64,
    /// They waited for as long as a call may wait.
    pub queue_timeout: u64,
    /// Their deadline would have passed in the queue.
    pub too_late: u64,
}

#[derive(Debug, Default)]
struct RefusedCounts {
    queue_full: AtomicU64,
    queue_timeout: AtomicU64,
    too_late: AtomicU64,
}

impl Queue {
    pub(super) fn new(max_workers: usize, limits: &config::Queue) -> Self {
        Self {
            workers: Arc::new(Semaphore::new(max_workers)),
            max_workers,
            waiting: AtomicUsize::new(0),
            limits: limits.clone(),
            service_time: ServiceTime::default(),
            refused: RefusedCounts::default(),
        }
    }

    pub(super) fn load(&self) -> Load {
        let RefusedCounts { queue_full, queue_timeout, too_late } = &self.refused;
        Load {
            busy: self.max_workers - self.workers.available_permits(),
            max_workers: self.max_workers,
            waiting: self.waiting.load(Ordering::Relaxed),
            queue_length: self.limits.length,
            refused: Refused {
                queue_full: queue_full.load(Ordering::Relaxed),
                queue_timeout: queue_timeout.load(Ordering::Relaxed),
                too_late: too_late.load(Ordering::Relaxed),
            },
        }
    }

    /// Waits for a worker. Whoever stops waiting leaves the queue at once.
    pub(super) async fn admit(self: &Arc<Self>, progress: &Arc<Progress>) -> Result<Worker, Cause> {
        let waiting = progress.waiting();
        let permit = self.acquire(progress.deadline()).await?;
        let since = self.service_time.start();
        waiting.ended_at(since);
        let (queue, progress) = (Arc::clone(self), Arc::clone(progress));
        Ok(Worker { since, queue, progress, _permit: permit })
    }

    async fn acquire(&self, deadline: Option<Instant>) -> Result<OwnedSemaphorePermit, Cause> {
        if let Ok(permit) = Arc::clone(&self.workers).try_acquire_owned() {
            return Ok(permit);
        }
        let place = self.enter()?;
        let wait = self.expected_wait(place.ahead);
        if deadline
            .is_some_and(|deadline| deadline.saturating_duration_since(Instant::now()) < wait)
        {
            self.refused.too_late.fetch_add(1, Ordering::Relaxed);
            return Err(Cause::TooLate { retry_after: wait.max(LEAST_DELAY) });
        }
        let turn = Arc::clone(&self.workers).acquire_owned();
        match timeout(self.limits.timeout, turn).await {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => {
                self.refused.queue_timeout.fetch_add(1, Ordering::Relaxed);
                Err(Cause::QueueTimeout { retry_after: self.retry_after() })
            }
        }
    }

    fn enter(&self) -> Result<Place<'_>, Cause> {
        let one_more = |waiting| (waiting < self.limits.length).then_some(waiting + 1);
        match self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
            Ok(ahead) => Ok(Place { waiting: &self.waiting, ahead }),
            Err(_) => {
                self.refused.queue_full.fetch_add(1, Ordering::Relaxed);
                Err(Cause::QueueFull { retry_after: self.retry_after() })
            }
        }
    }

    /// How long a call waits that finds `ahead` calls in the queue: each of them,
    /// and then itself, takes the next worker that is free, and with every
    /// worker busy one is free every (recent service time / workers).
    fn expected_wait(&self, ahead: usize) -> Duration {
        let turns = (ahead + 1) as f64 / self.max_workers as f64;
        Duration::try_from_secs_f64(self.service_time.average().as_secs_f64() * turns)
            .unwrap_or(Duration::MAX)
    }

    /// When to come back: once all that wait now have had their turn.
    fn retry_after(&self) -> Duration {
        self.expected_wait(self.waiting.load(Ordering::Acquire)).max(LEAST_DELAY)
    }
}

/// A place in the queue, until it is dropped.
#[derive(Debug)]
struct Place<'a> {
    waiting: &'a AtomicUsize,
    ahead: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A worker at work, until it is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    since: Instant,
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Worker {
    fn drop(&mut self) {
        let took = self.since.elapsed();
        self.queue.service_time.record(took);
        self.progress.worked(took);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use futures_util::FutureExt;
    use tokio::time::{advance, sleep};
    use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn queue(max_workers: usize, length: usize, timeout: Duration) -> Arc<Queue> {
        Arc::new(Queue::new(max_workers, &config::Queue { length, timeout }))
    }

    fn admit(queue: &Arc<Queue>) -> impl Future<Output = Result<Worker, Cause>> + use<> {
        let queue = Arc::clone(queue);
        async move { queue.admit(&Arc::default()).await }.boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn first_in_first_out() {
        let queue = queue(1, 3, HOUR);
        let working = admit(&queue).await.expect("a free worker");
        let mut waiting: Vec<_> = (0..3).map(|_| spawn(admit(&queue))).collect();
        for call in &mut waiting {
            assert_pending!(call.poll());
        }
        drop(working);
        for place in 0..3 {
            // Its turn has come, and nobody's behind it.
            for behind in &mut waiting[place + 1..] {
                assert_pending!(behind.poll());
            }
            drop(assert_ready_ok!(waiting[place].poll()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_newcomer_does_not_pass_those_who_wait() {
        let queue = queue(1, 2, HOUR);
        let working = admit(&queue).await.expect("a free worker");
        let mut first = spawn(admit(&queue));
        assert_pending!(first.poll());
        drop(working);
        // The worker is free, and has been given to the first already.
        let mut newcomer = spawn(admit(&queue));
        assert_pending!(newcomer.poll());
        assert_ready_ok!(first.poll());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_leaves_the_queue_frees_the_place_at_once() {
        let queue = queue(1, 2, HOUR);
        let working = admit(&queue).await.expect("a free worker");
        let mut leaves = spawn(admit(&queue));
        let mut stays = spawn(admit(&queue));
        assert_pending!(leaves.poll());
        assert_pending!(stays.poll());
        assert_ready_err!(spawn(admit(&queue)).poll());

        drop(leaves);
        let mut next = spawn(admit(&queue));
        assert_pending!(next.poll());
        drop(working);
        drop(assert_ready_ok!(stays.poll()));
        assert_ready_ok!(next.poll());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_that_came_and_was_not_taken_goes_to_the_next() {
        let queue = queue(1, 2, HOUR);
        let working = admit(&queue).await.expect("a free worker");
        let mut leaves = spawn(admit(&queue));
        let mut next = spawn(admit(&queue));
        assert_pending!(leaves.poll());
        assert_pending!(next.poll());
        drop(working);
        drop(leaves);
        assert_ready_ok!(next.poll());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_than_the_queues_time() {
        let queue = queue(1, 1, Duration::from_secs(5));
        let _working = admit(&queue).await.expect("a free worker");
        let start = Instant::now();
        let refusal = admit(&queue).await.expect_err("no worker is free");
        assert!(matches!(refusal, Cause::QueueTimeout { .. }), "{refusal:?}");
        assert_eq!(start.elapsed().as_secs(), 5);
        assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_advice_follows_the_queue_and_the_recent_service_time() {
        let queue = queue(5, 9, HOUR);
        for _ in 0..5 {
            let worker = admit(&queue).await.expect("a free worker");
            sleep(Duration::from_millis(100)).await;
            drop(worker);
        }
        let _working: Vec<_> =
            (0..5).map(|_| admit(&queue).now_or_never().expect("a free worker")).collect();
        let mut waiting: Vec<_> = (0..9).map(|_| spawn(admit(&queue))).collect();
        for call in &mut waiting {
            assert_pending!(call.poll());
        }
        // Nine wait and one more comes: ten turns of 100 ms, five at a time.
        let refusal = admit(&queue).await.expect_err("the queue is full");
        assert_eq!(refusal, Cause::QueueFull { retry_after: Duration::from_millis(200) });
    }

    #[tokio::test(start_paused = true)]
    async fn before_any_call_has_finished_the_advice_is_the_time_that_the_first_has_taken() {
        let queue = queue(1, 0, HOUR);
        let _working = admit(&queue).await.expect("a free worker");
        let advice = || admit(&queue).now_or_never().expect("no wait").expect_err("no place");
        assert_eq!(advice(), Cause::QueueFull { retry_after: LEAST_DELAY });
        advance(Duration::from_secs(3)).await;
        assert_eq!(advice(), Cause::QueueFull { retry_after: Duration::from_secs(3) });
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_would_pass_in_the_queue_is_refused_at_once() {
        let queue = queue(1, 9, HOUR);
        let worker = admit(&queue).await.expect("a free worker");
        sleep(Duration::from_millis(100)).await;
        drop(worker);
        let _working = admit(&queue).await.expect("a free worker");

        let within = |milliseconds| {
            let queue = Arc::clone(&queue);
            let deadline = Instant::now() + Duration::from_millis(milliseconds);
            let progress = Arc::new(Progress::default());
            progress.ends_at(deadline);
            spawn(async move { queue.admit(&progress).await }.boxed())
        };
        let refusal = assert_ready_err!(within(99).poll());
        assert_eq!(refusal, Cause::TooLate { retry_after: Duration::from_millis(100) });
        let mut first = within(100);
        assert_pending!(first.poll());
        // One is ahead now.
        assert_ready_err!(within(199).poll());
        assert_pending!(within(200).poll());
    }
}
