//! How every client command reaches its servers: balanced over all of their
//! addresses, retried, never past the deadline.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use h2::RecvStream;
use http::{HeaderValue, Request, Response, Uri, request::Parts, uri::Scheme};
use http_body_util::BodyExt;
use tokio::{
    sync::watch,
    time::{Instant, timeout, timeout_at},
};
use tonic::{Code, Status, body::Body};
use tower::Service;

use super::{
    Failure,
    address::Address,
    balancer::{Ready, State, balance},
    body::AnswerBody,
    headers, innermost,
    places::Place,
    retry::{Pushback, Retries, Throttle, Verdict},
    sender::Unsent,
    status::{broken, is_unseen, of_http, too_late},
    tls::Tls,
};
use crate::{
    incoming::Incoming,
    telemetry::{Method, Tracing},
};

/// Which servers, and how to call them.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the servers are.
    pub address: Address,
    /// How connections are secured; without it, not at all.
    pub tls: Option<Tls>,
    /// The deadline of the connection and of each call.
    pub timeout: Duration,
    /// Whether to go on while nothing answers there yet, until the deadline.
    pub wait_for_ready: bool,
    /// How often a call is tried in all; 1 for no retries.
    pub max_attempts: u32,
    /// Where the span of each call is sent, if anywhere.
    pub tracing: Option<Tracing>,
}

/// Sends calls with one message each to the servers of a [`Target`]. The clones
/// of a channel share its connections.
///
/// It is a service for tonic's generated clients. An answer carries
/// `grpc-previous-rpc-attempts` where there were any.
#[derive(Debug, Clone)]
pub struct Channel {
    state: watch::Receiver<State>,
    shared: Arc<Shared>,
    timeout: Option<Duration>,
    wait_for_ready: bool,
}

#[derive(Debug)]
struct Shared {
    address: Address,
    scheme: Scheme,
    throttle: Throttle,
    max_attempts: u32,
    tracing: Option<Tracing>,
    turn: AtomicUsize,
}

impl Channel {
    /// Begins to connect, in the background.
    pub fn new(target: &Target) -> Self {
        let (sender, state) = watch::channel(State::default());
        let scheme = if target.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let shared = Shared {
            address: target.address.clone(),
            scheme,
            throttle: Throttle::new(),
            max_attempts: target.max_attempts,
            tracing: target.tracing.clone(),
            // Clients that make one call each are not to make it to the same server.
            turn: AtomicUsize::new(usize::from(fastrand::u16(..))),
        };
        tokio::spawn(balance(target.clone(), sender));
        Self {
            state,
            shared: Arc::new(shared),
            timeout: Some(target.timeout),
            wait_for_ready: target.wait_for_ready,
        }
    }

    /// The same connections for calls that last until they are ended, and that
    /// wait for a connection where there is none.
    #[must_use]
    pub fn without_deadline(&self) -> Self {
        Self { timeout: None, wait_for_ready: true, ..self.clone() }
    }

    /// Waits for the first connection, until the timeout.
    ///
    /// # Errors
    ///
    /// Where no address can be connected to; with `wait_for_ready`, not before the
    /// timeout.
    pub async fn connected(&self) -> Result<(), Failure> {
        let mut state = self.state.clone();
        let wait = state.wait_for(|state| {
            !state.ready.is_empty() || (!self.wait_for_ready && state.failure.is_some())
        });
        // Without a timeout it is as long as it takes.
        let _ = timeout(self.timeout.unwrap_or(Duration::MAX), wait).await;
        let state = self.state.borrow();
        if !state.ready.is_empty() {
            return Ok(());
        }
        match &state.failure {
            None if state.silent => Err(Failure::Call(self.too_late())),
            cause => Err(Failure::Connect {
                address: self.shared.address.clone(),
                cause: cause.clone().unwrap_or_else(|| self.too_late().message().to_owned()),
            }),
        }
    }

    /// Whether there is a connection to send a call on.
    pub(super) fn is_connected(&self) -> bool {
        self.state.borrow().ready.iter().any(|ready| !ready.sender.is_closed())
    }

    async fn send(self, request: Request<Body>) -> Result<Response<AnswerBody>, Status> {
        let deadline = self.timeout.map(|timeout| Instant::now() + timeout);
        let (mut head, body) = request.into_parts();
        let mut span = self.shared.tracing.as_ref().map(|tracing| {
            let span = tracing.begin_client_call(Method::at(head.uri.path()));
            span.inject(&mut head.headers);
            span
        });
        // A call of one message has it at hand.
        let message = body.collect().await?.to_bytes();
        let mut retries = Retries::new(&self.shared.throttle, self.shared.max_attempts, deadline);
        let attempts = async {
            loop {
                let previous = retries.previous();
                let (outcome, verdict) =
                    self.attempt(&head, message.clone(), previous, deadline).await;
                if !retries.again(verdict).await {
                    return outcome;
                }
            }
        };
        let mut outcome = match deadline {
            None => attempts.await,
            Some(deadline) => {
                timeout_at(deadline, attempts).await.unwrap_or_else(|_| Err(self.too_late()))
            }
        };
        match (&mut outcome, span.take()) {
            (Ok(answer), Some(mut span)) => {
                span.read_status(answer.headers());
                answer.body_mut().within(span);
            }
            (Err(status), Some(mut span)) => span.failed(status),
            _ => {}
        }
        if retries.previous() > 0 {
            let previous = HeaderValue::from(retries.previous());
            match &mut outcome {
                Ok(answer) => {
                    answer.headers_mut().insert(headers::PREVIOUS_ATTEMPTS, previous);
                }
                Err(status) => {
                    let text = previous.to_str().expect("a number").parse().expect("ASCII");
                    status.metadata_mut().insert(headers::PREVIOUS_ATTEMPTS, text);
                }
            }
        }
        outcome
    }

