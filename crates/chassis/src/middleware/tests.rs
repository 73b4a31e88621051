//! All layers around services of every kind, under paused time.

use std::{
    convert::Infallible,
    future::{Ready, pending},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt,
    future::join_all,
    stream::{self, Stream, StreamExt},
};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep, timeout},
};
use tonic::{Code, Status};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{Admission, CatchPanicLayer, DeadlineLayer, InFlightLayer, Limits, Recorder, layers};
use crate::{
    admission::{Queue, Streams},
    body::Body,
    config::Settings,
    in_flight::InFlight,
    inbound::{BoxInbound, Inbound},
    mount::Next,
    telemetry::Telemetry,
    testing::{self, STREAM, UNARY, WATCH},
};

const MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

/// All layers around a service, and the state that they share.
#[derive(Clone)]
struct Stack {
    service: tower::util::BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>,
    in_flight: InFlight,
    limits: Arc<Limits>,
}

impl Stack {
    fn new<S>(changes: &[(&'static str, &str)], service: S) -> Self
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        let settings: Settings = testing::settings(changes);
        let limits = Arc::new(Limits {
            queue: Queue::new(settings.server.max_workers.get(), &settings.queue),
            decompressed: Queue::new(settings.server.max_workers.get(), &settings.queue),
            streams: Arc::new(Streams::new(settings.streaming.limit.get())),
        });
        let (telemetry, in_flight) = (Telemetry::default(), InFlight::default());
        let methods = Arc::new(testing::methods());
        let shared = testing::shared(settings.limits.message.get() as usize);
        let recorder = Recorder::new(telemetry, methods, shared);
        let next = Next::new(Admission::new(service, Some(limits.clone())));
        let next = next.map_request(|inbound: BoxInbound| inbound.request);
        let service = tower::util::BoxCloneSyncService::new(layers(
            next.clone(),
            next,
            recorder,
            testing::web(),
            in_flight.clone(),
            settings.deadline,
        ));
        Self { service, in_flight, limits }
    }

    async fn respond(&self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = self.service.clone().oneshot(request).await;
        response
    }

    async fn code(&self, request: Request<Body>) -> Code {
        status(&self.respond(request).await).code()
    }
}

fn status(response: &Response<Body>) -> Status {
    Status::from_header_map(response.headers()).expect("the response has headers only")
}

/// Reads a stream to its end. Returns the code in its trailers.
async fn code_at_end(response: Response<Body>) -> Code {
    let collected = response.into_body().collect().await.expect("no frame fails");
    Status::from_header_map(collected.trailers().expect("trailers")).expect("a status").code()
}

fn request_to(path: &str, body: Body) -> Request<Body> {
    testing::post(path).body(body).expect("a path is a URI")
}

fn request() -> Request<Body> {
    request_to(UNARY, Body::message(Bytes::from_static(MESSAGE)))
}

fn request_with_timeout(path: &str, timeout: &str) -> Request<Body> {
    let mut request = request_to(path, Body::message(Bytes::from_static(MESSAGE)));
    request.headers_mut().insert("grpc-timeout", timeout.parse().expect("a value"));
    request
}

fn ok() -> Result<Response<Body>, Infallible> {
    Ok(Status::ok("").into_http())
}

/// Returns a stream that sends `first` and then never ends.
fn endless(
    first: impl Stream<Item = Result<Frame<Bytes>, Status>> + Send + 'static,
) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::stream(StreamBody::new(first.chain(stream::pending())))))
}

/// Counts how many calls run, and the maximum.
#[derive(Debug, Clone, Default)]
struct Running(Arc<(AtomicUsize, AtomicUsize)>);

impl Running {
    fn enter(&self) -> Entered {
        let now = self.0.0.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.1.fetch_max(now, Ordering::Relaxed);
        Entered(self.clone())
    }

    fn now(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }

    fn peak(&self) -> usize {
        self.0.1.load(Ordering::Relaxed)
    }
}

