//! What each part of the telemetry costs: CPU time of the server per call, as a
//! ratio to tonic's own server around the bare handler.
//!
//!     cargo bench --bench cost
//!
//! Every server is a process of its own; two hundred callers over ten connections
//! keep it busy. The rows take turns, round by round, and the least of each counts:
//! what disturbs a run only ever adds to it. With `-- --test` there is one short
//! round, to see that all of it works.

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use sample_service::{
    proto::{
        SampleRequest, sample_service_client::SampleServiceClient,
        sample_service_server::SampleServiceServer,
    },
    service::Sample,
};
use tokio::{net::TcpListener, task::JoinSet};
use tonic::{
    Request, Response, Status,
    transport::{Endpoint, Server, server::TcpIncoming},
};

const CALLS: usize = 40_000;
const CONNECTIONS: usize = 10;
const CALLERS: usize = 20;
const ROUNDS: usize = 3;

/// Set where this very program is to be the bare server.
const BARE: &str = "SERVE_BARE";
const BASELINE: &str = "bare handler, tonic's server";

/// Each row, and its settings beside those of all.
const ROWS: [(&str, &[(&str, &str)]); 7] = [
    (BASELINE, &[]),
    ("log off", &[]),
    ("log errors", &[("SAMPLE__LOG__ACCESS", "errors")]),
    ("log all, in JSON, to a file", &[("SAMPLE__LOG__ACCESS", "all")]),
    ("metrics", &[("SAMPLE__METRICS__ADDRESS", "127.0.0.1:0")]),
    ("traces of 1 percent", &[("SAMPLE__TRACING__SAMPLE", "0.01")]),
    ("traces of all", &[("SAMPLE__TRACING__SAMPLE", "1.0")]),
];

#[tokio::main]
async fn main() {
    if env::var_os(BARE).is_some() {
        return serve_bare().await;
    }
    let collector = start_collector().await;
    let test = env::args().any(|argument| argument == "--test");
    let (calls, rounds) = if test { (CALLS / 20, 1) } else { (CALLS, ROUNDS) };
    println!("{calls} calls a run, {rounds} runs of each row\n");
    let mut least = [f64::INFINITY; ROWS.len()];
    for round in 1..=rounds {
        for (row, (name, settings)) in ROWS.iter().enumerate() {
            eprintln!("round {round} of {rounds}: {name}");
            let (mut server, address) = start(name, settings, &collector);
            // Connections, caches and lazy parts are no part of a call's cost.
            load(&address, calls / 10).await;
            let before = cpu_time(&server);
            load(&address, calls).await;
            let cost = (cpu_time(&server) - before).as_secs_f64() * 1e6 / calls as f64;
            least[row] = least[row].min(cost);
            server.kill().expect("it runs");
            server.wait().expect("it ran");
        }
    }
    println!("{:<30} {:>16} {:>12}", "", "CPU us per call", "to bare");
    for ((name, _), cost) in ROWS.iter().zip(least) {
        println!("{name:<30} {cost:>16.1} {:>12.2}", cost / least[0]);
    }
}

fn start(name: &str, settings: &[(&str, &str)], collector: &str) -> (Child, String) {
    let log = env::temp_dir().join(format!("sample-service-cost-{}.log", std::process::id()));
    let mut command = if name == BASELINE {
        let mut command = Command::new(env::current_exe().expect("this program"));
        command.env(BARE, "1");
        command
    } else {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sample-service"));
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
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    // It writes on, and nobody else sees it.
    fs::remove_file(&log).expect("it is there");
    (child, address)
}

async fn serve_bare() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    println!("{}", serde_json::json!({ "address": address }));
    let service = SampleServiceServer::new(Sample::new(Duration::ZERO));
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder().add_service(service).serve_with_incoming(incoming).await;
    served.expect("it serves until it is killed");
}

async fn load(address: &str, calls: usize) {
    let mut callers = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        let channel = endpoint.connect().await.expect("a server");
        for _ in 0..CALLERS {
            let mut client = SampleServiceClient::new(channel.clone());
            callers.spawn(async move {
                for _ in 0..calls / (CONNECTIONS * CALLERS) {
                    let request = SampleRequest { message: "hello".to_owned() };
                    client.call(request).await.expect("served");
                }
            });
        }
    }
    while let Some(caller) = callers.join_next().await {
        caller.expect("no panic");
    }
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
