//! A thread with connections of its own, and its part of the calls.

use std::{
    cell::{Cell, RefCell},
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::{
    runtime,
    sync::{mpsc, watch},
    time::sleep,
};

use super::{
    Amount, Pace, Plan, Shared,
    call::{Outcome, Template},
    processor::Busy,
    schedule::Schedule,
    tally::Tally,
};
use crate::client::{Channel, Failure, Target, balancer::FIRST_BACKOFF};

pub(super) struct Worker {
    index: usize,
    count: usize,
    target: Target,
    plan: Plan,
    shared: Arc<Shared>,
}

impl Worker {
    /// Number `index` of `count`, from 0.
    pub(super) fn new(
        index: usize,
        count: usize,
        target: &Target,
        plan: &Plan,
        shared: Arc<Shared>,
    ) -> Self {
        Self { index, count, target: target.clone(), plan: plan.clone(), shared }
    }

    /// Connects, says so, waits for the start, and makes its calls.
    pub(super) fn run(
        self,
        connected: mpsc::Sender<()>,
        mut started: watch::Receiver<Option<Instant>>,
    ) -> Result<Tally, Failure> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let tally = runtime.block_on(async {
            let stop = self.shared.stop.clone();
            let ready = async {
                let channels = self.connect().await?;
                // Nobody waits any more where another had no connection.
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
        // A thread may still resolve a name.
        runtime.shutdown_background();
        tally
    }

    async fn connect(&self) -> Result<Vec<Channel>, Failure> {
        let channels: Vec<_> =
            (0..self.part(self.plan.connections)).map(|_| Channel::new(&self.target)).collect();
        for channel in &channels {
            channel.connected().await?;
        }
        Ok(channels)
    }

    /// What falls to this thread of so many.
    fn part(&self, total: usize) -> usize {
        total / self.count + usize::from(self.index < total % self.count)
    }

    async fn call(&self, channels: &[Channel], start: Instant) -> Result<Tally, Failure> {
        let busy = Busy::start();
        let mut tally = Tally::default();
        let calls = Calls {
            template: Template::new(&self.plan, self.target.timeout),
            channels,
            shared: &self.shared,
        };
        match self.plan.pace {
            Pace::Closed { concurrency } => {
                let end = self.plan.duration().map(|duration| start + duration);
                calls.closed(self.part(concurrency), end, self.plan.calls(), &mut tally).await;
            }
            Pace::Open { rate } => {
                let count = self.plan.calls().expect("an open loop has a schedule");
                // A rate far above what can be done is not to take far longer than asked.
                let give_up = match self.plan.amount {
                    Amount::Duration(duration) => Some(start + duration + self.target.timeout),
                    Amount::Calls(_) => None,
                };
                let schedule = Schedule::new(start, rate, count, self.index, self.count, give_up)?;
                calls.open(schedule, &mut tally).await?;
            }
        }
        tally.busy = busy.part();
        Ok(tally)
    }
}

struct Calls<'a> {
    template: Template,
    channels: &'a [Channel],
    shared: &'a Shared,
}

impl Calls<'_> {
    async fn closed(
        &self,
        at_once: usize,
        end: Option<Instant>,
        calls: Option<u64>,
        tally: &mut Tally,
    ) {
        let is_wanted = || {
            end.is_none_or(|end| Instant::now() < end)
                && calls.is_none_or(|calls| self.shared.begun.fetch_add(1, Relaxed) < calls)
        };
        let (tally, in_flight) = (RefCell::new(tally), Cell::new(0));
        // Each on one channel: what is answered together is followed together.
        let one_after_another = async |channel| {
            while is_wanted() {
                in_flight.update(|calls| calls + 1);
                let outcome = self.template.call(channel, None).await;
                in_flight.update(|calls| calls - 1);
                self.record(&outcome, &mut tally.borrow_mut());
                if outcome.disconnected {
                    // Calls that fail at once are not to be made as fast as that.
                    sleep(FIRST_BACKOFF).await;
                }
            }
        };
        let all = self.channels.iter().cycle().take(at_once).map(one_after_another);
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
                    due = schedule.due(), if !schedule.is_over() => {
                        let channel = channels.next().expect("they go round");
                        in_flight.push(self.template.call(channel, Some(due?)));
                    }
                    Some(outcome) = in_flight.next() => self.record(&outcome, tally),
                    // It was given up just now.
                    else => break,
                }
            }
            Ok(())
        };
        match stop.run_until_cancelled(all).await {
            Some(ended) => {
                tally.missed = schedule.left();
                ended
            }
            None => {
                tally.unfinished = in_flight.len() as u64;
                Ok(())
            }
        }
    }

    fn record(&self, outcome: &Outcome, tally: &mut Tally) {
        tally.record(outcome);
        self.shared.ended.fetch_add(1, Relaxed);
        if outcome.status.code() != tonic::Code::Ok {
            self.shared.failed.fetch_add(1, Relaxed);
        }
    }
}
