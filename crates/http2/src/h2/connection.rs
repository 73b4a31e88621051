//! One HTTP/2 connection, from its preface to its end.

use std::{convert::Infallible, fmt, io, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use h2::server::Builder;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::Service;
use wire::{
    keepalive::{self, PeerActivity},
    receive::ReceiveBody,
};

use super::{open_stream::OpenStream, stream::Stream, transport::Transport};
use crate::{
    activity::Activity, ended::Ended, memory::Share, preface, reason::Reason,
    response::ResponseBody, settings::Settings,
};

/// A connection is closed after this many resets of streams that were not accepted yet
/// (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// A connection is closed after this many resets that this side had to send (CVE-2025-8671).
const MAX_LOCAL_RESETS: usize = 1024;

/// A connection that has begun HTTP/2.
pub struct Connection<I> {
    http2: h2::server::Connection<Transport<I>, Bytes>,
    activity: Arc<PeerActivity>,
}

impl<I> fmt::Debug for Connection<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// What can happen to a connection beside its streams.
enum Event {
    KeepaliveTimeout,
    ShutDown,
    Stop,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Connection<I> {
    /// Reads the preface and exchanges SETTINGS. The share is not used: memory is not counted.
    ///
    /// # Errors
    ///
    /// Returns an error if the peer does not speak HTTP/2, or goes away.
    pub async fn handshake(mut io: I, settings: &Settings, share: &Arc<Share>) -> io::Result<Self> {
        preface::read(&mut io, settings).await?;
        Self::begin(io, settings, share).await
    }

    /// Begins a connection whose preface [`open`](crate::open) has read.
    ///
    /// # Errors
    ///
    /// Returns an error if the peer goes away.
    pub async fn begin(io: I, settings: &Settings, _share: &Arc<Share>) -> io::Result<Self> {
        let activity = Arc::new(PeerActivity::new());
        let transport = Transport::new(io, Arc::clone(&activity));
        let mut builder = Builder::new();
        builder
            .max_concurrent_streams(settings.streams)
            .max_header_list_size(settings.header_list)
            .initial_window_size(settings.window)
            .initial_connection_window_size(settings.window)
            .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
            .max_local_error_reset_streams(Some(MAX_LOCAL_RESETS));
        let http2 = builder.handshake(transport).await.map_err(io::Error::other)?;
        Ok(Self { http2, activity })
    }

    /// Serves the streams, each in a task of its own, until the connection ends.
    ///
    /// After `shut_down` resolves, GOAWAY is sent and no stream is added; streams that are
    /// open, or on their way, finish. After `stop` resolves, the connection ends at once.
    pub async fn serve<S, B>(
        mut self,
        service: &mut S,
        settings: &Settings,
        activity: &Arc<Activity>,
        shut_down: impl IntoIterator<Item = BoxFuture<'_, ()>>,
        stop: BoxFuture<'_, ()>,
    ) -> Ended
    where
        S: Service<Request<ReceiveBody>, Response = Response<B>, Error = Infallible>,
        S::Future: Send + 'static,
        B: ResponseBody + Send + 'static,
    {
        // Each event is polled only when it is woken, because the loop runs for every frame.
        let mut events: FuturesUnordered<BoxFuture<'_, Event>> = shut_down
            .into_iter()
            .map(|shut_down| shut_down.map(|()| Event::ShutDown).boxed())
            .collect();
        events.push(stop.map(|()| Event::Stop).boxed());
        if !settings.keepalive_interval.is_zero() {
            let pings = self.http2.ping_pong().expect("it is taken once, here");
            let activity = Arc::clone(&self.activity);
            let (interval, timeout) = (settings.keepalive_interval, settings.keepalive_timeout);
            // Idle connections are checked as well, because they count for the limit.
            let timed_out = keepalive::timed_out(pings, activity, interval, timeout, || true);
            events.push(timed_out.map(|()| Event::KeepaliveTimeout).boxed());
        }
        let mut is_shutting_down = false;
        loop {
            tokio::select! {
                biased;
                accepted = self.http2.accept() => match accepted {
                    Some(Ok((request, respond))) => {
                        let call = service.call(request.map(ReceiveBody));
                        let (stream, open) =
                            (Stream::new(respond, call), OpenStream::new(activity));
                        tokio::spawn(async move {
                            stream.await;
                            drop(open);
                        });
                    }
                    Some(Err(error)) => return ended(&error),
                    None => return Ended::Closed,
                },
                Some(event) = events.next() => match event {
                    Event::KeepaliveTimeout => {
                        return Ended::Silent;
                    }
                    Event::Stop => return Ended::Cut,
                    Event::ShutDown if !is_shutting_down => {
                        self.http2.graceful_shutdown();
                        is_shutting_down = true;
                    }
                    Event::ShutDown => {}
                },
            }
        }
    }
}

fn ended(error: &h2::Error) -> Ended {
    match error.reason() {
        Some(reason) if error.is_library() => {
            Ended::Violated(Reason::new(reason.into()), "found by the h2 crate")
        }
        _ => Ended::Failed(error.to_string()),
    }
}
