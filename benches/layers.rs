//! What each layer costs a call, in process and without sockets, as a ratio to the
//! bare handler:
//!
//!     cargo bench --bench layers
//!
//! Each layer stands alone around the handler as it is served, and then all of them
//! together. What is measured is a call from its request, which is there already, to
//! the end of its answer's trailers.

use std::{
    convert::Infallible,
    hint::black_box,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{BufMut, Bytes};
use criterion::Criterion;
use http::{HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body;
use http_body_util::BodyExt;
use mimalloc::MiMalloc;
use prost::Message;
use sample_service::{
    config::{self, Access, Layers, LogFormat},
    middleware::{
        AdmissionLayer, CatchPanicLayer, DeadlineLayer, InFlight, Record, RecordLayer, Tracked,
        Whole, stack,
    },
    proto::{SampleRequest, SampleResponse, sample_service_server::SampleServiceServer},
    server::SampleGrpc,
    service::Sample,
    telemetry::{AccessLog, LogWriter, Metrics, Peer, Telemetry, log},
};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt};
use tracing::{Level, enabled};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// So many requests are made at once, before the clock runs: few enough for the
/// processor's caches.
const BATCH: u64 = 32;
/// What stands within the layers.
const BASELINE: &str = "bare handler";

fn main() {
    let mut settings = config::load(&Layers::default()).expect("the defaults are valid").settings;
    settings.log.format = LogFormat::Json;
    let filter = log::filter(&settings.log).expect("RUST_LOG parses");
    tracing_subscriber::registry().with(filter).init();
    assert!(enabled!(Level::INFO), "RUST_LOG leaves no line to measure");
    let writer = LogWriter::start(io::sink()).expect("a thread");
    let access_log = |access| {
        let settings = config::Log { access, ..settings.log.clone() };
        Some(AccessLog::new(&settings, writer.clone(), false))
    };
    let log_off = Telemetry::new(access_log(Access::Off), None, None);
    let log_all = Telemetry::new(access_log(Access::All), None, None);
    let metrics = Telemetry::new(access_log(Access::Off), Some(Metrics::default()), None);
    let everything = Telemetry::new(access_log(Access::All), Some(Metrics::default()), None);

    let sample = Sample::new(Duration::ZERO);
    let generated = SampleServiceServer::new(sample.clone());
    let bare = SampleGrpc::new(&settings);
    // For a layer that tells the one within of the call's progress, and it does not listen.
    let deaf =
        bare.clone().map_request(|request: Request<Tracked<Whole>>| request.map(|it| it.body));
    let deadline = DeadlineLayer::new(settings.deadline.clone());
    let admission = || AdmissionLayer::new(&settings);
    let all = stack(&settings, InFlight::default(), admission(), log_off.clone());

    let mut bench = Bench::new();
    let message = || SampleRequest { message: "hello".to_owned() };
    bench.measure("Sample alone, without gRPC", message, async |m| sample.call(m).await);
    bench.service("tonic's generated code", whole, &generated);
    bench.service(BASELINE, whole, &bare);
    bench.service("InFlight", whole, &InFlight::default().layer(bare.clone()));
    bench.service("CatchPanic", whole, &CatchPanicLayer::new(log_off.clone()).layer(bare.clone()));
    bench.service("Deadline", tracked, &deadline.layer(deaf.clone()));
    bench.service("Admission", tracked, &admission().layer(bare.clone()));
    bench.service("Record, log off", whole, &record(&log_off, deaf.clone()));
    bench.service("Record, log all", whole, &record(&log_all, deaf.clone()));
    bench.service("Record, metrics", whole, &record(&metrics, deaf));
    let all = all.service(bare);
    bench.service("all layers, log off", whole, &record(&log_off, all.clone()));
    bench.service("all layers, log all, metrics", whole, &record(&everything, all));
    bench.finish();
    let lost = writer.lost();
    if lost > 0 {
        println!("{lost} lines of the log were lost: the rows with a log are too cheap");
    }
}

/// For the calls of one connection.
fn record<S: Clone>(telemetry: &Telemetry, inner: S) -> Record<S> {
    let peer = Peer::new(([127, 0, 0, 1], 50_000).into(), None);
    RecordLayer::new(telemetry.clone()).layer(inner).of(peer)
}

/// Measures one row after another.
struct Bench {
    criterion: Criterion,
    runtime: Runtime,
    rows: Vec<(&'static str, f64)>,
}

impl Bench {
    fn new() -> Self {
        let criterion = Criterion::default()
            .warm_up_time(Duration::from_millis(500))
            .measurement_time(Duration::from_millis(1500))
            .without_plots()
            .configure_from_args();
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { criterion, runtime, rows: Vec::new() }
    }

    fn service<S, B, R>(&mut self, name: &'static str, body: impl Fn(Whole) -> B, service: &S)
    where
        S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone,
        R: Body<Data = Bytes>,
    {
        let call = async |request| {
            let Ok(response) = service.clone().oneshot(request).await;
            response.into_body().collect().await
        };
        let message = frame(&SampleRequest { message: "hello".to_owned() });
        let request = || request(&message).map(&body);
        let Ok(answer) = self.runtime.block_on(call(request())) else {
            panic!("{name} breaks off")
        };
        let trailers = answer.trailers().expect("trailers");
        assert_eq!(trailers["grpc-status"], "0", "{name}");
        let reply = SampleResponse { reply: "reply for hello".to_owned() };
        assert_eq!(answer.to_bytes(), frame(&reply), "{name}");
        self.measure(name, request, call);
    }

    fn measure<I, O>(
        &mut self,
        name: &'static str,
        input: impl Fn() -> I,
        call: impl AsyncFn(I) -> O,
    ) {
        // What disturbs a run only ever adds to it.
        let mut least = f64::INFINITY;
        self.criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|calls| {
                let took = self.runtime.block_on(time(calls, &input, &call));
                // Of fewer calls the least would be chance.
                if calls >= BATCH {
                    least = least.min(took.as_nanos() as f64 / calls as f64);
                }
                took
            });
        });
        self.rows.push((name, least));
    }

    /// Shows what was measured: nothing with `--test`, and not all with a filter.
    fn finish(mut self) {
        self.criterion.final_summary();
        self.rows.retain(|(_, least)| least.is_finite());
        let Some(&(_, bare)) = self.rows.iter().find(|(name, _)| *name == BASELINE) else { return };
        println!("{:<30} {:>12} {:>8} {:>8}", "", "ns per call", "less bare", "to bare");
        for (name, least) in self.rows {
            println!("{name:<30} {least:>12.0} {:>+8.0} {:>8.2}", least - bare, least / bare);
        }
    }
}

