//! One connection of HTTP/1.1, for gRPC-Web and Connect. HTTP/1 itself is hyper's.
//!
//! - `io`: the transport, which records since when its client has read nothing.
//! - `request`, `response`: the bodies.

mod io;
mod request;
mod response;

use std::{
    convert::Infallible,
    future::poll_fn,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use http::{HeaderValue, Request, header::CONNECTION};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Sleep, sleep_until},
};

use self::{
    request::received,
    response::{Sending, SendingBody},
};
use super::calls::Calls;
use crate::{
    call::PeerAddress,
    config::Limits,
    http2::{Abuse, Activity, Ended, Reason},
    telemetry::{Refused, Telemetry},
};

pub(super) use io::Http1Io;

/// hyper needs at least this buffer, in bytes.
const MIN_BUFFER: usize = 8 * 1024;

/// The limits of a connection.
#[derive(Debug)]
pub(super) struct Settings {
    /// The largest head of a request, in bytes.
    head: usize,
    header_fields: usize,
    /// The longest time for a head to arrive, and between two requests.
    head_timeout: Duration,
    /// The longest time in which the client reads nothing; zero for no limit.
    stalled: Duration,
}

impl Settings {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            head: (limits.header_list.get() as usize).max(MIN_BUFFER),
            header_fields: limits.header_fields.get(),
            head_timeout: limits.handshake.get(),
            stalled: limits.stalled,
        }
    }
}

/// The events that can happen to a connection beside its requests.
pub(super) struct Events<'a> {
    /// The client has to connect again after its next response.
    pub(super) moved: BoxFuture<'a, ()>,
    /// The connection ends after the request that is in progress.
    pub(super) shut_down: BoxFuture<'a, ()>,
    /// The connection ends at once.
    pub(super) stop: BoxFuture<'a, ()>,
    /// The connection ends, because no memory is left and it holds the most.
    pub(super) no_memory: BoxFuture<'a, ()>,
}

/// The telemetry that counts refused requests, and the peer that sent them.
#[derive(Clone, Copy)]
pub(super) struct Observed<'a> {
    pub(super) telemetry: &'a Telemetry,
    pub(super) peer: PeerAddress,
}

/// How a connection ended.
pub(super) enum End {
    Ended(Ended),
    /// The head of the first request did not arrive in time.
    Slow,
}

/// Serves requests, one at a time, until the connection ends.
pub(super) async fn serve<I: AsyncRead + AsyncWrite + Unpin>(
    io: Http1Io<I>,
    settings: &Settings,
    calls: Calls,
    activity: &Arc<Activity>,
    mut events: Events<'_>,
    observed: Observed<'_>,
) -> End {
    let blocked = io.blocked();
    let (has_moved, sending) = (AtomicBool::new(false), Sending::default());
    let has_served = AtomicBool::new(false);
    let service = service_fn(|request: Request<Incoming>| {
        has_served.store(true, Relaxed);
        let called = calls.call_http1(received(request));
        activity.set_streams(1);
        let (activity, has_moved, sending) = (Arc::clone(activity), &has_moved, sending.clone());
        async move {
            let mut response = called.await;
            if has_moved.load(Relaxed) {
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            Ok::<_, Infallible>(response.map(|body| SendingBody::new(body, sending, activity)))
        }
    });
    let mut http1 = http1::Builder::new();
    http1
        .timer(TokioTimer::new())
        .header_read_timeout(settings.head_timeout)
        .max_headers(settings.header_fields)
        .max_buf_size(settings.head);
    let mut connection = pin!(http1.serve_connection(TokioIo::new(io), service));
    let mut is_shutting_down = false;
    let mut timer: Option<std::pin::Pin<Box<Sleep>>> = None;
    poll_fn(|cx| {
        if events.stop.poll_unpin(cx).is_ready() {
            return Poll::Ready(End::Ended(Ended::Cut));
        }
        if events.no_memory.poll_unpin(cx).is_ready() {
            return Poll::Ready(End::Ended(Ended::Abused(Abuse::Memory)));
        }
        if !has_moved.load(Relaxed) && events.moved.poll_unpin(cx).is_ready() {
            has_moved.store(true, Relaxed);
        }
        // The connection is polled before it shuts down: hyper closes a connection at once if it
        // has read nothing of it, and the first bytes were read before hyper began.
        let mut polled = connection.as_mut().poll(cx);
        if polled.is_pending() && !is_shutting_down && events.shut_down.poll_unpin(cx).is_ready() {
            is_shutting_down = true;
            connection.as_mut().graceful_shutdown();
            polled = connection.as_mut().poll(cx);
        }
        if let Poll::Ready(ended) = polled {
            return Poll::Ready(match ended {
                Ok(()) => End::Ended(Ended::Closed),
                Err(error) => failed(&error, has_served.load(Relaxed), observed),
            });
        }
        let Some(since) = blocked.since() else {
            timer = None;
            return Poll::Pending;
        };
        // The response cannot have the status, because its head is on its way.
        if sending.poll_early_end(cx, since).is_ready() {
            let failed = Ended::Failed("a response was not read in time".to_owned());
            return Poll::Ready(End::Ended(failed));
        }
        if settings.stalled.is_zero() {
            return Poll::Pending;
        }
        let at = since + settings.stalled;
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        timer.as_mut().poll(cx).map(|()| End::Ended(Ended::Abused(Abuse::Unread)))
    })
    .await
}

/// Returns how a connection has ended, from the error of hyper.
fn failed(error: &hyper::Error, has_served: bool, observed: Observed<'_>) -> End {
    End::Ended(if error.is_parse_too_large() {
        // The response was 431.
        observed.telemetry.refused(Refused::HeaderList, Some(observed.peer));
        Ended::Closed
    } else if error.is_parse() {
        Ended::Violated(Reason::PROTOCOL_ERROR, "a request of HTTP/1 is malformed")
    } else if !error.is_timeout() {
        Ended::Failed(error.to_string())
    } else if has_served {
        // The connection had no request for a while.
        Ended::Closed
    } else {
        return End::Slow;
    })
}
