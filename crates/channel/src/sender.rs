//! Sends requests on one connection.

use std::{
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{self, SendRequest},
};
use http::{Request, Response};

use crate::stream_limit::{StreamLimit, StreamPermit};

/// Sends requests on a connection. Clones share the connection, which lasts until all of
/// them are dropped and the calls on it have ended.
#[derive(Debug, Clone)]
pub(crate) struct RequestSender {
    connection: Arc<Connection>,
    limit: Arc<StreamLimit>,
}

/// The state that all clones of a sender share.
#[derive(Debug)]
struct Connection {
    /// Each call clones it, so that no call waits until the stream of another is open.
    requests: SendRequest<Bytes>,
    /// Whether a response has arrived.
    has_served: AtomicBool,
}

/// The response of a call.
#[derive(Debug)]
pub(crate) struct ResponseFuture {
    response: client::ResponseFuture,
    connection: Arc<Connection>,
}

/// Why a request was not sent.
#[derive(Debug)]
pub(crate) enum SendError {
    /// The connection accepts no more requests.
    Closed,
    /// No connection would accept this request.
    Invalid(h2::Error),
}

/// Tells a [`RequestSender`] about changes of its connection. The connection's task owns it;
/// if it is dropped, the sender is closed.
#[derive(Debug)]
pub(crate) struct ConnectionMonitor {
    /// Weak, because a `SendRequest` keeps the connection open.
    connection: Weak<Connection>,
    limit: Arc<StreamLimit>,
}

impl RequestSender {
    /// Returns a sender with this stream limit, which applies until the server sends its own.
    pub(crate) fn new(requests: SendRequest<Bytes>, limit: usize) -> (Self, ConnectionMonitor) {
        let connection = Arc::new(Connection { requests, has_served: AtomicBool::new(false) });
        let limit = Arc::new(StreamLimit::new(limit));
        let monitor =
            ConnectionMonitor { connection: Arc::downgrade(&connection), limit: limit.clone() };
        (Self { connection, limit }, monitor)
    }

    /// Waits until the stream limit allows one more call.
    ///
    /// # Errors
    ///
    /// Returns `Closed` if the connection accepts no more requests.
    pub(crate) async fn permit(&self) -> Result<StreamPermit, SendError> {
        self.limit.acquire().await.ok_or(SendError::Closed)
    }

    /// Opens the stream of a call with its headers.
    ///
    /// # Errors
    ///
    /// Returns why nothing was sent.
    pub(crate) fn open(
        &self,
        request: Request<()>,
        _permit: &StreamPermit,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), SendError> {
        match self.connection.requests.clone().send_request(request, false) {
            Ok((response, stream)) => {
                let connection = Arc::clone(&self.connection);
                Ok((ResponseFuture { response, connection }, stream))
            }
            Err(error) => Err(self.classify(error)),
        }
    }

    /// Sends a request that is complete.
    ///
    /// # Errors
    ///
    /// Returns why the request was not sent. A server ignores a request without its message,
    /// so that it counts as not sent.
    pub(crate) fn send(
        &self,
        request: Request<()>,
        message: Bytes,
        permit: &StreamPermit,
    ) -> Result<ResponseFuture, SendError> {
        let (response, mut stream) = self.open(request, permit)?;
        self.send_message(&mut stream, message)?;
        Ok(response)
    }

    fn send_message(
        &self,
        stream: &mut SendStream<Bytes>,
        message: Bytes,
    ) -> Result<(), SendError> {
        let Err(error) = stream.send_data(message, true) else { return Ok(()) };
        match self.classify(error) {
            // If the server has just reset the stream, the response says why.
            SendError::Invalid(_) if stream.poll_reset(&mut noop_context()).is_ready() => Ok(()),
            error => Err(error),
        }
    }

    fn classify(&self, error: h2::Error) -> SendError {
        if self.connection.end().is_some() {
            // The connection's task may not have noticed the end yet.
            self.limit.close();
            return SendError::Closed;
        }
        SendError::Invalid(error)
    }

    /// Returns whether the connection accepts no more requests.
    pub(crate) fn is_closed(&self) -> bool {
        self.limit.is_closed()
    }

    /// Resolves when the connection accepts no more requests. Calls in flight may continue.
    pub(crate) async fn closed(&self) {
        self.limit.closed().await;
    }

    /// Returns whether a response has arrived on the connection.
    pub(crate) fn has_served(&self) -> bool {
        self.connection.has_served.load(Relaxed)
    }

    /// Returns whether the server has ended the connection without an error.
    pub(crate) fn has_left(&self) -> bool {
        let is_graceful = |error: h2::Error| {
            error.is_go_away() && error.is_remote() && error.reason() == Some(Reason::NO_ERROR)
        };
        self.connection.end().is_some_and(is_graceful)
    }

    /// Returns why a closed connection accepts no requests, as a text for people.
    pub(crate) fn problem(&self) -> String {
        match self.connection.end() {
            Some(error) if error.is_go_away() && error.is_remote() => goaway_problem(&error),
            _ => "the server closed the connection before any response".to_owned(),
        }
    }
}

fn goaway_problem(error: &h2::Error) -> String {
    let reason = error.reason().unwrap_or(Reason::NO_ERROR);
    // The text has the server's debug data after the description of the reason.
    let text = error.to_string();
    let text = text.strip_prefix("connection error received: ").unwrap_or(&text);
    format!("the server sent GOAWAY before any response: {reason:?}, {text}")
}

impl Connection {
    /// Returns why the connection has ended.
    fn end(&self) -> Option<h2::Error> {
        // A clone that has sent nothing is ready, unless the connection has ended.
        match self.requests.clone().poll_ready(&mut noop_context()) {
            Poll::Ready(Err(error)) => Some(error),
            _ => None,
        }
    }
}

impl Future for ResponseFuture {
    type Output = Result<Response<RecvStream>, h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(Pin::new(&mut self.response).poll(cx));
        // Only the first response writes, because all calls share the memory.
        if response.is_ok() && !self.connection.has_served.load(Relaxed) {
            self.connection.has_served.store(true, Relaxed);
        }
        Poll::Ready(response)
    }
}

impl ConnectionMonitor {
    /// Updates the sender after an event on the connection, with the server's current stream
    /// limit.
    pub(crate) fn update(&self, limit: usize) {
        self.limit.set_limit(limit);
        // While calls are in flight, only this check notices that the server has sent GOAWAY.
        if self.connection.upgrade().is_some_and(|connection| connection.end().is_some()) {
            self.limit.close();
        }
    }

    /// Returns whether calls are in flight.
    pub(crate) fn has_calls(&self) -> bool {
        self.limit.is_in_use()
    }
}

impl Drop for ConnectionMonitor {
    fn drop(&mut self) {
        self.limit.close();
    }
}

fn noop_context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[cfg(test)]
mod tests;
