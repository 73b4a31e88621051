//! One connection, from its first byte to its last.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use h2::server::{Builder, Connection};
use tokio::{net::TcpStream, sync::Semaphore, time::sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

use super::{
    State, lifecycle::Lifecycle, preface, request::answer, routes::Routes, stream::Stream,
    tls::Tls, transport::Transport,
};
use crate::{
    config,
    keepalive::{Heard, silence},
    middleware::Record,
    telemetry::Peer,
};

/// The memory that one stream, and that one connection, may have on its way in.
const WINDOW: u32 = 1024 * 1024;
/// Streams that were reset before they were accepted, at which a connection is
/// closed (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Streams that this side had to reset, at which a connection is closed
/// (CVE-2025-8671).
const MAX_LOCAL_RESETS: usize = 1024;

/// How long a connection that has not begun HTTP/2 may hold up the drain: its
/// client may have sent its first call, and be waiting for that to arrive.
const PREFACE_GRACE: Duration = Duration::from_secs(1);

const NEVER_POISONED: &str = "nothing panics while it counts";

/// What all connections of one address share.
#[derive(Debug)]
pub(super) struct Connections {
    routes: Record<Routes>,
    /// Without it, plaintext is served.
    tls: Option<Tls>,
    limits: config::Limits,
    keepalive: config::Keepalive,
    lifecycle: Lifecycle,
    /// The state in which connections are to end once their calls have.
    drain_at: State,
    /// One permit for each connection that may be open.
    places: Arc<Semaphore>,
    /// The task of each connection.
    pub(super) tasks: TaskTracker,
    /// Connections are to end, whatever their calls do.
    pub(super) stop: CancellationToken,
    endings: Mutex<Endings>,
}

/// How many connections there were, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Endings {
    /// By their peer, or in agreement with it.
    pub closed: usize,
    /// By an error: a peer that went away, was silent, or broke the protocol.
    pub failed: usize,
    /// Still open at the bound of the drain, and dropped.
    pub cut: usize,
    /// Beyond the cap, and closed as soon as they were accepted.
    pub refused: usize,
    /// Not even accepted, for want of descriptors or the like.
    pub not_accepted: usize,
}

impl Endings {
    /// Those that came after `earlier`, with all that were turned away: in a
    /// drain none are, and it is the whole life that has them.
    pub(super) fn since(self, earlier: Self) -> Self {
        Self {
            closed: self.closed - earlier.closed,
            failed: self.failed - earlier.failed,
            cut: self.cut - earlier.cut,
            ..self
        }
    }
}

/// A connection that has begun HTTP/2.
type Begun = Connection<Transport<Either<TcpStream, TlsStream<TcpStream>>>, Bytes>;

/// What a connection that serves calls is told.
enum Signal {
    Silence,
    OldAge,
    Draining,
    Stopped,
}

/// How one connection ended. See [`Endings`].
enum Ended {
    Closed,
    Failed(String),
    Cut,
}

impl Connections {
    pub(super) fn new(
        routes: Record<Routes>,
        settings: &config::Settings,
        tls: Option<Tls>,
        lifecycle: Lifecycle,
        drain_at: State,
    ) -> Arc<Self> {
        Arc::new(Self {
            routes,
            tls,
            limits: settings.limits.clone(),
            keepalive: settings.keepalive.clone(),
            lifecycle,
            drain_at,
            places: Arc::new(Semaphore::new(settings.limits.connections.get())),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            endings: Mutex::default(),
        })
    }

    /// Waits until no connection is to be added, and none to take another call.
    pub(super) async fn draining(&self) {
        self.lifecycle.reached(self.drain_at).await;
    }

    async fn draining_for(&self, time: Duration) {
        self.draining().await;
        sleep(time).await;
    }

    /// How many may be open at once.
    pub(super) fn limit(&self) -> usize {
        self.limits.connections.get()
    }

    /// How many are open.
    pub(super) fn open_now(&self) -> usize {
        self.limit() - self.places.available_permits()
    }

    /// How connections have ended so far.
    pub(super) fn endings(&self) -> Endings {
        *self.endings.lock().expect(NEVER_POISONED)
    }

    pub(super) fn count(&self, ending: impl FnOnce(&mut Endings)) {
        ending(&mut self.endings.lock().expect(NEVER_POISONED));
    }

