//! A connection, from its preface to its end.

use std::{convert::Infallible, fmt, future::poll_fn, io, sync::Arc, task::Poll};

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use http::{Request, Response};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::unconstrained,
};
use tower::Service;

use super::{core::Core, keepalive::Keepalive, session::Session, stall::Stall};
use crate::{
    activity::Activity, ended::Ended, memory::Share, preface, request::RequestBody,
    response::ResponseBody, settings::Settings,
};

/// A connection that has begun HTTP/2.
pub struct Connection<I> {
    io: I,
    core: Box<Core>,
}

impl<I> fmt::Debug for Connection<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// What can happen to a connection beside its streams.
enum Event {
    ShutDown,
    Stop,
    /// The budget is used up, and this connection holds the most.
    NoMemory,
}

impl<I: AsyncRead + AsyncWrite + Unpin> Connection<I> {
    /// Reads the preface. The memory of the connection is counted in `share`.
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
    /// Never returns an error. On the h2 crate, it returns one if the peer goes away.
    #[expect(clippy::unused_async, reason = "on the h2 crate, it waits for SETTINGS")]
    pub async fn begin(io: I, settings: &Settings, share: &Arc<Share>) -> io::Result<Self> {
        Ok(Self { io, core: Box::new(Core::new(settings, share)) })
    }

    /// Serves the streams until the connection ends.
    ///
    /// The service must always be ready: `poll_ready` is not called.
    ///
    /// After `shut_down` resolves, GOAWAY and a PING are sent. When the peer has acknowledged the
    /// PING, no stream is added; streams that are open, or on their way, finish. After `stop`
    /// resolves, the connection ends at once. `activity` has the number of open streams.
    pub async fn serve<S, B>(
        mut self,
        service: &mut S,
        settings: &Settings,
        activity: &Arc<Activity>,
        shut_down: impl IntoIterator<Item = BoxFuture<'_, ()>>,
        stop: BoxFuture<'_, ()>,
    ) -> Ended
    where
        S: Service<Request<RequestBody>, Response = Response<B>, Error = Infallible>,
        S::Future: Send + 'static,
        B: ResponseBody + Send + 'static,
    {
        // Each event is polled only when it is woken, because this task is polled for every frame.
        let mut events: FuturesUnordered<BoxFuture<'_, Event>> = shut_down
            .into_iter()
            .map(|shut_down| shut_down.map(|()| Event::ShutDown).boxed())
            .collect();
        events.push(stop.map(|()| Event::Stop).boxed());
        let share = Arc::clone(&self.core.share);
        events.push(async move { share.ending().await }.map(|()| Event::NoMemory).boxed());
        let keepalive = Keepalive::new(settings.keepalive_interval, settings.keepalive_timeout);
        let stall = Stall::new(settings.stalled);
        let (io, core) = (&mut self.io, &mut *self.core);
        let mode = settings.calls;
        let mut session = Session::new(io, core, service, mode, keepalive, stall, activity);
        // Without tokio's cooperative budget, which all calls of the connection would share. The
        // limits of a turn replace it.
        unconstrained(poll_fn(|cx| {
            while let Poll::Ready(Some(event)) = events.poll_next_unpin(cx) {
                match event {
                    Event::ShutDown => session.core.shut_down(),
                    Event::Stop => return Poll::Ready(Ended::Cut),
                    Event::NoMemory => session.core.end_for_memory(),
                }
            }
            session.poll(cx)
        }))
        .await
    }
}
