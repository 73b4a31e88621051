//! The connections of one address.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::FutureExt;
use tokio::{
    net::TcpStream,
    runtime::{Handle, RuntimeFlavor},
    sync::Semaphore,
    time::sleep,
};
use tokio_rustls::server::TlsStream;
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

use super::{abuses::Abuses, calls::Calls, observer::Observer};
use crate::{
    call::Peer,
    config,
    http2::{self, CallMode, Connection, Ended, Held},
    lifecycle::{Lifecycle, State},
    telemetry::Telemetry,
    tls::Tls,
};

/// How long a connection that has not begun HTTP/2 may delay the drain: its client may have
/// sent its first call already.
const PREFACE_GRACE: Duration = Duration::from_secs(1);

/// The receive window of one stream, and of one connection, in bytes.
const RECEIVE_WINDOW: u32 = 1024 * 1024;

/// The most header fields of a request. Clients of gRPC send about ten.
const MAX_HEADER_FIELDS: usize = 100;

const NEVER_POISONED: &str = "nothing panics while it counts";

/// What all connections of one address share.
#[derive(Debug)]
pub(super) struct Connections {
    calls: Calls,
    /// `None` for plaintext.
    tls: Option<Tls>,
    http2: http2::Settings,
    handshake_timeout: Duration,
    max_age: Duration,
    telemetry: Telemetry,
    lifecycle: Lifecycle,
    /// The state in which connections shut down.
    drain_at: State,
    limit: usize,
    /// One permit for each connection that may be open.
    permits: Arc<Semaphore>,
    /// The task of each connection.
    pub(super) tasks: TaskTracker,
    /// Ends all connections at once.
    pub(super) stop: CancellationToken,
    counts: Mutex<ConnectionCounts>,
    pub(super) abuses: Abuses,
}

/// How many connections there were, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// The peer closed them, or agreed to their end.
    pub closed: usize,
    /// They ended with an error: the peer went away, was silent, or broke the protocol.
    pub failed: usize,
    /// They were still open at the bound of the drain.
    pub cut: usize,
    /// They were over the limit, and closed when they were accepted.
    pub refused: usize,
    /// The system could not accept them, such as for lack of descriptors.
    pub not_accepted: usize,
}

impl ConnectionCounts {
    /// Returns the connections that have ended since `earlier`, and those that were turned
    /// away in the whole life of the server, because a drain turns none away.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            closed: self.closed - earlier.closed,
            failed: self.failed - earlier.failed,
            cut: self.cut - earlier.cut,
            ..self
        }
    }
}

impl Connections {
    pub(super) fn new(
        calls: Calls,
        settings: &config::Settings,
        tls: Option<Tls>,
        telemetry: Telemetry,
        lifecycle: Lifecycle,
        drain_at: State,
    ) -> Arc<Self> {
        let config::Settings { limits, keepalive, .. } = settings;
        let limit = limits.connections.get();
        Arc::new(Self {
            calls,
            tls,
            http2: http2::Settings {
                streams: limits.streams.get(),
                header_list: limits.header_list.get(),
                header_fields: MAX_HEADER_FIELDS,
                window: RECEIVE_WINDOW,
                keepalive_interval: keepalive.interval,
                keepalive_timeout: keepalive.timeout.get(),
                calls: call_mode(),
                held: Arc::default(),
                observer: None,
            },
            handshake_timeout: limits.handshake.get(),
            max_age: limits.connection_age,
            telemetry,
            lifecycle,
            drain_at,
            limit,
            permits: Arc::new(Semaphore::new(limit)),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            counts: Mutex::default(),
            abuses: Abuses::default(),
        })
    }

    /// Waits until no connection is added, and no connection takes another call.
    pub(super) async fn draining(&self) {
        self.lifecycle.reached(self.drain_at).await;
    }

    async fn draining_for(&self, time: Duration) {
        self.draining().await;
        sleep(time).await;
    }