    /// Serves a connection in a task of its own, where there is a place for it.
    pub(super) fn open(self: &Arc<Self>, stream: TcpStream, peer: SocketAddr) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.count(|endings| endings.refused += 1);
            tracing::debug!(%peer, "refused: limits.connections are open");
            return;
        };
        let connections = Arc::clone(self);
        self.tasks.spawn(async move {
            match connections.serve(stream, peer).await {
                Ended::Closed => connections.count(|endings| endings.closed += 1),
                Ended::Failed(error) => {
                    tracing::debug!(%peer, error, "a connection failed");
                    connections.count(|endings| endings.failed += 1);
                }
                Ended::Cut => connections.count(|endings| endings.cut += 1),
            }
            drop(place);
        });
    }

    async fn serve(&self, stream: TcpStream, peer: SocketAddr) -> Ended {
        let heard = Arc::new(Heard::new());
        let begun = tokio::select! {
            begun = self.begin(stream, &heard) => begun.map_err(|error| error.to_string()),
            () = sleep(self.limits.handshake.get()) => Err("no preface in time".to_owned()),
            () = self.draining_for(PREFACE_GRACE) => Err("no preface in the drain".to_owned()),
            () = self.stop.cancelled() => return Ended::Cut,
        };
        let (mut connection, subject) = match begun {
            Ok(begun) => begun,
            Err(problem) => return Ended::Failed(problem),
        };
        let mut routes = self.routes.of(Peer::new(peer, subject));
        // The connection is polled for every call, and each of these only once it has
        // something to say.
        let mut signals = FuturesUnordered::from_iter([
            self.draining().map(|()| Signal::Draining).boxed(),
            jittered(self.limits.connection_age).map(|()| Signal::OldAge).boxed(),
        ]);
        if !self.keepalive.interval.is_zero() {
            let pings = connection.ping_pong().expect("nobody took it before");
            let (interval, timeout) = (self.keepalive.interval, self.keepalive.timeout.get());
            // Idle ones too: they hold a place.
            let silence = silence(pings, heard, interval, timeout, || true);
            signals.push(silence.map(|()| Signal::Silence).boxed());
        }
        let mut is_ending = false;
        loop {
            tokio::select! {
                biased;
                accepted = connection.accept() => match accepted {
                    Some(Ok((request, respond))) => {
                        let call = answer(&mut routes, request);
                        tokio::spawn(Stream::new(respond, call));
                        continue;
                    }
                    Some(Err(error)) => return Ended::Failed(error.to_string()),
                    None => return Ended::Closed,
                },
                Some(signal) = signals.next() => match signal {
                    Signal::Silence => return Ended::Failed("it answered no PING".to_owned()),
                    Signal::OldAge => {}
                    // Nothing is stopped before the drain.
                    Signal::Draining => {
                        signals.push(self.stop.cancelled().map(|()| Signal::Stopped).boxed());
                    }
                    Signal::Stopped => return Ended::Cut,
                },
            }
            if !is_ending {
                // GOAWAY: streams that are open, or on their way, finish; none are added.
                connection.graceful_shutdown();
                is_ending = true;
            }
        }
    }

    /// TLS, where there is any, and the beginning of HTTP/2. Gives the name that the
    /// client's certificate proves too.
    async fn begin(
        &self,
        stream: TcpStream,
        heard: &Arc<Heard>,
    ) -> io::Result<(Begun, Option<Arc<str>>)> {
        // Small answers must not wait for the acknowledgement of earlier ones.
        stream.set_nodelay(true)?;
        let (mut stream, subject) = match &self.tls {
            None => (Either::Left(stream), None),
            Some(tls) => {
                let (stream, subject) = tls.handshake(stream).await?;
                (Either::Right(stream), subject)
            }
        };
        preface::read(&mut stream).await?;
        let transport = Transport::new(stream, Arc::clone(heard));
        let connection = self.http2().handshake(transport).await.map_err(io::Error::other)?;
        Ok((connection, subject))
    }

    fn http2(&self) -> Builder {
        let mut http2 = Builder::new();
        http2
            .max_concurrent_streams(self.limits.streams.get())
            .max_header_list_size(self.limits.header_list.get())
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(Some(MAX_LOCAL_RESETS));
        http2
    }
}

/// Waits for the age, or up to a tenth less or more: connections that were
/// opened together must not all be opened again together. Without an age, for ever.
async fn jittered(age: Duration) {
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
            jittered(age).await;
            ages.push(start.elapsed().as_secs());
        }
        assert!(ages.iter().all(|age| (900..=1100).contains(age)), "{ages:?}");
        assert!(
            ages.iter().any(|age| *age < 970) && ages.iter().any(|age| *age > 1030),
            "{ages:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn without_an_age_there_is_no_end() {
        assert_eq!(jittered(Duration::ZERO).now_or_never(), None);
    }
}
