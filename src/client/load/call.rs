//! One call, made by hand: its message is encoded once for all of them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header, request::Parts};
use http_body_util::BodyExt;
use tokio::time::timeout;
use tonic::{Code, Status};

use super::Plan;
use crate::{
    client::{
        Channel,
        headers::{TIMEOUT, grpc_timeout},
        retry::Verdict,
    },
    framing::framed,
    proto::SampleRequest,
};

/// What every call sends.
#[derive(Debug, Clone)]
pub(super) struct Template {
    head: Parts,
    message: Bytes,
    timeout: Duration,
}

/// What came of a call.
pub(super) struct Outcome {
    /// When it should have begun, and when it did.
    pub(super) due: Instant,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) status: Status,
    /// Whether there was no connection left at its end.
    pub(super) disconnected: bool,
}

impl Template {
    pub(super) fn new(plan: &Plan, timeout: Duration) -> Self {
        let mut request = Request::post("/SampleService/Call");
        let headers = request.headers_mut().expect("the path is one");
        headers.extend(plan.metadata.clone().into_headers());
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        // It is the same for all: each of them is sent at once, and again at once.
        headers.insert(TIMEOUT, grpc_timeout(timeout));
        let (head, ()) = request.body(()).expect("the headers are headers").into_parts();
        let message = framed(&SampleRequest { message: plan.message.clone() });
        Self { head, message, timeout }
    }

    /// Makes the call that was due then, now.
    pub(super) async fn call(&self, channel: &Channel, due: Option<Instant>) -> Outcome {
        let begun = Instant::now();
        let status = self.status(channel).await;
        let ended = Instant::now();
        let disconnected = status.code() == Code::Unavailable && !channel.is_connected();
        Outcome { due: due.unwrap_or(begun), begun, ended, status, disconnected }
    }

    async fn status(&self, channel: &Channel) -> Status {
        let answer = async {
            // The deadline is that of the whole call, and is kept here.
            let mut retried_unseen = false;
            let answer = loop {
                let attempt = channel.attempt(&self.head, self.message.clone(), 0, None);
                let (answer, verdict) = attempt.await;
                // What met the end of its connection, and no handler has seen, is the
                // same call still: every client of gRPC sends it again (gRFC A6).
                match verdict {
                    Verdict::NeverSent => {}
                    Verdict::NotSeen if !retried_unseen => retried_unseen = true,
                    Verdict::NotSeen | Verdict::Failed(..) | Verdict::Committed => break answer,
                }
            };
            let (head, mut body) = answer?.into_parts();
            while let Some(frame) = body.frame().await {
                if let Ok(trailers) = frame?.into_trailers() {
                    return Ok(read_status(&trailers));
                }
            }
            // An answer of trailers alone has them in its head.
            Ok(read_status(&head.headers))
        };
        match timeout(self.timeout, answer).await {
            Ok(Ok(status) | Err(status)) => status,
            Err(_late) => channel.too_late(),
        }
    }
}

fn read_status(trailers: &HeaderMap) -> Status {
    Status::from_header_map(trailers)
        .unwrap_or_else(|| Status::unknown("the answer ended without a status"))
}
