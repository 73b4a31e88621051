//! The connections of one address.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    time::sleep,
};
use tokio_rustls::server::TlsStream;
use tokio_util::{either::Either, sync::CancellationToken, task::TaskTracker};

use super::{
    abuses::{Abuses, Misdeed},
    calls::Calls,
    http1::{self, Http1Io},
    listener::Stream,
    memory, moving,
    observer::Observer,
    registry::{Admitted, Entry, Refusal, Registry},
};
use crate::{
    call::{Peer, PeerAddress},
    config,
    http2::{self, Budget, CallMode, Connection, Ended, Opening, Share},
    lifecycle::{Lifecycle, State},
    log_rate::LogRate,
    telemetry::Telemetry,
    tls::{PeerNames, Tls},
};

/// How long a connection that has not begun HTTP/2 may delay the drain: its client may have
/// sent its first call already.
const PREFACE_GRACE: Duration = Duration::from_secs(1);

/// The receive window of a new stream, and of a new connection, in bytes: the initial size of
/// HTTP/2.
const WINDOW: u32 = 65_535;

/// The largest size, in bytes, to which a receive window grows that is used up.
const MAX_WINDOW: u32 = 1024 * 1024;

const NEVER_POISONED: &str = "nothing panics while it counts";

/// The state that all connections of one address share.
#[derive(Debug)]
pub(super) struct Connections {
    calls: Calls,
    /// `None` for plaintext.
    tls: Option<Tls>,
    /// `None` if only HTTP/2 is served.
    http1: Option<http1::Settings>,
    http2: http2::Settings,
    handshake_timeout: Duration,
    max_age: Duration,
    telemetry: Telemetry,
    lifecycle: Lifecycle,
    /// The state of the life cycle in which connections begin to shut down.
    drain_at: State,
    /// The lame duck time; `None` if the clients of this address need not connect elsewhere.
    lame_duck: Option<Duration>,
    budget: Arc<Budget>,
    pub(super) registry: Arc<Registry>,
    /// The task of each connection.
    pub(super) tasks: TaskTracker,
    /// Ends all connections at once.
    pub(super) stop: CancellationToken,
    counts: Mutex<ConnectionCounts>,
    pub(super) abuses: Abuses,
    /// Limits the log lines about peers with too many connections.
    peer_lines: LogRate,
}

/// The parts of [`Connections`] that differ between the listeners.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) registry: Arc<Registry>,
    /// `None` for plaintext.
    pub(super) tls: Option<Tls>,
    /// The state of the life cycle in which connections begin to shut down.
    pub(super) drain_at: State,
    pub(super) budget: Arc<Budget>,
}

/// How many connections there were, by how they ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionCounts {
    /// The peer closed them, or agreed to their end.
    pub closed: usize,
    /// They ended with an error: the peer went away, was silent, or broke the protocol.
    pub failed: usize,
    /// They were still open when the time of the drain had passed.
    pub cut: usize,
    /// They were over `limits.connections`, and closed when they were accepted.
    pub refused: usize,
    /// They were over `limits.connections_per_peer`, and closed when they were accepted.
    pub refused_peer: usize,
    /// The system could not accept them, such as for lack of file descriptors.
    pub not_accepted: usize,
}

