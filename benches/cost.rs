//! The cost of the server and of each part of its telemetry: CPU time per call, and its ratio to
//! that of tonic's own server with the bare handler.
//!
//!     cargo bench --bench cost
//!
//! Every server is a process of its own on the first processor. `sample-service load` is on the
//! last, and calls in each of three ways. The rows take turns, round by round, and the minimum
//! of each counts, because disturbances only add time.
//!
//! tonic's server has the allocator and the runtime that the service has on one processor:
//! mimalloc, and a single thread. One more row is tonic's server as in tonic's examples: with the
//! default allocator, and a multi-thread runtime. It is the program `cost_default_allocator`,
//! because a program has only one allocator.

use std::{
    env,
    ffi::OsStr,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::{available_parallelism, sleep},
    time::Duration,
};

use mimalloc::MiMalloc;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tokio::{net::TcpListener, runtime::Builder};
use tonic::{
    Request, Response, Status,
    transport::{Server, server::TcpIncoming},
};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::trace::{DefaultMakeSpan, DefaultOnResponse, TraceLayer};
use tracing::Level;

/// Rounds are short and many, so that some of them are undisturbed.
const ROUNDS: usize = 10;

/// Each way to call (connections, and calls at once on each), the number of calls, and the
/// arguments of `load`.
const PATTERNS: [(&str, usize, &[&str]); 3] = [
    ("10 x 20", 30_000, &["--connections", "10", "--concurrency", "200"]),
    ("100 x 10", 30_000, &["--connections", "100", "--concurrency", "1000"]),
    ("1 x 1", 5_000, &["--connections", "1", "--concurrency", "1"]),
];

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The variable that names the row for which a process is the server.
const SERVE: &str = "SERVE";
const KILLED: &str = "it serves until it is killed";
const BASELINE: &str = "tonic's server, bare handler";
const DEFAULT: &str = "default allocator, threads";
/// With tower's concurrency limit, and a span for each call, which `tracing_subscriber` logs.
const USUAL: &str = "with the usual layers";

/// Each row, and the settings that differ from those of all rows.
const ROWS: [(&str, &[(&str, &str)]); 10] = [
    (BASELINE, &[]),
    (DEFAULT, &[]),
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

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    match env::var(SERVE).as_deref() {
        Ok(USUAL) => runtime.block_on(serve_with_the_usual_layers()),
        Ok(_) => runtime.block_on(baseline::serve()),
        Err(_) => {
            let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
            let collector = runtime.block_on(start_collector());
            compare(&collector);
        }
    }
}

fn compare(collector: &str) {
    let with_default_allocator = program_with_default_allocator();
    let test = env::args().any(|argument| argument == "--test");
    let (rounds, fewer) = if test { (1, 10) } else { (ROUNDS, 1) };
    let mut least = [[f64::INFINITY; PATTERNS.len()]; ROWS.len()];
    for round in 1..=rounds {
        for (row, (name, settings)) in ROWS.iter().enumerate() {
            eprintln!("round {round} of {rounds}: {name}");
            let (mut server, address) = start(name, settings, collector, &with_default_allocator);
            for (pattern, (_, calls, arguments)) in PATTERNS.iter().enumerate() {
                let calls = calls / fewer;
                // These calls open connections and fill caches.
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
    println!("microseconds of CPU time per call, and their ratio to the first row");
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

/// Returns a command that runs on one processor.
fn on_processor(number: usize, program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &number.to_string()]).arg(program);
    command
}

/// Compiles the server with the default allocator as this program was compiled. Returns its path.
fn program_with_default_allocator() -> PathBuf {
    let mut cargo = Command::new(env::var_os("CARGO").expect("cargo runs benchmarks"));
    cargo.args(["bench", "--bench", "cost_default_allocator", "--no-run"]);
    cargo.args(["--message-format", "json", "--manifest-path"]);
    cargo.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    if cfg!(debug_assertions) {
        cargo.args(["--profile", "dev"]);
    }
    let output = cargo.stderr(Stdio::inherit()).output().expect("cargo runs");
    assert!(output.status.success(), "it compiles");
    let messages = String::from_utf8(output.stdout).expect("UTF-8");
    let messages = messages.lines().map_while(|line| serde_json::from_str(line).ok());
    let mut programs = messages.filter_map(|message: serde_json::Value| {
        let is_it = message["target"]["name"] == "cost_default_allocator";
        is_it.then(|| message["executable"].as_str().map(PathBuf::from))?
    });
    programs.next().expect("cargo names the program")
}

fn start(
    name: &str,
    settings: &[(&str, &str)],
    collector: &str,
    with_default_allocator: &Path,
) -> (Child, String) {
    let log = env::temp_dir().join(format!("sample-service-cost-{}.log", std::process::id()));
    let mut command = if [BASELINE, DEFAULT, USUAL].contains(&name) {
        let program = match name {
            DEFAULT => with_default_allocator.to_owned(),
            _ => env::current_exe().expect("this program has a file"),
        };
        let mut command = on_processor(0, program);
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
    // The file stays open in the server, and is freed when the server ends.
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
    let server = server.add_service(baseline::service());
    server.serve_with_incoming(baseline::listen().await).await.expect(KILLED);
}

fn load(address: &str, calls: usize, arguments: &[&str]) {
    let last = available_parallelism().map_or(1, usize::from) - 1;
    let mut command = on_processor(last, env!("CARGO_BIN_EXE_sample-service"));
    command.args(["load", "--json", "--address", address, "--calls", &calls.to_string()]);
    let output = command.args(arguments).output().expect("the program runs");
    // load fails if a call fails.
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Returns the user and system time of all threads.
fn cpu_time(process: &Child) -> Duration {
    let process = i32::try_from(process.id()).expect("process ids are positive");
    let process = procfs::process::Process::new(process).expect("it runs");
    // `schedstat` counts in nanoseconds, `stat` only in hundredths of a second.
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