struct Entered(Running);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_than_max_workers_calls_run_at_once() {
    let running = Running::default();
    let counted = running.clone();
    let stack = Stack::new(
        &[],
        service_fn(move |_| {
            let entered = counted.enter();
            async move {
                sleep(Duration::from_millis(100)).await;
                drop(entered);
                ok()
            }
        }),
    );
    let start = Instant::now();
    let codes = join_all((0..20).map(|_| stack.code(request()))).await;
    assert_eq!(codes, [Code::Ok; 20]);
    assert_eq!(running.peak(), 5);
    // Four rounds of five: no worker was idle.
    assert_eq!(start.elapsed(), Duration::from_millis(400));
}

#[tokio::test]
async fn a_panic_is_internal_and_returns_the_worker() {
    async fn panics(_: Request<Body>) -> Result<Response<Body>, Infallible> {
        panic!("a secret")
    }
    let stack = Stack::new(&[("server.max_workers", "1")], service_fn(panics));
    for _ in 0..3 {
        let status = status(&stack.respond(request()).await);
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("secret"), "{status}");
    }
}

#[tokio::test]
async fn a_panic_before_there_is_a_future_is_internal() {
    let panics = service_fn(|_: BoxInbound| -> Ready<Result<Response<Body>, Infallible>> {
        panic!("a secret")
    });
    let service = CatchPanicLayer.layer(panics);
    let inbound = Inbound { request: request(), call: Arc::new(testing::call()) };
    let Ok(response) = service.oneshot(Box::new(inbound)).await;
    assert_eq!(status(&response).code(), Code::Internal);
}

