//! Serves what the fuzzer makes up, with each layer.

mod handler;
pub mod script;

use std::time::Duration;

use http2::Settings;
use http2_judge::{
    frame::PREFACE,
    server::{Layer, Server, settings},
};
use tokio::{
    io::{AsyncWriteExt, split},
    runtime::Builder,
    sync::watch,
    task::yield_now,
    time::{sleep, timeout},
};

/// The virtual time after which a server hangs.
const HANG: Duration = Duration::from_secs(24 * 3600);

/// The virtual time after which a write is given up, because the server reads no more.
const STALLED: Duration = Duration::from_secs(1);

/// What a peer does.
#[derive(Debug, Clone)]
pub enum Step {
    /// Sends bytes.
    Send(Vec<u8>),
    /// Waits.
    Wait(Duration),
    /// Reads nothing from now on.
    ReadNothing,
    /// Reads again.
    ReadAll,
    /// Begins the graceful shutdown of the server.
    ShutDown,
}

/// Serves a peer that takes these steps and goes away, with each layer.
///
/// # Panics
///
/// Panics if a server hangs.
pub fn serve(steps: &[Step]) {
    for layer in Layer::ALL {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let ended = runtime
            .expect("a runtime")
            .block_on(async { timeout(HANG, connection(layer, steps)).await });
        assert!(ended.is_ok(), "{layer:?} hangs");
    }
}

async fn connection(layer: Layer, steps: &[Step]) {
    let settings = Settings {
        streams: 20,
        window: 65_535,
        keepalive_interval: Duration::from_secs(10),
        ..settings()
    };
    let (server, near) = Server::start(layer, settings, handler::handler());
    let (mut reader, mut writer) = split(near);
    let (reads, mut is_read) = watch::channel(true);
    let reading = tokio::spawn(async move {
        let mut sink = tokio::io::sink();
        // It ends when the server has closed.
        while is_read.wait_for(|reads| *reads).await.is_ok() {
            tokio::select! {
                _ = tokio::io::copy(&mut reader, &mut sink) => break,
                _ = is_read.changed() => {}
            }
        }
    });
    let _closed = writer.write_all(PREFACE).await;
    for step in steps {
        match step {
            Step::Send(bytes) => {
                if !matches!(timeout(STALLED, writer.write_all(bytes)).await, Ok(Ok(()))) {
                    break;
                }
                yield_now().await;
            }
            Step::Wait(duration) => sleep(*duration).await,
            Step::ReadNothing => drop(reads.send(false)),
            Step::ReadAll => drop(reads.send(true)),
            Step::ShutDown => server.shut_down.cancel(),
        }
    }
    let _closed = reads.send(true);
    let _closed = writer.shutdown().await;
    let _ended = server.ended.await;
    reading.abort();
}
