//! What the server and each part of its telemetry cost: CPU time per call, as a
//! ratio to tonic's own server around the bare handler.
//!
//!     cargo bench --bench cost
//!
//! Every server is a process of its own, on the first processor; `sample-service load`
//! is on the last, and calls in each of three ways. The rows take turns, round by round,
//! and the least of each counts: what disturbs a run only ever adds to it.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    thread::{available_parallelism, sleep},
    time::Duration,
};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use sample_service::{proto::sample_service_server::SampleServiceServer, service::Sample};
use tokio::net::TcpListener;
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer};
use tracing::Level;

/// Many and short: some of them are undisturbed.
const ROUNDS: usize = 10;

/// Each way to call (connections, and calls at once on each), how many calls there
/// are, and the arguments of `load`.
const PATTERNS: [(&str, usize, &[&str]); 3] = [
    ("10 x 20", 30_000, &["--connections", "10", "--concurrency", "200"]),
    ("100 x 10", 30_000, &["--connections", "100", "--concurrency", "1000"]),
    ("1 x 1", 5_000, &["--connections", "1", "--concurrency", "1"]),
];

/// Set to the name of a row where this very program is to be its server.
const SERVE: &str = "SERVE";
const KILLED: &str = "it serves until it is killed";
const BASELINE: &str = "bare handler, tonic's server";
/// With a limit of tower's and a span a call, whose line `tracing_subscriber` writes.
const USUAL: &str = "with the usual layers";

/// Each row, and its settings beside those of all.
const ROWS: [(&str, &[(&str, &str)]); 9] = [
    (BASELINE, &[]),
    (USUAL, &[]),
    ("log off", &[]),
    ("log errors", &[("SAMPLE__LOG__ACCESS", "errors")]),
    ("log all, in JSON, to a file", &[("SAMPLE__LOG__ACCESS", "all")]),
    ("metrics", &[("SAMPLE__METRICS__ADDRESS", "127.0.0.1:0")]),
    (
        "log all, metrics",
        &[("SAMPLE__LOG__ACCESS", "all"), ("SAMPLE__METRICS__ADDRESS", "127.0.0.1:0")],
    ),
    ("traces of 1 percent", &[("SAMPLE__TRACING__SAMPLE", "0.01")]),
    ("traces of all", &[("SAMPLE__TRACING__SAMPLE", "1.0")]),
];

#[tokio::main]
async fn main() {
    match env::var(SERVE).as_deref() {
        Ok(USUAL) => return serve_with_the_usual_layers().await,
        Ok(_) => {
            let server = Server::builder().add_service(bare_handler());
            return server.serve_with_incoming(listen().await).await.expect(KILLED);
        }
        Err(_) => {}
    }
    let collector = start_collector().await;
    let test = env::args().any(|argument| argument == "--test");
    let (rounds, fewer) = if test { (1, 10) } else { (ROUNDS, 1) };
    let mut least = [[f64::INFINITY; PATTERNS.len()]; ROWS.len()];
    for round in 1..=rounds {
        for (row, (name, settings)) in ROWS.iter().enumerate() {
            eprintln!("round {round} of {rounds}: {name}");
            let (mut server, address) = start(name, settings, &collector);
            for (pattern, (_, calls, arguments)) in PATTERNS.iter().enumerate() {
                let calls = calls / fewer;
                // Connections, caches and lazy parts are no part of a call's cost.
                load(&address, calls / 10, arguments);
                let before = cpu_time(&server);
                load(&address, calls, arguments);
                let cost = (cpu_time(&server) - before).as_secs_f64() * 1e6 / calls as f64;
                least[row][pattern] = least[row][pattern].min(cost);
            }
            server.kill().expect("it runs");
            server.wait().expect("it ran");
        }
    }
    println!("microseconds of CPU time a call, and their ratio to the first row");
    let names = PATTERNS.map(|(name, ..)| format!("{name:>18}"));
    println!("{:<30}{}", "", names.concat());
    for ((name, _), costs) in ROWS.iter().zip(least) {
        let cell = |pattern| {
            format!("{:>11.1} ({:.2})", costs[pattern], costs[pattern] / least[0][pattern])
        };
        let cells: [String; PATTERNS.len()] = std::array::from_fn(cell);
        println!("{name:<30}{}", cells.concat());
    }
}

