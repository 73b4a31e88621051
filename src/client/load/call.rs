//! One call, made by hand: its message is encoded once for all of them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header, request::Parts};
use http_body_util::BodyExt;
use tokio::time::{self, timeout_at};
use tonic::{Code, Status};

use super::Plan;
use crate::{
    client::{Channel, retry::Verdict},
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
        let (head, ()) = request.body(()).expect("the headers are headers").into_parts();
        let message = framed(&SampleRequest { message: plan.message.clone() });
        Self { head, message, timeout }
    }

    /// Makes the call that was due then, now.
    pub(super) async fn call(&self, channel: &Channel, due: Option<Instant>) -> Outcome {
        let begun = Instant::now();
        let status = self.status(channel, begun + self.timeout).await;
        let ended = Instant::now();
        let disconnected = status.code() == Code::Unavailable && !channel.is_connected();
        Outcome { due: due.unwrap_or(begun), begun, ended, status, disconnected }
    }

    async fn status(&self, channel: &Channel, deadline: Instant) -> Status {
        let answered = self.answered(channel, time::Instant::from_std(deadline)).await;
        answered.unwrap_or_else(|status| status)
    }

    async fn answered(&self, channel: &Channel, deadline: time::Instant) -> Result<Status, Status> {
        let answer = async {
            let mut retried_unseen = false;
            loop {
                let attempt = channel.attempt(&self.head, self.message.clone(), 0, Some(deadline));
                let (answer, verdict) = attempt.await;
                // What met the end of its connection, and no handler has seen, is the
                // same call still: every client of gRPC sends it again (gRFC A6).
                match verdict {
                    Verdict::NeverSent => {}
                    Verdict::NotSeen if !retried_unseen => retried_unseen = true,
                    Verdict::NotSeen | Verdict::Failed(..) | Verdict::Committed => break answer,
                }
            }
        };
        let answer = timeout_at(deadline, answer).await.unwrap_or_else(|_| Err(channel.too_late()));
        let (head, mut body) = answer?.into_parts();
        while let Some(frame) = body.frame().await {
            if let Ok(trailers) = frame?.into_trailers() {
                return Ok(read_status(&trailers));
            }
        }
        // An answer of trailers alone has them in its head.
        Ok(read_status(&head.headers))
    }
}

fn read_status(trailers: &HeaderMap) -> Status {
    Status::from_header_map(trailers)
        .unwrap_or_else(|| Status::unknown("the answer ended without a status"))
}

#[cfg(test)]
mod tests {
    use h2::server::Builder;
    use http::Response;
    use tokio::{net::TcpListener, sync::mpsc, time::sleep};
    use tonic::metadata::MetadataMap;

    use super::*;
    use crate::client::{
        Target,
        load::{Amount, Pace},
    };

    const LONG: Duration = Duration::from_secs(60);
    const WORK: Duration = Duration::from_millis(200);

    /// The microseconds that a call says are left of its time.
    fn left(request: &Request<h2::RecvStream>) -> u64 {
        let text = request.headers()["grpc-timeout"].to_str().expect("ASCII");
        text.strip_suffix('u').expect("below 100 s").parse().expect("a number")
    }

    #[tokio::test]
    async fn a_call_has_what_is_left_when_its_turn_comes_and_is_not_sent_without() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (tell, mut told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client");
            let mut builder = Builder::new();
            let handshake = builder.max_concurrent_streams(1).handshake::<_, Bytes>(tcp);
            let mut server = handshake.await.expect("HTTP/2");
            while let Some(call) = server.accept().await {
                let (request, mut respond) = call.expect("whole");
                tell.send((left(&request), u32::from(respond.stream_id()))).expect("the test");
                tokio::spawn(async move {
                    sleep(WORK).await;
                    let answer = Response::builder().header("grpc-status", "0").body(());
                    respond.send_response(answer.expect("an answer"), true).expect("in flight");
                });
            }
        });
        let channel = Channel::new(&Target {
            address: address.parse().expect("an address"),
            tls: None,
            timeout: LONG,
            wait_for_ready: false,
            max_attempts: 1,
            tracing: None,
        });
        channel.connected().await.expect("a server");
        let plan = Plan {
            pace: Pace::Closed { concurrency: 1 },
            amount: Amount::Calls(3),
            connections: 1,
            message: String::new(),
            metadata: MetadataMap::new(),
        };
        let late = Template::new(&plan, Duration::ZERO).call(&channel, None).await;
        assert_eq!(late.status.code(), Code::DeadlineExceeded);
        let calls = Template::new(&plan, LONG);
        let (first, second) = tokio::join!(calls.call(&channel, None), calls.call(&channel, None));
        assert_eq!((first.status.code(), second.status.code()), (Code::Ok, Code::Ok));
        let (first, id) = told.recv().await.expect("the first");
        assert_eq!(id, 1, "none was sent before it");
        let (second, _) = told.recv().await.expect("the second");
        assert!(second + WORK.as_micros() as u64 <= first, "{second} µs, after {first} µs");
    }
}
