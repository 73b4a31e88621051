//! The whole stack around services of every temper, under paused time.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    future::{Ready, join_all},
    stream::{self, StreamExt},
};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use tokio::{
    task::{JoinSet, yield_now},
    time::{Instant, sleep, timeout},
};
use tonic::{Code, Status, body::Body};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::{AdmissionLayer, AnswerWhole, CallStack, CatchPanicLayer, InFlight, Tracked, Whole};
use crate::{
    config::{self, Flag, Layers, Settings},
    telemetry::Telemetry,
};

const MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

fn settings(changes: &[(&'static str, &str)]) -> Settings {
    let flag = |(key, text): &(&'static str, &str)| Flag { name: key, key, text: (*text).into() };
    let flags = changes.iter().map(flag).collect();
    config::load(&Layers { flags, ..Layers::default() }).expect("valid settings").settings
}

fn stack(settings: &Settings, in_flight: InFlight) -> CallStack {
    super::stack(settings, in_flight, AdmissionLayer::new(settings), Telemetry::default())
}

fn request() -> Request<Tracked<Body>> {
    with_body(Body::new(Full::new(Bytes::from_static(MESSAGE))))
}

fn with_body(body: Body) -> Request<Tracked<Body>> {
    Request::new(Tracked { body, progress: Arc::default() })
}

fn answer() -> Result<Response<Whole>, Infallible> {
    let mut response = Response::new(Whole::default());
    response.headers_mut().insert("grpc-status", "0".parse().expect("a value"));
    Ok(response)
}

async fn code<S, R>(service: S, request: Request<Tracked<Body>>) -> Code
where
    S: Service<Request<Tracked<Body>>, Response = Response<R>, Error = Infallible>,
{
    let Ok(response) = service.oneshot(request).await;
    Status::from_header_map(response.headers()).expect("a status").code()
}

/// Counts how many calls are at work, and how many were at most.
#[derive(Debug, Clone, Default)]
struct AtWork(Arc<(AtomicUsize, AtomicUsize)>);

impl AtWork {
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

struct Entered(AtWork);

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test(start_paused = true)]
async fn never_more_than_max_workers_calls_are_at_work() {
    let at_work = AtWork::default();
    let counted = at_work.clone();
    let service = stack(&settings(&[]), InFlight::default()).service(service_fn(move |_| {
        let entered = counted.enter();
        async move {
            sleep(Duration::from_millis(100)).await;
            drop(entered);
            answer()
        }
    }));

    let start = Instant::now();
    let codes = join_all((0..20).map(|_| code(service.clone(), request()))).await;
    assert_eq!(codes, [Code::Ok; 20]);
    assert_eq!(at_work.peak(), 5);
    // Four rounds of five: no worker was idle.
    assert_eq!(start.elapsed(), Duration::from_millis(400));
}

#[tokio::test]
async fn a_panic_is_internal_and_gives_its_worker_back() {
    async fn panics(_: Request<Whole>) -> Result<Response<Whole>, Infallible> {
        panic!("a secret")
    }
    let one_worker = settings(&[("server.max_workers", "1")]);
    let service = stack(&one_worker, InFlight::default()).service(service_fn(panics));
    for _ in 0..3 {
        let Ok(response) = service.clone().oneshot(request()).await;
        let status = Status::from_header_map(response.headers()).expect("a status");
        assert_eq!(status.code(), Code::Internal);
        assert!(!status.message().contains("secret"), "{status}");
    }
}

/// No panic of a layer ends a connection either.
#[tokio::test]
async fn a_panic_before_there_is_a_future_is_internal_too() {
    let panics = service_fn(|_: Request<Tracked<Body>>| -> Ready<_> { panic!("a secret") });
    let service = CatchPanicLayer::new(Telemetry::default()).layer(panics);
    assert_eq!(code(service, request()).await, Code::Internal);
}

#[tokio::test(start_paused = true)]
async fn the_wait_in_the_queue_counts_against_the_deadline() {
    let at_work = AtWork::default();
    let counted = at_work.clone();
    let one_worker = settings(&[("server.max_workers", "1"), ("queue.timeout", "1h")]);
    let service = stack(&one_worker, InFlight::default()).service(service_fn(move |_| {
        let entered = counted.enter();
        async move {
            sleep(Duration::from_secs(600)).await;
            drop(entered);
            answer()
        }
    }));
    let mut calls = JoinSet::new();
    calls.spawn(code(service.clone(), request()));
    yield_now().await;
    assert_eq!(at_work.now(), 1);

    let start = Instant::now();
    let mut late = request();
    late.headers_mut().insert("grpc-timeout", "250m".parse().expect("a value"));
    assert_eq!(code(service, late).await, Code::DeadlineExceeded);
    assert_eq!(start.elapsed().as_millis(), 250);
    assert_eq!(at_work.now(), 1, "it never ran");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_message_has_not_arrived_holds_no_worker() {
    let one_worker = settings(&[("server.max_workers", "1")]);
    let service = stack(&one_worker, InFlight::default()).service(service_fn(async |_| answer()));
    let never = stream::pending::<Result<Frame<Bytes>, Status>>();
    let stalled = service.clone().oneshot(with_body(Body::new(StreamBody::new(never))));
    let mut stalled = tokio_test::task::spawn(stalled);
    assert!(stalled.poll().is_pending());
    assert_eq!(code(service, request()).await, Code::Ok);
    // Only its own deadline ends it.
    let start = Instant::now();
    let Ok(response) = stalled.await;
    let status = Status::from_header_map(response.headers()).expect("a status");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(start.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn a_worker_is_held_until_the_answer_is_complete() {
    let one_worker = settings(&[("server.max_workers", "1"), ("queue.length", "0")]);
    let slow = service_fn(async |_: Request<Whole>| {
        let slow = async {
            sleep(Duration::from_secs(1)).await;
            Ok::<_, Status>(Frame::data(Bytes::from_static(MESSAGE)))
        };
        let body = StreamBody::new(stream::once(slow).boxed());
        Ok::<_, Infallible>(Response::new(Body::new(body)))
    });
    let service = stack(&one_worker, InFlight::default()).service(AnswerWhole::new(slow));
    let mut first = tokio_test::task::spawn(service.clone().oneshot(request()));
    assert!(first.poll().is_pending());
    assert_eq!(code(service.clone(), request()).await, Code::ResourceExhausted);

    // Its caller has not read it yet, and that is nobody else's business.
    let Ok(unread) = first.await;
    let mut second = tokio_test::task::spawn(service.oneshot(request()));
    assert!(second.poll().is_pending());
    drop(unread);
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_calls_no_worker_is_lost() {
    for seed in 0..300 {
        let random = Arc::new(std::sync::Mutex::new(fastrand::Rng::with_seed(seed)));
        let draw = move |range: std::ops::Range<u64>| random.lock().expect("no panic").u64(range);
        let at_work = AtWork::default();
        let max_workers = usize::try_from(draw(1..6)).expect("it is small");
        let changed = settings(&[
            ("server.max_workers", &max_workers.to_string()),
            ("queue.length", &draw(0..20).to_string()),
            ("queue.timeout", &format!("{}ms", draw(1..200))),
        ]);
        let in_flight = InFlight::default();
        let (counted, service_draw) = (at_work.clone(), draw.clone());
        let service = stack(&changed, in_flight.clone()).service(service_fn(move |_| {
            let entered = counted.enter();
            let (took, panics) = (service_draw(1..50), service_draw(0..10) == 0);
            async move {
                sleep(Duration::from_millis(took)).await;
                if panics {
                    // As panic! does it, but for the noise.
                    std::panic::resume_unwind(Box::new("one in ten"));
                }
                drop(entered);
                answer()
            }
        }));

        let mut calls = JoinSet::new();
        for _ in 0..draw(1..80) {
            let (arrives, patience) = (draw(0..300), draw(0..200));
            let mut request = request();
            if draw(0..3) == 0 {
                let deadline = format!("{}m", draw(0..100)).parse().expect("a value");
                request.headers_mut().insert("grpc-timeout", deadline);
            }
            let service = service.clone();
            calls.spawn(async move {
                sleep(Duration::from_millis(arrives)).await;
                // Dropped wherever it is by then: arriving, waiting, at work.
                let _ = timeout(Duration::from_millis(patience), service.oneshot(request)).await;
            });
        }
        while let Some(ended) = calls.join_next().await {
            ended.expect("the stack catches panics");
        }
        assert!(at_work.peak() <= max_workers, "seed {seed}");
        assert_eq!(at_work.now(), 0, "seed {seed}");
        assert_eq!(in_flight.counts().in_flight(), 0, "seed {seed}");

        // All workers are there: that many calls are at work at once.
        let all: Vec<_> = (0..max_workers)
            .map(|_| {
                let mut call = tokio_test::task::spawn(service.clone().oneshot(request()));
                let _ = call.poll();
                call
            })
            .collect();
        assert_eq!(at_work.now(), max_workers, "seed {seed}");
        drop(all);
    }
}
