//! Serves the input of the fuzzer, with each layer.

pub mod frames;
mod handler;
pub mod hpack;
pub mod script;

use std::time::Duration;

use allocation_counter::measure;
use http2::{MemoryKind, Settings};
use http2_judge::{
    frame::PREFACE,
    seeds::block_on,
    server::{Layer, Server, no_limit, settings},
};
use tokio::{
    io::{AsyncWriteExt, duplex, split},
    sync::watch,
    task::yield_now,
    time::{sleep, timeout},
};

/// The virtual time after which a server hangs.
const HANG: Duration = Duration::from_secs(24 * 3600);

/// The most memory of a connection and of its peer, in bytes. The windows of the 20 streams are
/// 1.3 MiB, and the echoes are as long.
const MOST_MEMORY: u64 = 8 << 20;

/// The virtual time after which a write is cancelled, because the server does not read.
const STALLED: Duration = Duration::from_secs(1);

/// The virtual time after which the server has done all that does not wait for the peer. It is
/// before the timeout of the keepalive, because the peer acknowledges no PING.
const SETTLED: Duration = Duration::from_secs(16);

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
/// Panics if a server hangs, or if the own layer needs too much memory or leaks a window.
pub fn serve(steps: &[Step]) {
    for layer in Layer::ALL {
        let used = measure(|| {
            let ended = block_on(async { timeout(HANG, connection(layer, steps)).await });
            assert!(ended.is_ok(), "{layer:?} hangs");
        });
        assert!(layer == Layer::H2 || used.bytes_max < MOST_MEMORY, "{layer:?} needs {used:?}");
    }
}

async fn connection(layer: Layer, steps: &[Step]) {
    let settings = Settings {
        streams: 20,
        window: 65_535,
        keepalive_interval: Duration::from_secs(10),
        ..settings()
    };
    let budget = no_limit();
    let (near, far) = duplex(64 * 1024);
    let server = Server::within(&budget, layer, far, settings, handler::handler());
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
    sleep(SETTLED).await;
    if budget.used_for(MemoryKind::Heads) == 0 {
        // Without a stream nothing may be held, or the window of the connection would shrink.
        for kind in [MemoryKind::Bodies, MemoryKind::Responses] {
            assert_eq!(budget.used_for(kind), 0, "{layer:?} holds {kind:?} without a stream");
        }
    }
    let _closed = writer.shutdown().await;
    let _ended = server.ended.await;
    reading.abort();
}
