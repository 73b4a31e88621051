//! Sends requests on one connection.

use std::{
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use h2::{
    SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::Request;

use crate::stream_limit::{StreamLimit, StreamPermit};

/// Sends requests on a connection. Clones share the connection, which lasts until all of
/// them are dropped and the calls on it have ended.
#[derive(Debug, Clone)]
pub(crate) struct RequestSender {
    /// Each call clones it, so that no call waits until the stream of another is open.
    requests: Arc<SendRequest<Bytes>>,
    limit: Arc<StreamLimit>,
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
    requests: Weak<SendRequest<Bytes>>,
    limit: Arc<StreamLimit>,
}

impl RequestSender {
    /// Returns a sender with this stream limit, which applies until the server sends its own.
    pub(crate) fn new(requests: SendRequest<Bytes>, limit: usize) -> (Self, ConnectionMonitor) {
        let (requests, limit) = (Arc::new(requests), Arc::new(StreamLimit::new(limit)));
        let monitor =
            ConnectionMonitor { requests: Arc::downgrade(&requests), limit: limit.clone() };
        (Self { requests, limit }, monitor)
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
        let sent = SendRequest::clone(&self.requests).send_request(request, false);
        sent.map_err(|error| self.classify(error))
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
        if has_ended(&self.requests) {
            // The connection's task may not have found out yet.
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
}

impl ConnectionMonitor {
    /// Updates the sender after an event on the connection, with the server's current stream
    /// limit.
    pub(crate) fn update(&self, limit: usize) {
        self.limit.set_limit(limit);
        // While calls are in flight, nothing else tells that the server has sent GOAWAY.
        if self.requests.upgrade().is_some_and(|requests| has_ended(&requests)) {
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

fn has_ended(requests: &SendRequest<Bytes>) -> bool {
    // A clone that has sent nothing is ready, unless the connection has ended.
    matches!(requests.clone().poll_ready(&mut noop_context()), Poll::Ready(Err(_)))
}

fn noop_context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[cfg(test)]
mod tests;