async fn time<I, O>(calls: u64, input: impl Fn() -> I, call: impl AsyncFn(I) -> O) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = calls;
    while left > 0 {
        let batch = left.min(BATCH);
        left -= batch;
        let inputs: Vec<_> = (0..batch).map(|_| input()).collect();
        let start = Instant::now();
        for input in inputs {
            black_box(call(input).await);
        }
        took += start.elapsed();
    }
    took
}

fn whole(message: Whole) -> Whole {
    message
}

fn tracked(body: Whole) -> Tracked<Whole> {
    Tracked { body, progress: Arc::default() }
}

fn request(message: &Bytes) -> Request<Whole> {
    let mut request = Request::new(Whole { data: message.clone(), trailers: None });
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_static("http://localhost:9999/SampleService/Call");
    for (name, value) in [("te", "trailers"), ("grpc-timeout", "10S"), ("user-agent", "bench")] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let grpc = HeaderValue::from_static("application/grpc");
    request.headers_mut().insert(header::CONTENT_TYPE, grpc);
    request
}

/// Flag, length and message ("Length-Prefixed-Message" in the gRPC HTTP/2 protocol).
fn frame(message: &impl Message) -> Bytes {
    let mut frame = vec![0];
    frame.put_u32(u32::try_from(message.encoded_len()).expect("it is short"));
    message.encode(&mut frame).expect("there is room for it");
    frame.into()
}
