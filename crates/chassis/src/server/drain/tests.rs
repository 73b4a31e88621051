//! The drain alone, under paused time: calls and connections are tasks that end when told.

use std::{
    fs::File,
    future::{Future, pending},
    io::{self, Seek},
    sync::Arc,
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};
use tokio_test::{assert_pending, assert_ready, task::spawn};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Drain, DrainReport, OWN_CALLS_GRACE};
use crate::{
    http2::Budget,
    in_flight::InFlight,
    lifecycle::{Lifecycle, State},
    middleware::{self, Recorder},
    server::{
        calls::Calls,
        connections::{ConnectionCounts, Connections, Door},
        registry::Registry,
        router::{Router, WebRouter},
    },
    telemetry::Telemetry,
    testing,
};

fn connections() -> Arc<Connections> {
    let settings = testing::settings(&[]);
    let telemetry = Telemetry::default();
    let methods = Arc::new(testing::methods());
    let recorder = Recorder::new(telemetry.clone(), methods, testing::shared(1 << 20));
    let layered = middleware::layers(
        Router::default(),
        WebRouter(Router::default()),
        recorder,
        testing::web(),
        InFlight::default(),
        settings.deadline.clone(),
    );
    let door = Door {
        registry: Registry::new(8, None),
        tls: None,
        drain_at: State::Draining,
        budget: Budget::new(1 << 20),
    };
    let calls = Calls::new(layered);
    Connections::new(calls, &settings, telemetry, Lifecycle::new(), door)
}

fn clean() -> DrainReport {
    DrainReport {
        in_flight: 0,
        finished: 0,
        cut: 0,
        connections: 0,
        connection_counts: ConnectionCounts::default(),
        tasks_cut: 0,
        took: Duration::ZERO,
    }
}

/// Returns a future that ends when it is told, and what tells it.
fn until_told() -> (impl Future<Output = ()> + Send + 'static, CancellationToken) {
    let told = CancellationToken::new();
    (told.clone().cancelled_owned(), told)
}

#[tokio::test(start_paused = true)]
async fn a_drain_is_idle_once_connections_calls_and_tasks_have_ended() {
    let (connections, in_flight, tasks) = (connections(), InFlight::default(), TaskTracker::new());
    let (connection, end_connection) = until_told();
    let connection = connections.tasks.spawn(connection);
    let (task, end_task) = until_told();
    let task = tasks.spawn(task);
    let call = in_flight.begin(false);
    let drain = Drain::begin(connections, in_flight, tasks);
    let mut idle = spawn(drain.idle());
    assert_pending!(idle.poll());
    end_connection.cancel();
    connection.await.expect("no panic");
    assert_pending!(idle.poll());
    drop(call);
    assert_pending!(idle.poll());
    end_task.cancel();
    task.await.expect("no panic");
    assert_ready!(idle.poll());
}

#[tokio::test(start_paused = true)]
async fn an_own_call_holds_up_the_drain_for_a_second() {
    let in_flight = InFlight::default();
    let own = in_flight.begin(true);
    tokio::spawn(async move {
        own.cutting().await;
        drop(own);
    });
    let drain = Drain::begin(connections(), in_flight, TaskTracker::new());
    let start = Instant::now();
    timeout(10 * OWN_CALLS_GRACE, drain.idle()).await.expect("the call is told to end");
    assert_eq!(start.elapsed(), OWN_CALLS_GRACE);
}

#[tokio::test(start_paused = true)]
async fn the_report_counts_what_the_drain_ended_and_what_did_not_end() {
    let (connections, in_flight, tasks) = (connections(), InFlight::default(), TaskTracker::new());
    // Before the drain: they are in no number of the report.
    (0..4).for_each(|_| drop(in_flight.begin(false)));
    connections.count(|counts| counts.closed += 10);

    let mut calls: Vec<_> = (0..5).map(|_| in_flight.begin(false)).collect();
    for _ in 0..3 {
        connections.tasks.spawn(pending::<()>());
    }
    for _ in 0..2 {
        tasks.spawn(pending::<()>());
    }
    let drain = Drain::begin(Arc::clone(&connections), in_flight, tasks);
    // Two calls finish, two end with UNAVAILABLE, and one does not end.
    calls[0].set_cut();
    calls[1].set_cut();
    let _open = calls.pop();
    drop(calls);
    connections.count(|counts| {
        counts.closed += 6;
        counts.cut += 1;
    });
    let report = drain.end().await;
    let expected = DrainReport {
        in_flight: 5,
        finished: 2,
        cut: 3,
        connections: 3,
        // One was cut, and three tasks did not notice.
        connection_counts: ConnectionCounts { closed: 6, cut: 4, ..ConnectionCounts::default() },
        tasks_cut: 2,
        took: report.took,
    };
    assert_eq!(report, expected);
    assert!(connections.stop.is_cancelled());
}

#[test]
fn a_drain_is_clean_if_no_call_no_connection_and_no_task_was_cut() {
    let cut = ConnectionCounts { cut: 1, ..ConnectionCounts::default() };
    let closed = ConnectionCounts { closed: 1, failed: 1, ..ConnectionCounts::default() };
    let finished = DrainReport { in_flight: 3, finished: 3, connection_counts: closed, ..clean() };
    for (report, is_clean) in [
        (clean(), true),
        (finished, true),
        (DrainReport { cut: 1, ..clean() }, false),
        (DrainReport { connection_counts: cut, ..clean() }, false),
        (DrainReport { tasks_cut: 1, ..clean() }, false),
    ] {
        assert_eq!(report.is_clean(), is_clean, "{report:?}");
    }
}

#[test]
fn the_log_line_of_a_drain_has_all_numbers_of_the_report() {
    let counts = ConnectionCounts {
        closed: 5,
        failed: 6,
        cut: 7,
        refused: 8,
        refused_peer: 9,
        not_accepted: 10,
    };
    let report = DrainReport {
        in_flight: 1,
        finished: 2,
        cut: 3,
        connections: 4,
        connection_counts: counts,
        tasks_cut: 11,
        took: Duration::from_secs(12),
    };
    assert_eq!(
        logged(|| report.log()),
        json!({
            "message": "drained",
            "clean": false,
            "in_flight": 1,
            "finished": 2,
            "cut": 3,
            "connections": 4,
            "connections_closed": 5,
            "connections_failed": 6,
            "connections_cut": 7,
            "connections_refused": 17,
            "connections_not_accepted": 10,
            "tasks_cut": 11,
            "took": "12s",
        })
    );
}

/// Returns the fields of the one line that this logs.
fn logged(log: impl FnOnce()) -> Value {
    let mut file = tempfile::tempfile().expect("a directory for temporary files");
    let writer: Arc<File> = Arc::new(file.try_clone().expect("a descriptor"));
    let subscriber = tracing_subscriber::fmt().json().with_writer(writer).finish();
    tracing::subscriber::with_default(subscriber, log);
    file.rewind().expect("a file");
    let text = io::read_to_string(file).expect("a file");
    let line: Value = serde_json::from_str(&text).expect("one line");
    line["fields"].clone()
}