/// A command that runs on one processor alone.
fn on_processor(number: usize, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &number.to_string()]).arg(program);
    command
}

fn start(name: &str, settings: &[(&str, &str)], collector: &str) -> (Child, String) {
    let log = env::temp_dir().join(format!("sample-service-cost-{}.log", std::process::id()));
    let mut command = if [BASELINE, USUAL].contains(&name) {
        let mut command = on_processor(0, env::current_exe().expect("this program"));
        command.env(SERVE, name);
        command
    } else {
        let mut command = on_processor(0, env!("CARGO_BIN_EXE_sample-service"));
        command.args(["serve", "--address", "127.0.0.1:0", "--max-workers", "1000"]);
        command.args(["--log-format", "json"]).env("SAMPLE__LOG__ACCESS", "off");
        command
    };
    if settings.iter().any(|(name, _)| name.contains("TRACING")) {
        command.env("SAMPLE__TRACING__ENDPOINT", collector);
    }
    let out = File::create(&log).expect("a file");
    let child = command.envs(settings.iter().copied()).stdout(Stdio::from(out)).spawn();
    let child = child.expect("the program runs");
    let address = loop {
        let lines = BufReader::new(File::open(&log).expect("it is there")).lines();
        let address = lines.map_while(Result::ok).find_map(|line| {
            let event: serde_json::Value = serde_json::from_str(&line).ok()?;
            Some(event["address"].as_str()?.to_owned())
        });
        match address {
            Some(address) => break address,
            None => sleep(Duration::from_millis(5)),
        }
    };
    // It writes on, and nobody else sees it.
    fs::remove_file(&log).expect("it is there");
    (child, address)
}

async fn serve_with_the_usual_layers() {
    tracing_subscriber::fmt().json().init();
    let trace = TraceLayer::new_for_grpc()
        .make_span_with(DefaultMakeSpan::new().level(Level::INFO))
        .on_response(DefaultOnResponse::new().level(Level::INFO));
    let limit = GlobalConcurrencyLimitLayer::new(1000);
    let mut server = Server::builder().layer(trace).layer(limit);
    let served = server.add_service(bare_handler()).serve_with_incoming(listen().await).await;
    served.expect(KILLED);
}

/// Says where, and takes what comes there.
async fn listen() -> TcpIncoming {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    println!("{}", serde_json::json!({ "address": address }));
    TcpIncoming::from(listener).with_nodelay(Some(true))
}

fn bare_handler() -> SampleServiceServer<Sample> {
    SampleServiceServer::new(Sample::new(Duration::ZERO))
}

fn load(address: &str, calls: usize, arguments: &[&str]) {
    let last = available_parallelism().map_or(1, usize::from) - 1;
    let mut command = on_processor(last, env!("CARGO_BIN_EXE_sample-service"));
    command.args(["load", "--json", "--address", address, "--calls", &calls.to_string()]);
    let output = command.args(arguments).output().expect("the program runs");
    // Each call was served, or it says so.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// User and system time of all threads so far.
fn cpu_time(process: &Child) -> Duration {
    let process = i32::try_from(process.id()).expect("process ids are positive");
    let process = procfs::process::Process::new(process).expect("it runs");
    // In nanoseconds, where `stat` has hundredths of a second.
    let threads = process.tasks().expect("it runs").map_while(Result::ok);
    threads
        .filter_map(|thread| thread.schedstat().ok())
        .map(|s| Duration::from_nanos(s.sum_exec_runtime))
        .sum()
}

struct Sink;

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        _: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

async fn start_collector() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let server = Server::builder().add_service(TraceServiceServer::new(Sink));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    url
}
