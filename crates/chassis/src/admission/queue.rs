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
mod tests;
