//! The workers, and the queue in front of them.

use std::{
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout},
};

use super::{
    occupancy::{Occupancy, Occupant},
    service_time::ServiceTime,
};
use crate::{call::Call, cause::Cause, config};

/// The shortest retry hint that `grpc-retry-pushback-ms` can express.
const MIN_DELAY: Duration = Duration::from_millis(1);

/// The concurrency limit of unary calls and its bounded queue.
///
/// First in, first out: the semaphore gives a free worker to the call that has waited
/// longest, and never to a newer one.
#[derive(Debug)]
pub(crate) struct Queue {
    workers: Semaphore,
    max_workers: usize,
    waiting: AtomicUsize,
    limits: config::Queue,
    service_time: ServiceTime,
    /// `None` if the average is not needed.
    occupancy: Option<Occupancy>,
    refused: RefusedCounts,
}

/// The state of the queue at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// Workers that are busy.
    pub(crate) busy: usize,
    /// The concurrency limit.
    pub(crate) max_workers: usize,
    /// Calls in the queue.
    pub(crate) waiting: usize,
    /// The length limit of the queue.
    pub(crate) queue_length: usize,
    /// Calls that were refused since the start.
    pub(crate) refused: Refused,
}

/// How many calls were refused, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    /// The queue was full.
    pub(crate) queue_full: u64,
    /// They waited for `queue.timeout`.
    pub(crate) queue_timeout: u64,
    /// Their deadline would have passed in the queue.
    pub(crate) too_late: u64,
}

#[derive(Debug, Default)]
struct RefusedCounts {
    queue_full: AtomicU64,
    queue_timeout: AtomicU64,
    too_late: AtomicU64,
}

impl Queue {
    pub(crate) fn new(max_workers: usize, limits: &config::Queue) -> Self {
        Self {
            workers: Semaphore::new(max_workers),
            max_workers,
            waiting: AtomicUsize::new(0),
            limits: limits.clone(),
            service_time: ServiceTime::default(),
            occupancy: None,
            refused: RefusedCounts::default(),
        }
    }

    /// Keeps the average for [`Self::utilization`].
    #[must_use]
    pub(crate) fn averaged(self) -> Self {
        Self { occupancy: Some(Occupancy::new()), ..self }
    }

    /// Returns the recent average of the calls at work and in the queue, divided by the
    /// concurrency limit. It is more than 1 if calls wait.
    pub(crate) fn utilization(&self) -> f64 {
        self.occupancy.as_ref().map_or(0.0, Occupancy::average) / self.max_workers as f64
    }

    pub(crate) fn load(&self) -> Load {
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

    /// Waits for a worker. A call that is dropped leaves the queue at once.
    ///
    /// # Errors
    ///
    /// Returns why the call is refused: the queue is full, the call has waited for
    /// `queue.timeout`, or its deadline would pass in the queue.
    pub(crate) async fn admit<'a>(&'a self, call: &'a Call) -> Result<WorkerPermit<'a>, Cause> {
        if let Ok(permit) = self.workers.try_acquire() {
            let start = self.service_time.start();
            call.record_wait(start, Duration::ZERO);
            return Ok(self.permit(start, Some(call), permit));
        }
        let wait = Wait { call, began: Instant::now() };
        // Boxed, so that the future of a call that does not wait has no room for the timer.
        let permit = Box::pin(self.wait_for_worker(call.deadline())).await?;
        let start = self.service_time.start();
        drop(wait);
        Ok(self.permit(start, Some(call), permit))
    }

    /// Waits for a worker as [`Self::admit`] does, but records no times: a second queue admits the
    /// call later, and records its times there.
    ///
    /// # Errors
    ///
    /// Returns an error as [`Self::admit`] does.
    pub(crate) async fn admit_first(&self, call: &Call) -> Result<WorkerPermit<'_>, Cause> {
        let permit = match self.workers.try_acquire() {
            Ok(permit) => permit,
            Err(_) => Box::pin(self.wait_for_worker(call.deadline())).await?,
        };
        let start = self.service_time.start();
        Ok(self.permit(start, None, permit))
    }