#[tokio::test]
async fn a_panic_in_a_stream_is_internal_in_its_trailers_and_returns_the_slot() {
    let panics = service_fn(async |_| endless(stream::poll_fn(|_| panic!("a secret"))));
    let stack = Stack::new(&[], panics);
    let response = stack.respond(request_to(STREAM, Body::empty())).await;
    assert_eq!(code_at_end(response).await, Code::Internal);
    assert_eq!(stack.limits.streams.open(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_time_in_the_queue_counts_against_the_deadline() {
    let running = Running::default();
    let counted = running.clone();
    let one_worker = [("server.max_workers", "1"), ("queue.timeout", "1h")];
    let stack = Stack::new(
        &one_worker,
        service_fn(move |_| {
            let entered = counted.enter();
            async move {
                sleep(Duration::from_secs(600)).await;
                drop(entered);
                ok()
            }
        }),
    );
    let mut calls = JoinSet::new();
    let first = stack.clone();
    calls.spawn(async move { first.code(request()).await });
    yield_now().await;
    assert_eq!(running.now(), 1);

    let start = Instant::now();
    let late = request_with_timeout(UNARY, "250m");
    assert_eq!(stack.code(late).await, Code::DeadlineExceeded);
    assert_eq!(start.elapsed().as_millis(), 250);
    assert_eq!(running.now(), 1, "the handler is not called");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_message_has_not_arrived_holds_no_worker() {
    let stack = Stack::new(&[("server.max_workers", "1")], service_fn(async |_| ok()));
    let never = stream::pending::<Result<Frame<Bytes>, Status>>();
    let body = Body::stream(StreamBody::new(never));
    let mut stalled = tokio_test::task::spawn(stack.respond(request_to(UNARY, body)));
    assert!(stalled.poll().is_pending());
    assert_eq!(stack.code(request()).await, Code::Ok);
    // Only its own deadline ends it.
    let start = Instant::now();
    assert_eq!(status(&stalled.await).code(), Code::DeadlineExceeded);
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_held_until_the_response_is_complete() {
    let slow = service_fn(async |_| {
        let slow = async {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, Status>(Frame::data(Bytes::from_static(MESSAGE)))
        };
        let body = StreamBody::new(stream::once(slow).boxed());
        Ok::<_, Infallible>(Response::new(Body::stream(body)))
    });
    let stack = Stack::new(&[("server.max_workers", "1"), ("queue.length", "0")], slow);
    let mut first = tokio_test::task::spawn(stack.respond(request()));
    assert!(first.poll().is_pending());
    assert_eq!(stack.code(request()).await, Code::ResourceExhausted);

    // The worker is free though the client has not read the response yet.
    let unread = first.await;
    let mut second = tokio_test::task::spawn(stack.respond(request()));
    assert!(second.poll().is_pending());
    drop(unread);
}

#[tokio::test]
async fn a_call_without_time_left_never_reaches_the_handler() {
    let stack = Stack::new(
        &[],
        service_fn(async |_| -> Result<Response<Body>, Infallible> {
            unreachable!("it is called")
        }),
    );
    for path in [UNARY, STREAM] {
        let response = stack.respond(request_with_timeout(path, "0S")).await;
        assert_eq!(status(&response).code(), Code::DeadlineExceeded);
    }
}

#[tokio::test(start_paused = true)]
async fn a_unary_call_ends_at_the_smaller_of_the_callers_and_the_servers_deadline() {
    for (given, expected) in [
        (None, 30),
        (Some("2S"), 2),
        (Some("200S"), 200),
        (Some("1H"), 300),
        (Some("nonsense"), 30),
        (Some("0S"), 0),
    ] {
        let never = service_fn(|_| pending::<Result<Response<Body>, Infallible>>());
        let stack = Stack::new(&[], never);
        let request = given.map_or_else(request, |given| request_with_timeout(UNARY, given));
        let start = Instant::now();
        assert_eq!(stack.code(request).await, Code::DeadlineExceeded);
        assert_eq!(start.elapsed().as_secs(), expected, "{given:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_has_only_the_callers_deadline_and_ends_at_it_with_trailers() {
    let stack = Stack::new(&[], service_fn(async |_| endless(stream::empty())));
    for (given, expected) in [("2S", 2), ("1H", 3600)] {
        let start = Instant::now();
        let response = stack.respond(request_with_timeout(STREAM, given)).await;
        assert_eq!(code_at_end(response).await, Code::DeadlineExceeded);
        assert_eq!(start.elapsed().as_secs(), expected);
    }
    let without = stack.respond(request_to(STREAM, Body::empty())).await;
    let day = Duration::from_secs(86_400);
    timeout(day, code_at_end(without)).await.expect_err("it has no deadline");
}

#[tokio::test(start_paused = true)]
async fn the_request_of_a_stream_must_arrive_within_the_default_deadline() {
    let stack = Stack::new(&[], service_fn(async |_| endless(stream::empty())));
    let never = stream::pending::<Result<Frame<Bytes>, Status>>();
    let start = Instant::now();
    let body = Body::stream(StreamBody::new(never));
    assert_eq!(stack.code(request_to(WATCH, body)).await, Code::DeadlineExceeded);
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn an_error_of_a_body_is_the_status_in_the_trailers() {
    let fails = service_fn(async |_| endless(stream::iter([Err(Status::aborted("no more"))])));
    let stack = Stack::new(&[], fails);
    let response = stack.respond(request_to(STREAM, Body::empty())).await;
    assert_eq!(code_at_end(response).await, Code::Aborted);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_ends_with_unavailable_in_its_trailers() {
    let service =
        service_fn(async |_| endless(stream::iter([Ok(Frame::data(Bytes::from_static(MESSAGE)))])));
    let stack = Stack::new(&[], service);
    let response = stack.respond(request_to(STREAM, Body::empty())).await;
    let (_, mut body) = response.into_parts();
    assert!(body.frame().await.expect("a frame").expect("no error").is_data());
    stack.in_flight.cut();
    let trailers = body.frame().await.expect("a frame").expect("no error").into_trailers();
    let status = Status::from_header_map(&trailers.expect("trailers")).expect("a status");
    assert_eq!(status.code(), Code::Unavailable);
    assert!(body.frame().await.is_none());
    drop(body);
    let counts = stack.in_flight.counts();
    assert_eq!((counts.cut, counts.in_flight()), (1, 0));
    stack.in_flight.idle().now_or_never().expect("nothing is in flight");
}

#[tokio::test(start_paused = true)]
async fn a_stream_holds_a_slot_until_it_ends_and_never_a_worker() {
    let limits = [("server.max_workers", "1"), ("streaming.limit", "2")];
    let service = service_fn(async |request: Request<Body>| match request.uri().path() {
        STREAM => endless(stream::empty()),
        _ => ok(),
    });
    let stack = Stack::new(&limits, service);
    let open = || stack.respond(request_to(STREAM, Body::empty()));
    let (first, _second) = (open().await, open().await);
    assert_eq!(stack.code(request()).await, Code::Ok, "no worker is held");
    let refused = status(&open().await);
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.metadata().contains_key("grpc-retry-pushback-ms"));
    drop(first);
    let third = open().await;
    assert!(!third.headers().contains_key("grpc-status"), "there is a slot again");
}

/// A service that never has room for a call.
struct NeverReady;

impl Service<BoxInbound> for NeverReady {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: BoxInbound) -> Self::Future {
        unreachable!("it is not ready")
    }
}

#[test]
fn a_layer_is_ready_only_if_the_service_within_it_is() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut deadline = DeadlineLayer::new(testing::settings(&[]).deadline).layer(NeverReady);
    assert!(deadline.poll_ready(&mut cx).is_pending());
    let mut in_flight = InFlightLayer::new(InFlight::default()).layer(NeverReady);
    assert!(in_flight.poll_ready(&mut cx).is_pending());
}

#[tokio::test(start_paused = true)]
async fn no_worker_is_lost_whatever_happens_to_calls() {
    for seed in 0..300 {
        let random = Arc::new(Mutex::new(fastrand::Rng::with_seed(seed)));
        let draw = move |range: std::ops::Range<u64>| random.lock().expect("no panic").u64(range);
        let running = Running::default();
        let max_workers = usize::try_from(draw(1..6)).expect("it is small");
        let changes = [
            ("server.max_workers", max_workers.to_string()),
            ("queue.length", draw(0..20).to_string()),
            ("queue.timeout", format!("{}ms", draw(1..200))),
        ];
        let changes = changes.each_ref().map(|(key, text)| (*key, text.as_str()));
        let (counted, service_draw) = (running.clone(), draw.clone());
        let stack = Stack::new(
            &changes,
            service_fn(move |_| {
                let entered = counted.enter();
                let (took, panics) = (service_draw(1..50), service_draw(0..10) == 0);
                async move {
                    sleep(Duration::from_millis(took)).await;
                    if panics {
                        // Like panic!, without the message on standard error.
                        std::panic::resume_unwind(Box::new("one in ten"));
                    }
                    drop(entered);
                    ok()
                }
            }),
        );

        let mut calls = JoinSet::new();
        for _ in 0..draw(1..80) {
            let (arrives, patience) = (draw(0..300), draw(0..200));
            let request = if draw(0..3) == 0 {
                request_with_timeout(UNARY, &format!("{}m", draw(0..100)))
            } else {
                request()
            };
            let stack = stack.clone();
            calls.spawn(async move {
                sleep(Duration::from_millis(arrives)).await;
                // Dropped at any point: while the message arrives, in the queue, at work.
                let _ = timeout(Duration::from_millis(patience), stack.respond(request)).await;
            });
        }
        while let Some(ended) = calls.join_next().await {
            ended.expect("the layers catch panics");
        }
        assert!(running.peak() <= max_workers, "seed {seed}");
        assert_eq!(running.now(), 0, "seed {seed}");
        assert_eq!(stack.in_flight.counts().in_flight(), 0, "seed {seed}");

        // No worker is lost: `max_workers` calls run at once.
        let all: Vec<_> = (0..max_workers)
            .map(|_| {
                let mut call = tokio_test::task::spawn(stack.respond(request()));
                let _ = call.poll();
                call
            })
            .collect();
        assert_eq!(running.now(), max_workers, "seed {seed}");
        drop(all);
    }
}
