//! `sample-service load`: many calls, and how long they took.
//!
//! In reading order: [`Plan`] is what was asked for; `worker` makes the calls, one
//! thread a processor; `schedule` says when, `call` how; `tally` keeps what came of
//! them, and [`Report`] shows it.
//!
//! Nothing that the server has seen is tried again: a load generator shows what the
//! server does.

mod call;
mod chart;
mod json;
mod plan;
mod processor;
mod progress;
mod report;
mod schedule;
mod tally;
mod worker;

use std::{
    num::NonZero,
    sync::{Arc, atomic::AtomicU64},
    thread::available_parallelism,
    time::Instant,
};

use tokio::{
    sync::{mpsc, watch},
    task::{JoinHandle, spawn_blocking},
};
use tokio_util::sync::CancellationToken;

use super::{Failure, Target};

pub use plan::{Amount, Pace, Plan};
pub use report::Report;

use progress::Progress;
use tally::Tally;
use worker::Worker;

/// What the threads have in common.
#[derive(Debug, Default)]
struct Shared {
    /// Calls that were begun, of those that there shall be.
    begun: AtomicU64,
    ended: AtomicU64,
    failed: AtomicU64,
    /// Ends the calls in flight, too.
    stop: CancellationToken,
}

/// Makes the calls, until all are made or `interrupt` ends. Shows its progress on
/// standard error where that is a terminal.
///
/// # Errors
///
/// Where there is no connection at the start.
pub async fn run(
    target: &Target,
    plan: &Plan,
    interrupt: impl Future<Output = ()>,
) -> Result<Report, Failure> {
    let shared = Arc::new(Shared::default());
    let (start, started) = watch::channel(None);
    let (connected, mut connections) = mpsc::channel(1);
    let count = workers(plan);
    let workers: Vec<_> = (0..count)
        .map(|index| {
            let worker = Worker::new(index, count, target, plan, Arc::clone(&shared));
            let (connected, started) = (connected.clone(), started.clone());
            spawn_blocking(move || worker.run(connected, started))
        })
        .collect();
    drop(connected);
    let measured = async {
        let mut ready = 0;
        while let Some(()) = connections.recv().await {
            ready += 1;
        }
        // Whoever is not ready says why at its end.
        let begun = Instant::now();
        let mut progress = None;
        if ready == count {
            start.send_replace(Some(begun));
            progress = Some(Progress::start(plan, begun, Arc::clone(&shared)));
        } else {
            shared.stop.cancel();
        }
        let tally = join(workers).await;
        drop(progress);
        tally.map(|tally| Report::new(target, plan, begun, tally))
    };
    let mut measured = std::pin::pin!(measured);
    tokio::select! {
        report = &mut measured => report,
        () = interrupt => {
            shared.stop.cancel();
            Ok(measured.await?.interrupted())
        }
    }
}

/// One for each processor that there are connections for.
fn workers(plan: &Plan) -> usize {
    available_parallelism().map_or(1, NonZero::get).min(plan.connections)
}

async fn join(workers: Vec<JoinHandle<Result<Tally, Failure>>>) -> Result<Tally, Failure> {
    let mut total = Tally::default();
    for worker in workers {
        total.add(worker.await.expect("a worker neither panics nor is aborted")?);
    }
    Ok(total)
}