    /// Resolves when connections must end. Nothing is stopped before the drain.
    async fn stopped(&self) {
        self.draining().await;
        self.stop.cancelled().await;
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    pub(super) fn open_now(&self) -> usize {
        self.limit - self.permits.available_permits()
    }

    /// Returns what the connections hold for their peers.
    pub(super) fn held(&self) -> &Held {
        &self.http2.held
    }

    pub(super) fn counts(&self) -> ConnectionCounts {
        *self.counts.lock().expect(NEVER_POISONED)
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut ConnectionCounts)) {
        change(&mut self.counts.lock().expect(NEVER_POISONED));
    }

    /// Serves a connection in a task of its own, unless `limits.connections` are open.
    pub(super) fn open(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            self.count(|counts| counts.refused += 1);
            tracing::debug!(%peer, "refused: limits.connections are open");
            return;
        };
        let connections = Arc::clone(self);
        self.tasks.spawn(async move {
            match connections.serve(stream, peer).await {
                Ended::Closed => connections.count(|counts| counts.closed += 1),
                Ended::Failed(error) => {
                    tracing::debug!(%peer, error, "a connection failed");
                    connections.count(|counts| counts.failed += 1);
                }
                Ended::Abused(abuse) => {
                    connections.abuses.record(peer, abuse);
                    connections.count(|counts| counts.failed += 1);
                }
                Ended::Cut => connections.count(|counts| counts.cut += 1),
            }
            drop(permit);
        });
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) -> Ended {
        let observer = Observer { telemetry: self.telemetry.clone(), peer };
        let http2 = http2::Settings { observer: Some(Arc::new(observer)), ..self.http2.clone() };
        let begun = tokio::select! {
            begun = self.begin(stream, &http2) => begun.map_err(|error| error.to_string()),
            () = sleep(self.handshake_timeout) => Err("no preface in time".to_owned()),
            () = self.draining_for(PREFACE_GRACE) => Err("no preface in the drain".to_owned()),
            () = self.stop.cancelled() => return Ended::Cut,
        };
        let (connection, identity) = match begun {
            Ok(begun) => begun,
            Err(problem) => return Ended::Failed(problem),
        };
        let mut calls = self.calls.for_peer(Peer::new(peer, identity));
        let shut_down = [self.draining().boxed(), old_age(self.max_age).boxed()];
        connection.serve(&mut calls, &http2, shut_down, self.stopped().boxed()).await
    }

    /// Begins TLS, if it is on, and HTTP/2. Returns the connection and the name that the
    /// client's certificate proves.
    async fn begin(
        &self,
        stream: TcpStream,
        http2: &http2::Settings,
    ) -> io::Result<(Connection<Either<TcpStream, TlsStream<TcpStream>>>, Option<Arc<str>>)> {
        // Small responses must not wait for the acknowledgement of earlier ones.
        stream.set_nodelay(true)?;
        let (stream, identity) = match &self.tls {
            None => (Either::Left(stream), None),
            Some(tls) => {
                let (stream, identity) = tls.handshake(stream).await?;
                (Either::Right(stream), identity)
            }
        };
        Ok((Connection::handshake(stream, http2).await?, identity))
    }
}

/// Returns the mode of calls for this runtime: in place if it has a single thread, because no
/// other could go on with the connection.
fn call_mode() -> CallMode {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => CallMode::InPlace,
        _ => CallMode::Tasks,
    }
}

/// Resolves at the age, with a jitter of a tenth either way, so that connections that were
/// opened together are not all opened again together. Never resolves if the age is zero.
async fn old_age(age: Duration) {
    if age.is_zero() {
        return std::future::pending().await;
    }
    sleep(age.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ages_differ_by_up_to_a_tenth() {
        let age = Duration::from_secs(1000);
        let mut ages = Vec::new();
        for _ in 0..100 {
            let start = Instant::now();
            old_age(age).await;
            ages.push(start.elapsed().as_secs());
        }
        assert!(ages.iter().all(|age| (900..=1100).contains(age)), "{ages:?}");
        assert!(
            ages.iter().any(|age| *age < 970) && ages.iter().any(|age| *age > 1030),
            "{ages:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_age_of_zero_never_ends() {
        assert_eq!(old_age(Duration::ZERO).now_or_never(), None);
    }
}
