//! Runs the threads.

use std::{
    num::NonZero,
    sync::Arc,
    thread::{self, available_parallelism},
    time::Instant,
};

use channel::{Failure, Target};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{Plan, Report, progress::Progress, shared::Shared, tally::Tally, worker::Worker};

/// Makes the calls, until all are made or `interrupt` resolves. Shows the progress on standard
/// error if it is a terminal.
///
/// # Errors
///
/// Returns an error if there is no connection at the start, or if the system has no thread left.
pub async fn run(
    target: &Target,
    plan: &Plan,
    interrupt: impl Future<Output = ()>,
) -> Result<Report, Failure> {
    let shared = Arc::new(Shared::default());
    let (start, started) = watch::channel(None);
    let (connected, mut connections) = mpsc::channel(1);
    let count = workers(plan);
    let workers = (0..count).map(|index| {
        let worker = Worker::new(index, count, target, plan, Arc::clone(&shared));
        let (connected, started) = (connected.clone(), started.clone());
        let (ended, tally) = oneshot::channel();
        // Not a blocking task of the runtime, which would wait forever if the system has no
        // thread left for it.
        let work = move || drop(ended.send(worker.run(connected, started)));
        thread::Builder::new().name("load".into()).spawn(work).map(|_| tally)
    });
    let workers = workers.collect::<Result<Vec<_>, _>>().map_err(Failure::System)?;
    drop(connected);
    let measured = async {
        let mut ready = 0;
        while let Some(()) = connections.recv().await {
            ready += 1;
        }
        let begun = Instant::now();
        let mut progress = None;
        if ready == count {
            start.send_replace(Some(begun));
            progress = Some(Progress::start(plan, begun, Arc::clone(&shared)));
        } else {
            // A worker has no connection. `join` returns its error.
            shared.stop.cancel();
        }
        let tally = join(workers).await;
        drop(progress);
        tally.map(|tally| Report::new(target, plan, begun + plan.measured_after(), tally))
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

/// Returns the number of workers: one per processor, and no more than there are connections.
fn workers(plan: &Plan) -> usize {
    available_parallelism().map_or(1, NonZero::get).min(plan.connections)
}

async fn join(workers: Vec<oneshot::Receiver<Result<Tally, Failure>>>) -> Result<Tally, Failure> {
    let mut total = Tally::default();
    for worker in workers {
        total.add(worker.await.expect("a worker does not panic")?);
    }
    Ok(total)
}
