//! The upload of a streaming request body.

use std::{
    future::poll_fn,
    sync::{Arc, OnceLock},
    thread,
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Frame;
use http_body_util::BodyExt;
use tokio::time::timeout_at;
use tokio_util::task::AbortOnDropHandle;
use tonic::Status;

use crate::{
    deadline::Deadline, request_body::StreamingBody, status::from_h2_error,
    stream_limit::StreamPermit,
};

/// The task that sends a streaming request body, with flow control.
///
/// It is a task of its own, because the request must be sent also while the caller does not read
/// the response. If it ends before the body, or is dropped, the stream is reset.
#[derive(Debug)]
pub(crate) struct Upload {
    /// Why the request failed. It is set before the stream is reset.
    failure: Arc<OnceLock<Status>>,
    _task: AbortOnDropHandle<()>,
    /// Shared with the task, so that the permit is not released before the stream is reset.
    _permit: Arc<StreamPermit>,
}

impl Upload {
    /// Starts to send the body on the stream, until the deadline.
    pub(crate) fn start(
        body: StreamingBody,
        stream: SendStream<Bytes>,
        permit: StreamPermit,
        deadline: Option<Deadline>,
    ) -> Self {
        let failure = Arc::new(OnceLock::new());
        let permit = Arc::new(permit);
        let sending = Sending {
            stream,
            is_ended: false,
            failure: Arc::clone(&failure),
            _permit: Arc::clone(&permit),
        };
        let task = AbortOnDropHandle::new(tokio::spawn(sending.run(body, deadline)));
        Self { failure, _task: task, _permit: permit }
    }

    /// Returns the status of a call whose stream ended with this error: the failure of the
    /// request, if that is why the stream was reset.
    pub(crate) fn status(&self, error: &h2::Error) -> Status {
        self.failure.get().cloned().unwrap_or_else(|| from_h2_error(error))
    }
}

/// The sending half of a stream. It is reset if it is dropped before its end, so that the
/// server learns at once that the rest will not come.
struct Sending {
    stream: SendStream<Bytes>,
    is_ended: bool,
    failure: Arc<OnceLock<Status>>,
    _permit: Arc<StreamPermit>,
}

impl Sending {
    async fn run(mut self, body: StreamingBody, deadline: Option<Deadline>) {
        let sending = self.send(body);
        let result = match deadline {
            None => sending.await,
            Some(deadline) => {
                let result = timeout_at(deadline.at, sending).await;
                result.unwrap_or_else(|_elapsed| Err(deadline.exceeded()))
            }
        };
        if let Err(status) = result {
            let _ = self.failure.set(status);
        }
    }

    /// Sends the body. Returns `Ok` if it is sent, or if the stream has ended, because the
    /// response then says why.
    ///
    /// # Errors
    ///
    /// Returns the status that the body fails with.
    async fn send(&mut self, body: StreamingBody) -> Result<(), Status> {
        let StreamingBody { read_ahead, mut rest } = body;
        for data in read_ahead {
            if !self.send_data(data).await {
                return Ok(());
            }
        }
        loop {
            let frame = tokio::select! {
                biased;
                _ = poll_fn(|cx| self.stream.poll_reset(cx)) => {
                    self.is_ended = true;
                    return Ok(());
                }
                frame = rest.frame() => frame.transpose()?,
            };
            match frame.map(Frame::into_data) {
                Some(Ok(data)) => {
                    if !self.send_data(data).await {
                        return Ok(());
                    }
                }
                // A request has no trailers.
                Some(Err(_trailers)) => {}
                None => {
                    self.is_ended = self.stream.send_data(Bytes::new(), true).is_ok();
                    return Ok(());
                }
            }
        }
    }

    /// Sends data as the flow-control window allows. Returns `false` if the stream has ended.
    async fn send_data(&mut self, mut data: Bytes) -> bool {
        while !data.is_empty() {
            self.stream.reserve_capacity(data.len());
            let Some(Ok(capacity)) = poll_fn(|cx| self.stream.poll_capacity(cx)).await else {
                return false;
            };
            let part = data.split_to(capacity.min(data.len()));
            if !part.is_empty() && self.stream.send_data(part, false).is_err() {
                return false;
            }
        }
        true
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.failure.set(Status::internal("the request stream panicked"));
        }
        if !self.is_ended {
            self.stream.send_reset(Reason::CANCEL);
        }
    }
}
