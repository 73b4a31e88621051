//! One call. Its message is encoded once for all calls.

use std::time::{Duration, Instant};

use bytes::Bytes;
use channel::{Channel, OneMessage, Peer, read_status};
use http::{HeaderValue, Request, header, request::Parts};
use http_body_util::BodyExt;
use tonic::{Code, Status};
use wire::framing::PREFIX;

use crate::{CheckMessage, Plan};

/// The request that every call sends.
#[derive(Clone)]
pub(super) struct Template {
    head: Parts,
    message: Bytes,
    check: CheckMessage,
    timeout: Duration,
}

/// The times and the status of a call that has ended.
pub(super) struct CallRecord {
    /// When the call was due, and when it began.
    pub(super) due: Instant,
    pub(super) begun: Instant,
    pub(super) ended: Instant,
    pub(super) status: Status,
    /// The server that the call was sent to, if it was sent.
    pub(super) peer: Option<Peer>,
    /// Whether the call failed and no connection was left.
    pub(super) is_disconnected: bool,
}

impl Template {
    pub(super) fn new(plan: &Plan, timeout: Duration) -> Self {
        let mut request = Request::post(plan.path.as_str());
        let headers = request.headers_mut().expect("the path is valid");
        headers.extend(plan.metadata.clone().into_headers());
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let (mut head, ()) = request.body(()).expect("the headers are valid").into_parts();
        head.extensions.insert(OneMessage);
        Self {
            head,
            message: plan.message.clone(),
            check: CheckMessage::clone(&plan.check),
            timeout,
        }
    }

    /// Makes a call now. `due` is the time at which the call was due, or `None` if that is now.
    pub(super) async fn call(&self, channel: &Channel, due: Option<Instant>) -> CallRecord {
        let begun = Instant::now();
        let mut peer = None;
        let status = self.send(channel, &mut peer).await.err().unwrap_or_else(|| Status::ok(""));
        let ended = Instant::now();
        let is_disconnected = status.code() == Code::Unavailable && !channel.is_connected();
        CallRecord { due: due.unwrap_or(begun), begun, ended, status, peer, is_disconnected }
    }

    /// Makes a call. The channel has already checked each frame of its response.
    ///
    /// # Errors
    ///
    /// Returns the status of a call that failed.
    async fn send(&self, channel: &Channel, peer: &mut Option<Peer>) -> Result<(), Status> {
        let sent = channel.send_encoded(&self.head, self.message.clone(), self.timeout, peer);
        let (head, mut body) = sent.await?.into_parts();
        while let Some(frame) = body.frame().await {
            match frame?.into_data() {
                Ok(message) => (self.check)(&message[PREFIX..])?,
                Err(frame) => return read_status(&frame.into_trailers().unwrap_or_default()),
            }
        }
        // A response without messages has its trailers in the headers.
        read_status(&head.headers)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use channel::{Balance, Target, user_agent};
    use h2::server::Builder;
    use http::{HeaderMap, Response};
    use tokio::{net::TcpListener, sync::mpsc, time::sleep};
    use tonic::metadata::MetadataMap;
    use wire::framing::framed;

    use super::*;
    use crate::{Amount, Pace};

    const LONG: Duration = Duration::from_secs(60);
    const WORK: Duration = Duration::from_millis(200);

    /// Returns the microseconds in the `grpc-timeout` of a request.
    fn timeout_of(request: &Request<h2::RecvStream>) -> u64 {
        let text = request.headers()["grpc-timeout"].to_str().expect("ASCII");
        text.strip_suffix('u').expect("below 100 s").parse().expect("a number")
    }

    #[tokio::test]
    async fn a_call_that_waited_for_a_permit_sends_its_remaining_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (sender, mut requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client");
            let mut builder = Builder::new();
            let handshake = builder.max_concurrent_streams(1).handshake::<_, Bytes>(tcp);
            let mut server = handshake.await.expect("HTTP/2");
            while let Some(call) = server.accept().await {
                let (request, mut respond) = call.expect("a request");
                let received = (timeout_of(&request), u32::from(respond.stream_id()));
                sender.send(received).expect("the test");
                tokio::spawn(async move {
                    sleep(WORK).await;
                    let response = Response::new(());
                    let mut body = respond.send_response(response, false).expect("in flight");
                    body.send_data(framed(&String::new()), false).expect("in flight");
                    let status = (Status::GRPC_STATUS, HeaderValue::from_static("0"));
                    body.send_trailers(HeaderMap::from_iter([status])).expect("in flight");
                });
            }
        });
        let channel = Channel::new(&Target {
            address: address.parse().expect("an address"),
            tls: None,
            timeout: LONG,
            wait_for_ready: false,
            max_attempts: 1,
            user_agent: user_agent("test", "1"),
            tracing: None,
            balance: Balance::default(),
            outlier_detection: None,
        });
        channel.connected().await.expect("a server");
        let plan = Plan {
            pace: Pace::Closed { concurrency: 1 },
            warmup: Duration::ZERO,
            amount: Amount::Calls(3),
            connections: 1,
            path: "/Service/Method".to_owned(),
            message: framed(&String::new()),
            message_size: 0,
            check: Arc::new(|_| Ok(())),
            metadata: MetadataMap::new(),
        };
        let expired = Template::new(&plan, Duration::ZERO).call(&channel, None).await;
        assert_eq!(expired.status.code(), Code::DeadlineExceeded);
        let calls = Template::new(&plan, LONG);
        let (first, second) = tokio::join!(calls.call(&channel, None), calls.call(&channel, None));
        assert_eq!((first.status.code(), second.status.code()), (Code::Ok, Code::Ok));
        let (first, id) = requests.recv().await.expect("the first");
        assert_eq!(id, 1, "the expired call was not sent");
        let (second, _) = requests.recv().await.expect("the second");
        assert!(second + WORK.as_micros() as u64 <= first, "{second} µs, after {first} µs");
    }
}