    /// Sends a call on the connection whose turn it is, once.
    pub(super) async fn attempt(
        &self,
        call: &Parts,
        message: Bytes,
        previous: u32,
        deadline: Option<Instant>,
    ) -> (Result<Response<AnswerBody>, Status>, Verdict) {
        let Ready { authority, sender } = match self.pick().await {
            Ok(ready) => ready,
            Err(status) => return failed(status),
        };
        let in_flight = match sender.place().await {
            Ok(in_flight) => in_flight,
            Err(unsent) => return never_sent(unsent),
        };
        // Whoever has waited to its deadline gives way to those behind.
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return failed(self.too_late());
        }
        let mut uri = call.uri.clone().into_parts();
        uri.scheme = Some(self.shared.scheme.clone());
        uri.authority = Some(authority);
        let mut request = Request::new(());
        *request.method_mut() = call.method.clone();
        *request.uri_mut() = Uri::from_parts(uri).expect("it has all its parts");
        *request.headers_mut() = headers::of_attempt(&call.headers, previous, deadline);

        let answer = match sender.send(request, message, &in_flight) {
            Ok(answer) => answer,
            Err(unsent) => return never_sent(unsent),
        };
        match answer.await {
            Ok(answer) => self.judge(answer, in_flight, deadline),
            Err(error) if is_unseen(&error) => (Err(broken(&error)), Verdict::NotSeen),
            Err(error) => failed(broken(&error)),
        }
    }

    fn judge(
        &self,
        answer: Response<RecvStream>,
        in_flight: Place,
        deadline: Option<Instant>,
    ) -> (Result<Response<AnswerBody>, Status>, Verdict) {
        let verdict = match answer.headers().get("grpc-status") {
            None if answer.status() != http::StatusCode::OK => {
                return failed(of_http(answer.status()));
            }
            // Trailers alone: no response has begun.
            Some(code) if code != "0" => {
                let pushback = Pushback::read(answer.headers());
                Verdict::Failed(Code::from_bytes(code.as_bytes()), pushback)
            }
            _ => Verdict::Committed,
        };
        let end = deadline.zip(self.timeout);
        (Ok(answer.map(|body| AnswerBody::new(Incoming(body), in_flight, end))), verdict)
    }

    /// The connection whose turn it is, as soon as there is one.
    async fn pick(&self) -> Result<Ready, Status> {
        if let Some(picked) = self.try_pick(&self.state.borrow()) {
            return picked;
        }
        let mut state = self.state.clone();
        loop {
            if let Some(picked) = self.try_pick(&state.borrow_and_update()) {
                return picked;
            }
            state.changed().await.map_err(|_gone| Status::cancelled("the runtime has ended"))?;
        }
    }

    fn try_pick(&self, state: &State) -> Option<Result<Ready, Status>> {
        let count = state.ready.len();
        let turn = self.shared.turn.fetch_add(1, Relaxed);
        let in_turn = (0..count).map(|offset| &state.ready[turn.wrapping_add(offset) % count]);
        // The balancer is told of an end only when its task runs. On a single thread a
        // call that never left could be tried on the same closed connection for ever.
        if let Some(ready) = in_turn.into_iter().find(|ready| !ready.sender.is_closed()) {
            return Some(Ok(ready.clone()));
        }
        let failure = state.failure.as_ref().filter(|_| !self.wait_for_ready)?;
        let address = &self.shared.address;
        Some(Err(Status::unavailable(format!("cannot connect to {address}: {failure}"))))
    }

    pub(super) fn too_late(&self) -> Status {
        too_late(self.timeout.unwrap_or_default())
    }
}

fn never_sent<T>(unsent: Unsent) -> (Result<T, Status>, Verdict) {
    match unsent {
        Unsent::Closed => {
            let problem = "the connection ended before the call was sent";
            (Err(Status::unavailable(problem)), Verdict::NeverSent)
        }
        Unsent::Refused(error) => {
            failed(Status::internal(format!("the call cannot be sent: {}", innermost(&error))))
        }
    }
}

fn failed<T>(status: Status) -> (Result<T, Status>, Verdict) {
    let verdict = Verdict::Failed(status.code(), Pushback::Unsaid);
    (Err(status), verdict)
}

impl Service<Request<Body>> for Channel {
    type Response = Response<AnswerBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<AnswerBody>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
