//! Runs random plans.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{FutureExt, future::join_all};
use h2::client;
use http2::Ended;
use http2_judge::{
    choices::Choices,
    seeds,
    server::{Layer, Server},
    trickle::Trickle,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, duplex},
    time::{sleep, timeout},
};

use crate::{
    call::Pause,
    check::check,
    client::{Outcome, call},
    handler::{Requests, handler},
    linger::Linger,
    plan::Plan,
};

/// How many seeds are run for each layer.
const SEEDS: u64 = 100;

/// Longer than all pauses of a plan together.
const HANGS: Duration = Duration::from_secs(600);

#[test]
fn each_call_that_is_not_cancelled_arrives_unchanged_and_all_of_them_end() {
    for layer in Layer::ALL {
        seeds::run(&format!("{layer:?}"), SEEDS, |seed| {
            let plan = Plan::random(&mut Choices::seeded(seed));
            let result = seeds::block_on(run(layer, &plan));
            result.unwrap_or_else(|error| panic!("{layer:?}: {error}"));
        });
    }
}

async fn run(layer: Layer, plan: &Plan) -> Result<(), String> {
    let (near, far) = duplex(plan.pipe);
    let requests = Requests::new(plan.calls.len());
    let handler = handler(&plan.calls, &requests);
    let mut settings = plan.settings.clone();
    if layer == Layer::H2 {
        // If a stream is reset whose response was complete but not sent, h2 counts it on. At the
        // limit, h2 would then refuse all later streams.
        settings.streams = 200;
    }
    match plan.trickle {
        Some([near_seed, far_seed]) => {
            let server = Server::on(layer, Trickle::new(far, far_seed), settings, handler);
            run_on(layer, server, Linger::new(Trickle::new(near, near_seed)), plan, &requests).await
        }
        None => {
            let server = Server::on(layer, far, settings, handler);
            run_on(layer, server, Linger::new(near), plan, &requests).await
        }
    }
}

async fn run_on<I>(
    layer: Layer,
    server: Server,
    io: I,
    plan: &Plan,
    requests: &Requests,
) -> Result<(), String>
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, connection) = client::Builder::new()
        .initial_window_size(plan.windows.stream)
        .initial_connection_window_size(plan.windows.connection)
        .max_frame_size(plan.windows.max_frame_size)
        .header_table_size(plan.windows.header_table)
        // The server's limit is not known before its SETTINGS.
        .initial_max_send_streams(1)
        // Windows of a few bytes need many small frames.
        .data_frame_budget(usize::MAX)
        .handshake::<_, Bytes>(io)
        .await
        .map_err(|error| format!("the handshake fails: {error}"))?;
    tokio::spawn(drive(connection, plan.resizes.clone()));
    if layer == Layer::H2 {
        // h2's server stalls a stream if its window shrinks after data was read. That happens if
        // the client sends more than the window before it knows the server's SETTINGS.
        sleep(Duration::from_secs(1)).await;
    }
    if let Some(pause) = plan.shut_down {
        let shut_down = server.shut_down.clone();
        tokio::spawn(async move {
            pause.wait().await;
            shut_down.cancel();
        });
    }
    let plan = Arc::new(plan.clone());
    let calls = (0..plan.calls.len()).map(|id| {
        let (client, plan) = (client.clone(), Arc::clone(&plan));
        tokio::spawn(async move {
            let mut outcome = Outcome::default();
            let hangs = timeout(HANGS, call(client, &plan.calls[id], &mut outcome)).await.is_err();
            Outcome { hangs, ..outcome }
        })
    });
    let calls: Vec<_> = calls.collect();
    let outcomes = join_all(calls).await;
    // Meanwhile the last requests arrive in full, and cancelled calls are dropped.
    sleep(Duration::from_secs(1)).await;
    for (id, (outcome, call)) in outcomes.into_iter().zip(&plan.calls).enumerate() {
        let outcome = outcome.expect("no panic");
        let checked = requests.with(id, |seen| check(&plan, id, &outcome, seen));
        checked.map_err(|error| {
            let Plan { settings, windows, trickle, pipe, resizes, shut_down, .. } = &*plan;
            format!(
                "call {id}: {error}\n{call:?}\n{outcome:?}\n{settings:?} {windows:?}\n\
                 {trickle:?} {pipe} {resizes:?} {shut_down:?}"
            )
        })?;
    }
    left(requests, &plan)?;
    drop(client);
    let ended = timeout(HANGS, server.ended).await.map_err(|_| "the server does not end")?;
    sleep(Duration::from_secs(1)).await;
    left(requests, &plan)?;
    match ended {
        Ok(Ended::Closed) => Ok(()),
        Ok(ended) => Err(format!("the connection ends with {ended:?}")),
        // In debug builds, h2 asserts that it counts no stream at the end, which sometimes fails.
        Err(error) if layer == Layer::H2 && error.to_string().contains("has_streams") => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns an error if a handler or a body is alive.
fn left(requests: &Requests, plan: &Plan) -> Result<(), String> {
    match requests.alive.calls().first() {
        Some(id) => Err(format!("call {id} has a handler or a body left: {:?}", plan.calls[*id])),
        None => Ok(()),
    }
}

/// Drives the connection of the client, and changes its stream window.
async fn drive<I>(mut connection: client::Connection<I>, resizes: Vec<(Pause, u32)>)
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    for (pause, size) in resizes {
        tokio::select! {
            biased;
            _ended = &mut connection => return,
            () = pause.wait() => {
                // This is refused while the change before is not acknowledged.
                let _refused = connection.set_initial_window_size(size);
            }
        }
    }
    connection.map(drop).await;
}