    fn permit<'a>(
        &'a self,
        start: Instant,
        call: Option<&'a Call>,
        permit: SemaphorePermit<'a>,
    ) -> WorkerPermit<'a> {
        WorkerPermit { start, queue: self, call, _permit: permit, _occupant: self.occupy() }
    }

    /// Adds a call to the average, if it is kept.
    fn occupy(&self) -> Option<Occupant<'_>> {
        self.occupancy.as_ref().map(Occupancy::enter)
    }

    async fn wait_for_worker(
        &self,
        deadline: Option<Instant>,
    ) -> Result<SemaphorePermit<'_>, Cause> {
        let place = self.enter()?;
        let wait = self.wait_behind(place.ahead);
        if deadline
            .is_some_and(|deadline| deadline.saturating_duration_since(Instant::now()) < wait)
        {
            self.refused.too_late.fetch_add(1, Ordering::Relaxed);
            return Err(Cause::TooLate { retry_after: wait.max(MIN_DELAY) });
        }
        match timeout(self.limits.timeout, self.workers.acquire()).await {
            Ok(permit) => Ok(permit.expect("the semaphore is never closed")),
            Err(_) => {
                self.refused.queue_timeout.fetch_add(1, Ordering::Relaxed);
                Err(Cause::QueueTimeout { retry_after: self.retry_after() })
            }
        }
    }

    fn enter(&self) -> Result<QueuePlace<'_>, Cause> {
        let one_more = |waiting| (waiting < self.limits.length).then_some(waiting + 1);
        match self.waiting.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more) {
            Ok(ahead) => Ok(QueuePlace { waiting: &self.waiting, ahead, _occupant: self.occupy() }),
            Err(_) => {
                self.refused.queue_full.fetch_add(1, Ordering::Relaxed);
                Err(Cause::QueueFull { retry_after: self.retry_after() })
            }
        }
    }

    /// Returns the expected wait of a call behind `ahead` others in the queue. While all workers
    /// are busy, one becomes free every (recent service time / workers).
    fn wait_behind(&self, ahead: usize) -> Duration {
        let turns = (ahead + 1) as f64 / self.max_workers as f64;
        Duration::try_from_secs_f64(self.service_time.average().as_secs_f64() * turns)
            .unwrap_or(Duration::MAX)
    }

    /// Returns the delay before a retry: the time until every call that is queued now has a worker.
    fn retry_after(&self) -> Duration {
        self.expected_wait().max(MIN_DELAY)
    }

    /// Returns the expected wait of the next call.
    pub(crate) fn expected_wait(&self) -> Duration {
        self.wait_behind(self.waiting.load(Ordering::Acquire))
    }
}

/// A wait in the queue. It is recorded when it ends, however it ends.
struct Wait<'a> {
    call: &'a Call,
    began: Instant,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.call.record_wait(self.began, self.began.elapsed());
    }
}

/// A place in the queue, returned when it is dropped.
#[derive(Debug)]
struct QueuePlace<'a> {
    waiting: &'a AtomicUsize,
    ahead: usize,
    _occupant: Option<Occupant<'a>>,
}

impl Drop for QueuePlace<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The permit of a busy worker, returned when it is dropped.
#[derive(Debug)]
pub(crate) struct WorkerPermit<'a> {
    start: Instant,
    queue: &'a Queue,
    /// `None` if another queue records the times of the call.
    call: Option<&'a Call>,
    _permit: SemaphorePermit<'a>,
    _occupant: Option<Occupant<'a>>,
}

