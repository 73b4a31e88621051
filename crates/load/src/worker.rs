//! A thread with its own connections, and its share of the calls.

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use channel::{Channel, Failure, MIN_RECONNECT_BACKOFF, Target};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::{
    runtime,
    sync::{mpsc, watch},
    time::sleep,
};

use crate::{
    Amount, Pace, Plan,
    busy::BusyTime,
    call::{CallRecord, Template},
    schedule::Schedule,
    shared::Shared,
    tally::Tally,
};

/// A thread with its own connections, and its share of the calls.
pub(super) struct Worker {
    index: usize,
    count: usize,
    target: Target,
    plan: Plan,
    shared: Arc<Shared>,
}

impl Worker {
    /// Returns worker number `index` of `count`, from 0.
    pub(super) fn new(
        index: usize,
        count: usize,
        target: &Target,
        plan: &Plan,
        shared: Arc<Shared>,
    ) -> Self {
        Self { index, count, target: target.clone(), plan: plan.clone(), shared }
    }

    /// Connects, reports that on `connected`, waits for the start time, and makes its calls.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no connection, or if the system refuses a timer.
    pub(super) fn run(
        self,
        connected: mpsc::Sender<()>,
        mut started: watch::Receiver<Option<Instant>>,
    ) -> Result<Tally, Failure> {
        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::System)?;
        let tally = runtime.block_on(async {
            let stop = self.shared.stop.clone();
            let ready = async {
                let channels = self.connect().await?;
                // Fails only if another worker had no connection.
                let _ = connected.send(()).await;
                drop(connected);
                let start = started.wait_for(Option::is_some).await.ok().and_then(|start| *start);
                Ok::<_, Failure>(start.map(|start| (channels, start)))
            };
            match stop.run_until_cancelled(ready).await.transpose()?.flatten() {
                Some((channels, start)) => self.call(&channels, start).await,
                None => Ok(Tally::default()),
            }
        });
        // A thread may be blocked in the resolution of a name.
        runtime.shutdown_background();
        tally
    }

    async fn connect(&self) -> Result<Vec<Channel>, Failure> {
        let channels: Vec<_> =
            (0..self.share(self.plan.connections)).map(|_| Channel::new(&self.target)).collect();
        for channel in &channels {
            channel.connected().await?;
        }
        Ok(channels)
    }

    /// Returns this worker's share of `total`.
    fn share(&self, total: usize) -> usize {
        total / self.count + usize::from(self.index < total % self.count)
    }

    async fn call(&self, channels: &[Channel], start: Instant) -> Result<Tally, Failure> {
        let busy = BusyTime::start();
        let mut tally = Tally::default();
        let measured_from = start + self.plan.measured_after();
        let calls = Loop {
            template: Template::new(&self.plan, self.target.timeout),
            channels,
            shared: &self.shared,
            measured_from,
        };
        match self.plan.pace {
            Pace::Closed { concurrency } => {
                let end = self.plan.duration().map(|duration| measured_from + duration);
                calls.closed(self.share(concurrency), end, self.plan.calls(), &mut tally).await;
            }
            Pace::Open { rate } => {
                let count = self.plan.calls().expect("an open loop has a schedule");
                let count = count.saturating_add(self.plan.warmup_calls(rate));
                // If the rate cannot be kept, the run still ends soon after its duration.
                let give_up = match self.plan.amount {
                    Amount::Duration(duration) => {
                        Some(measured_from + duration + self.target.timeout)
                    }
                    Amount::Calls(_) => None,
                };
                let schedule = Schedule::new(start, rate, count, self.index, self.count, give_up)?;
                calls.open(schedule, &mut tally).await?;
            }
        }
        tally.busy = busy.share();
        channels.iter().for_each(|channel| tally.add_addresses(channel));
        Ok(tally)
    }
}

/// Makes the calls in a closed or an open loop.
struct Loop<'a> {
    template: Template,
    channels: &'a [Channel],
    shared: &'a Shared,
    /// Calls that are due earlier are the warm-up.
    measured_from: Instant,
}

impl Loop<'_> {
    async fn closed(
        &self,
        concurrency: usize,
        end: Option<Instant>,
        calls: Option<u64>,
        tally: &mut Tally,
    ) {
        // The warm-up is not part of the number of calls.
        let is_wanted = |due: Instant| {
            end.is_none_or(|end| due < end)
                && (due < self.measured_from
                    || calls.is_none_or(|calls| self.shared.begun.fetch_add(1, Relaxed) < calls))
        };
        let (tally, in_flight) = (RefCell::new(tally), Cell::new(0));
        // Each loop stays on one channel, so that calls whose responses arrive together are
        // followed by requests that are sent together.
        let call_repeatedly = async |channel| {
            loop {
                let due = Instant::now();
                if !is_wanted(due) {
                    break;
                }
                in_flight.update(|calls| calls + 1);
                let call = self.template.call(channel, Some(due)).await;
                in_flight.update(|calls| calls - 1);
                self.record(&call, &mut tally.borrow_mut());
                if call.is_disconnected {
                    // Without a connection calls fail at once, and this loop would spin.
                    sleep(MIN_RECONNECT_BACKOFF).await;
                }
            }
        };
        let all = self.channels.iter().cycle().take(concurrency).map(call_repeatedly);
        let all = all.collect::<FuturesUnordered<_>>().collect::<()>();
        if self.shared.stop.run_until_cancelled(all).await.is_none() {
            tally.borrow_mut().unfinished = in_flight.get();
        }
    }

    async fn open(&self, mut schedule: Schedule, tally: &mut Tally) -> Result<(), Failure> {
        let mut channels = self.channels.iter().cycle();
        let mut in_flight = FuturesUnordered::new();
        let stop = self.shared.stop.clone();
        let all = async {
            while !(schedule.is_over() && in_flight.is_empty()) {
                tokio::select! {
                    due = schedule.next(), if !schedule.is_over() => {
                        let channel = channels.next().expect("the iterator is endless");
                        in_flight.push(self.template.call(channel, Some(due?)));
                    }
                    Some(call) = in_flight.next() => self.record(&call, tally),
                    // The schedule ended between the condition of the loop and that of the branch.
                    else => break,
                }
            }
            Ok(())
        };
        match stop.run_until_cancelled(all).await {
            Some(ended) => {
                tally.missed = schedule.remaining();
                ended
            }
            None => {
                tally.unfinished = in_flight.len() as u64;
                Ok(())
            }
        }
    }

    fn record(&self, call: &CallRecord, tally: &mut Tally) {
        if call.due >= self.measured_from {
            tally.record(call);
        }
        self.shared.ended.fetch_add(1, Relaxed);
        if call.status.code() != tonic::Code::Ok {
            self.shared.failed.fetch_add(1, Relaxed);
        }
    }
}