impl ConnectionCounts {
    /// Returns the connections that have ended since `earlier`, and those that were refused or not
    /// accepted since the start of the server, because a drain refuses none.
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
        telemetry: Telemetry,
        lifecycle: Lifecycle,
        door: Door,
    ) -> Arc<Self> {
        let Door { registry, tls, drain_at, budget } = door;
        let config::Settings { limits, keepalive, .. } = settings;
        Arc::new(Self {
            calls,
            tls,
            http1: settings.server.protocols.has_http1().then(|| http1::Settings::new(limits)),
            http2: http2::Settings {
                streams: limits.streams.get(),
                header_list: limits.header_list.get(),
                header_fields: limits.header_fields.get(),
                window: WINDOW,
                max_window: MAX_WINDOW,
                keepalive_interval: keepalive.interval,
                keepalive_timeout: keepalive.timeout.get(),
                calls: call_mode(),
                stalled: limits.stalled,
                refuse: memory::refuse,
                observer: None,
            },
            handshake_timeout: limits.handshake.get(),
            max_age: limits.connection_age,
            telemetry,
            lifecycle,
            drain_at,
            // Connections that are served until the end, such as those of probes, need not move.
            lame_duck: (drain_at == State::Draining).then_some(settings.shutdown.lame_duck),
            budget,
            registry,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            counts: Mutex::default(),
            abuses: Abuses::default(),
            peer_lines: LogRate::default(),
        })
    }

    /// Waits until the drain begins: then no connection is added, and none takes another call.
    pub(super) async fn draining(&self) {
        self.lifecycle.reached(self.drain_at).await;
    }

    async fn draining_for(&self, time: Duration) {
        self.draining().await;
        sleep(time).await;
    }

    /// Resolves when connections must end at once. Nothing is stopped before the drain.
    async fn stopped(&self) {
        self.draining().await;
        self.stop.cancelled().await;
    }

    /// Waits until the client of a connection has to connect elsewhere, because the server is a
    /// lame duck. `is_lame` is whether it was one already when the connection was accepted.
    async fn moved_by_the_lame_duck(&self, is_lame: bool) {
        let Some(time) = self.lame_duck else { return std::future::pending().await };
        self.lifecycle.reached(State::LameDuck).await;
        moving::as_lame_duck(time, is_lame).await;
    }

    /// Returns the memory budget of the connections.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    pub(super) fn counts(&self) -> ConnectionCounts {
        *self.counts.lock().expect(NEVER_POISONED)
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut ConnectionCounts)) {
        change(&mut self.counts.lock().expect(NEVER_POISONED));
    }

    /// Serves a connection in a task of its own, if it is admitted.
    pub(super) fn open(self: &Arc<Self>, stream: Stream, peer: PeerAddress) {
        let admitted = match self.registry.admit(peer) {
            Ok(admitted) => admitted,
            Err(refusal) => return self.refuse(peer, refusal),
        };
        let memory = if self.tls.is_some() { memory::TLS_CONNECTION } else { memory::CONNECTION };
        let share = match Share::open(&self.budget, memory) {
            Ok(share) => share,
            // The connection that gives way returns its memory soon.
            Err(_) if self.registry.give_way() => Share::open_beyond(&self.budget, memory),
            Err(_) => return self.refuse(peer, Refusal::Memory),
        };
        let connections = Arc::clone(self);
        self.tasks.spawn(async move { connections.serve(stream, peer, admitted, &share).await });
    }

    fn refuse(&self, peer: PeerAddress, refusal: Refusal) {
        match refusal {
            Refusal::Full => {
                self.count(|counts| counts.refused += 1);
                tracing::debug!(%peer, "refused: limits.connections are open, and have calls");
            }
            Refusal::Memory => {
                self.count(|counts| counts.refused += 1);
                tracing::debug!(%peer, "refused: limits.memory is used up, and no connection is idle");
            }
            Refusal::Peer => {
                self.count(|counts| counts.refused_peer += 1);
                if self.peer_lines.is_line_due() {
                    let limit = self.registry.limit_per_peer();
                    tracing::info!(
                        %peer,
                        limit,
                        "a connection was refused: its peer has limits.connections_per_peer open"
                    );
                }
            }
        }
    }

    async fn serve(
        &self,
        stream: Stream,
        peer: PeerAddress,
        admitted: Admitted,
        share: &Arc<Share>,
    ) {
        let entry = admitted.entry();
        let ended = self.serve_until_end(stream, peer, entry, share).await;
        let misdeed = match ended {
            End::Misdeed(misdeed) => Some(misdeed),
            End::Connection(Ended::Abused(abuse)) => Some(Misdeed::Abuse(abuse)),
            End::Connection(Ended::Violated(reason, rule)) => {
                Some(Misdeed::Violation(reason, rule))
            }
            End::Connection(Ended::Silent) => Some(Misdeed::Silence),
            End::Connection(Ended::Failed(error)) => {
                tracing::debug!(%peer, error, "a connection failed");
                None
            }
            End::Connection(Ended::Closed) => return self.count(|counts| counts.closed += 1),
            // An evicted connection had no call, so that nothing was cut.
            End::Connection(Ended::Cut) if entry.is_evicted() && !self.stop.is_cancelled() => {
                return self.count(|counts| counts.closed += 1);
            }
            End::Connection(Ended::Cut) => return self.count(|counts| counts.cut += 1),
        };
        if let Some(misdeed) = misdeed {
            self.abuses.record(peer, &misdeed);
        }
        self.count(|counts| counts.failed += 1);
    }

    async fn serve_until_end(
        &self,
        stream: Stream,
        peer: PeerAddress,
        entry: &Entry,
        share: &Arc<Share>,
    ) -> End {
        let is_lame = self.lifecycle.now() >= State::LameDuck;
        let observer = Observer { telemetry: self.telemetry.clone(), peer };
        let http2 = http2::Settings { observer: Some(Arc::new(observer)), ..self.http2.clone() };
        let begun = tokio::select! {
            begun = self.begin(stream, &http2, share) => begun,
            () = sleep(self.handshake_timeout) => Err(End::Misdeed(Misdeed::SlowHandshake)),
            () = self.draining_for(PREFACE_GRACE) => {
                Err(End::Connection(Ended::Failed("no preface in the drain".to_owned())))
            }
            () = entry.told_to_leave() => Err(End::Connection(Ended::Closed)),
            () = self.stop.cancelled() => Err(End::Connection(Ended::Cut)),
        };
        let (begun, names) = match begun {
            Ok(begun) => begun,
            Err(end) => return end,
        };
        entry.begin();
        let mut calls = self.calls.for_peer(Peer::new(peer, names, Arc::clone(share)));
        let (stop, activity) = (self.stopped_or_told(entry), entry.activity());
        let moved = async {
            tokio::select! {
                () = moving::old_age(self.max_age) => {}
                () = self.moved_by_the_lame_duck(is_lame) => {}
            }
        };
        match begun {
            Begun::Http2(connection) => {
                let leave = async {
                    tokio::select! {
                        () = moved => {}
                        () = entry.told_to_leave() => {}
                    }
                };
                let shut_down = [self.draining().boxed(), leave.boxed()];
                let stop = stop.boxed();
                End::Connection(
                    connection.serve(&mut calls, &http2, activity, shut_down, stop).await,
                )
            }
            Begun::Http1(stream, settings) => {
                let shut_down = async {
                    tokio::select! {
                        () = self.draining() => {}
                        () = entry.told_to_leave() => {}
                    }
                };
                let events = http1::Events {
                    moved: moved.boxed(),
                    shut_down: shut_down.boxed(),
                    stop: stop.boxed(),
                    no_memory: share.ending().boxed(),
                };
                let observer = http1::Observed { telemetry: &self.telemetry, peer };
                let served = http1::serve(*stream, settings, calls, activity, events, observer);
                // Boxed, so that the futures of HTTP/2 connections have no room for it.
                match Box::pin(served).await {
                    http1::End::Ended(ended) => End::Connection(ended),
                    http1::End::Slow => End::Misdeed(Misdeed::SlowHandshake),
                }
            }
        }
    }

    /// Resolves when a connection must end at once.
    async fn stopped_or_told(&self, entry: &Entry) {
        tokio::select! {
            () = self.stopped() => {}
            () = entry.told_to_stop() => {}
        }
    }

    /// Begins TLS, if it is on, and HTTP. Returns the connection and the names in the client's
    /// certificate.
    async fn begin<'a>(
        &'a self,
        stream: Stream,
        http2: &http2::Settings,
        share: &Arc<Share>,
    ) -> Result<(Begun<'a>, Option<Arc<PeerNames>>), End> {
        if let Stream::Left(tcp) = &stream {
            // Small responses must not wait for the acknowledgement of earlier ones.
            tcp.set_nodelay(true).map_err(|error| End::failed(&error))?;
        }
        let (mut stream, is_http2, names) = match &self.tls {
            // Without TLS, the first bytes tell HTTP/1 from HTTP/2.
            None => (Either::Left(stream), None, None),
            Some(tls) => {
                let shaken = tls.handshake(stream).await;
                let (stream, is_http2, names) = shaken.map_err(|error| {
                    End::at_fault(&error, |error| Misdeed::Tls(error.to_string()))
                })?;
                (Either::Right(stream), Some(is_http2), names)
            }
        };
        let connection = match (&self.http1, is_http2) {
            (Some(settings), Some(false)) => {
                let io = Http1Io::new(stream, Bytes::new());
                return Ok((Begun::Http1(Box::new(io), settings), names));
            }
            (Some(settings), None) => match http2::open(&mut stream).await {
                Ok(Opening::Other(first)) => {
                    let io = Http1Io::new(stream, first);
                    return Ok((Begun::Http1(Box::new(io), settings), names));
                }
                Ok(Opening::Http2) => Connection::begin(stream, http2, share).await,
                Err(error) => Err(error),
            },
            _ => Connection::handshake(stream, http2, share).await,
        };
        let connection =
            connection.map_err(|error| End::at_fault(&error, |_| Misdeed::NotHttp2))?;
        Ok((Begun::Http2(Box::new(connection)), names))
    }
}

/// A connection that has begun HTTP.
enum Begun<'a> {
    Http2(Box<Connection<Transport>>),
    Http1(Box<Http1Io<Transport>>, &'a http1::Settings),
}

/// A connection with TLS or without.
type Transport = Either<Stream, TlsStream<Stream>>;

/// How a connection ended: because of its peer before HTTP began, or in any other way.
enum End {
    Misdeed(Misdeed),
    Connection(Ended),
}

impl End {
    fn failed(error: &io::Error) -> Self {
        Self::Connection(Ended::Failed(error.to_string()))
    }

    /// Returns the end of a handshake: the misdeed if the peer has sent something wrong, or a
    /// failure if it went away.
    fn at_fault(error: &io::Error, misdeed: impl FnOnce(&io::Error) -> Misdeed) -> Self {
        match error.kind() {
            io::ErrorKind::InvalidData => Self::Misdeed(misdeed(error)),
            _ => Self::failed(error),
        }
    }
}

/// Returns the mode of calls for this runtime: in place if it has a single thread, because no other
/// thread could go on with the connection.
fn call_mode() -> CallMode {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => CallMode::InPlace,
        _ => CallMode::Tasks,
    }
}