impl Drop for WorkerPermit<'_> {
    fn drop(&mut self) {
        let took = self.start.elapsed();
        self.queue.service_time.record(took);
        if let Some(call) = self.call {
            call.record_work(took);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, future::BoxFuture};
    use tokio::time::{advance, sleep};
    use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok, task::spawn};

    use super::*;
    use crate::testing;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Returns a queue that lasts as long as the test program.
    fn queue(max_workers: usize, length: usize, timeout: Duration) -> &'static Queue {
        Box::leak(Box::new(Queue::new(max_workers, &config::Queue { length, timeout })))
    }

    fn admit(queue: &'static Queue) -> BoxFuture<'static, Result<WorkerPermit<'static>, Cause>> {
        queue.admit(Box::leak(Box::new(testing::call()))).boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn workers_are_given_first_in_first_out() {
        let queue = queue(1, 3, HOUR);
        let working = admit(queue).await.expect("a free worker");
        let mut waiting: Vec<_> = (0..3).map(|_| spawn(admit(queue))).collect();
        for call in &mut waiting {
            assert_pending!(call.poll());
        }
        drop(working);
        for place in 0..3 {
            // The calls behind it still wait.
            for behind in &mut waiting[place + 1..] {
                assert_pending!(behind.poll());
            }
            drop(assert_ready_ok!(waiting[place].poll()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_call_does_not_overtake_the_queue() {
        let queue = queue(1, 2, HOUR);
        let working = admit(queue).await.expect("a free worker");
        let mut first = spawn(admit(queue));
        assert_pending!(first.poll());
        drop(working);
        // The worker is free, and is reserved for the first.
        let mut new_call = spawn(admit(queue));
        assert_pending!(new_call.poll());
        assert_ready_ok!(first.poll());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_call_leaves_the_queue_at_once() {
        let queue = queue(1, 2, HOUR);
        let working = admit(queue).await.expect("a free worker");
        let mut leaves = spawn(admit(queue));
        let mut stays = spawn(admit(queue));
        assert_pending!(leaves.poll());
        assert_pending!(stays.poll());
        assert_ready_err!(spawn(admit(queue)).poll());

        drop(leaves);
        let mut next = spawn(admit(queue));
        assert_pending!(next.poll());
        drop(working);
        drop(assert_ready_ok!(stays.poll()));
        assert_ready_ok!(next.poll());
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_given_to_a_cancelled_call_goes_to_the_next_one() {
        let queue = queue(1, 2, HOUR);
        let working = admit(queue).await.expect("a free worker");
        let mut leaves = spawn(admit(queue));
        let mut next = spawn(admit(queue));
        assert_pending!(leaves.poll());
        assert_pending!(next.poll());
        drop(working);
        drop(leaves);
        assert_ready_ok!(next.poll());
    }

    #[tokio::test(start_paused = true)]
    async fn a_queued_call_is_refused_after_the_queue_timeout() {
        let queue = queue(1, 1, Duration::from_secs(5));
        let _working = admit(queue).await.expect("a free worker");
        let start = Instant::now();
        let refusal = admit(queue).await.expect_err("no worker is free");
        assert!(matches!(refusal, Cause::QueueTimeout { .. }), "{refusal:?}");
        assert_eq!(start.elapsed().as_secs(), 5);
        assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_retry_hint_follows_the_queue_and_the_recent_service_time() {
        let queue = queue(5, 9, HOUR);
        for _ in 0..5 {
            let worker = admit(queue).await.expect("a free worker");
            sleep(Duration::from_millis(100)).await;
            drop(worker);
        }
        let _working: Vec<_> =
            (0..5).map(|_| admit(queue).now_or_never().expect("a free worker")).collect();
        let mut waiting: Vec<_> = (0..9).map(|_| spawn(admit(queue))).collect();
        for call in &mut waiting {
            assert_pending!(call.poll());
        }
        // Nine calls wait and one more comes: ten turns of 100 ms, five at a time.
        let refusal = admit(queue).await.expect_err("the queue is full");
        assert_eq!(refusal, Cause::QueueFull { retry_after: Duration::from_millis(200) });
    }

    #[tokio::test(start_paused = true)]
    async fn before_any_call_has_finished_the_retry_hint_is_the_time_of_the_first() {
        let queue = queue(1, 0, HOUR);
        let _working = admit(queue).await.expect("a free worker");
        let hint = || admit(queue).now_or_never().expect("no wait").expect_err("the queue is full");
        assert_eq!(hint(), Cause::QueueFull { retry_after: MIN_DELAY });
        advance(Duration::from_secs(3)).await;
        assert_eq!(hint(), Cause::QueueFull { retry_after: Duration::from_secs(3) });
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_whose_deadline_would_pass_in_the_queue_is_refused_at_once() {
        let queue = queue(1, 9, HOUR);
        let worker = admit(queue).await.expect("a free worker");
        sleep(Duration::from_millis(100)).await;
        drop(worker);
        let _working = admit(queue).await.expect("a free worker");

        let within = |milliseconds| {
            let call: &'static Call = Box::leak(Box::new(testing::call()));
            call.set_deadline(Duration::from_millis(milliseconds));
            spawn(queue.admit(call).boxed())
        };
        let refusal = assert_ready_err!(within(99).poll());
        assert_eq!(refusal, Cause::TooLate { retry_after: Duration::from_millis(100) });
        let mut first = within(100);
        assert_pending!(first.poll());
        // One call is ahead now.
        assert_ready_err!(within(199).poll());
        assert_pending!(within(200).poll());
    }

    #[tokio::test(start_paused = true)]
    async fn the_utilization_is_the_average_of_calls_at_work_and_in_the_queue() {
        let limits = config::Queue { length: 2, timeout: HOUR };
        let queue: &Queue = Box::leak(Box::new(Queue::new(2, &limits).averaged()));
        let working = [admit(queue).await, admit(queue).await];
        let mut waiting = [spawn(admit(queue)), spawn(admit(queue))];
        for call in &mut waiting {
            assert_pending!(call.poll());
        }
        assert_ready_err!(spawn(admit(queue)).poll());
        assert_eq!(queue.utilization(), 0.0);
        let is_near = |value: f64| (queue.utilization() - value).abs() < 0.01;
        advance(HOUR).await;
        assert!(is_near(2.0), "{}", queue.utilization());

        // One leaves the queue, and the other takes a worker.
        let [leaves, mut stays] = waiting;
        drop((leaves, working));
        let _worker = assert_ready_ok!(stays.poll());
        assert!(is_near(2.0), "{}", queue.utilization());
        advance(HOUR).await;
        assert!(is_near(0.5), "{}", queue.utilization());
    }
}
