//! Ten times the load that can be served, for this service and for tonic's server with tower's
//! concurrency limit:
//!
//!     cargo bench --bench overload
//!
//! Five workers with 20 ms for each call serve 250 calls per second. 500 callers together make
//! 2,500 per second, each with a deadline of one second. With `-- --test` it makes only a few
//! calls, to see that the benchmark works.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::Duration,
};

use baseline::sample_service_server::{SampleService, SampleServiceServer};
use sample_service::proto::{SampleRequest, sample_service_client::SampleServiceClient};
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};
use tonic::{
    Code, Request, Response, Status,
    transport::{Channel, Endpoint, Server, server::TcpIncoming},
};
use tower::limit::GlobalConcurrencyLimitLayer;

const CAPACITY: f64 = 250.0;
const CALLERS: u64 = 500;
const SECONDS: u64 = 10;
const CALLS_A_SECOND: u64 = 5;
const PERIOD: Duration = Duration::from_millis(1000 / CALLS_A_SECOND);
const DEADLINE: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() {
    // cargo passes --bench as well.
    let seconds = if env::args().any(|argument| argument == "--test") { 1 } else { SECONDS };
    println!("capacity {CAPACITY} calls/s, offered 2500 calls/s for {seconds} s, deadline 1 s\n");

    let mut server = start_this_service();
    let before = memory(&server.0);
    load("this service", &server.1, seconds).await;
    println!("  its memory: {before} KiB before, {} KiB after\n", memory(&server.0));
    server.0.kill().expect("it runs");
    server.0.wait().expect("it ran");

    let address = start_plain_limit().await;
    load("GlobalConcurrencyLimitLayer alone", &address, seconds).await;
}

fn start_this_service() -> (Child, String) {
    let mut serve = Command::new(env!("CARGO_BIN_EXE_sample-service"));
    serve.args(["serve", "--address", "127.0.0.1:0", "--work", "20ms", "--log-format", "json"]);
    let mut child = serve.stdout(Stdio::piped()).spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let address = lines.by_ref().find_map(|line| {
        let event: serde_json::Value = serde_json::from_str(&line.expect("UTF-8")).expect("JSON");
        event["address"].as_str().map(ToOwned::to_owned)
    });
    std::thread::spawn(move || lines.for_each(drop));
    (child, address.expect("it listens"))
}

/// A handler that takes 20 ms.
struct Works;

#[tonic::async_trait]
impl SampleService for Works {
    async fn call(
        &self,
        request: Request<baseline::SampleRequest>,
    ) -> Result<Response<baseline::SampleResponse>, Status> {
        sleep(Duration::from_millis(20)).await;
        baseline::Sample.call(request).await
    }
}

async fn start_plain_limit() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let service = SampleServiceServer::new(Works);
    let mut server = Server::builder().layer(GlobalConcurrencyLimitLayer::new(5));
    tokio::spawn(server.add_service(service).serve_with_incoming(TcpIncoming::from(listener)));
    address
}

/// The outcomes of the calls of one run.
#[derive(Default)]
struct Outcome {
    in_time: u64,
    late: u64,
    waits: Vec<Duration>,
    refused: BTreeMap<String, u64>,
    without_hint: u64,
}

async fn load(name: &str, address: &str, seconds: u64) {
    let mut channels = Vec::new();
    for _ in 0..25 {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
        channels.push(endpoint.connect().await.expect("a server"));
    }
    let start = Instant::now();
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        let channel = channels[usize::try_from(caller).expect("small") % channels.len()].clone();
        callers.spawn(async move {
            // The first calls are spread over the period.
            sleep(PERIOD.mul_f64(caller as f64 / CALLERS as f64)).await;
            let mut calls = JoinSet::new();
            let mut ticks = interval(PERIOD);
            for _ in 0..seconds * CALLS_A_SECOND {
                ticks.tick().await;
                calls.spawn(call(channel.clone()));
            }
            calls.join_all().await
        });
    }
    let mut outcome = Outcome::default();
    for (code, took, has_hint) in callers.join_all().await.into_iter().flatten() {
        match code {
            Code::Ok if took <= DEADLINE => {
                outcome.in_time += 1;
                outcome.waits.push(took);
            }
            Code::Ok => outcome.late += 1,
            code => {
                *outcome.refused.entry(format!("{code:?}")).or_default() += 1;
                outcome.without_hint += u64::from(!has_hint);
            }
        }
    }
    outcome.waits.sort();
    report(name, &outcome, start.elapsed());
}

fn report(name: &str, outcome: &Outcome, took: Duration) {
    let goodput = outcome.in_time as f64 / took.as_secs_f64();
    let share = goodput / CAPACITY * 100.0;
    println!("{name}");
    println!(
        "  served in time: {} ({goodput:.1} calls/s, {share:.1} % of capacity)",
        outcome.in_time
    );
    println!("  served after the deadline: {}", outcome.late);
    let percentile = |part: f64| outcome.waits[(outcome.waits.len() as f64 * part) as usize];
    println!("  time of those served: p50 {:?}, p99 {:?}", percentile(0.5), percentile(0.99));
    println!(
        "  not served: {:?}, of which without a hint: {}",
        outcome.refused, outcome.without_hint
    );
}

async fn call(channel: Channel) -> (Code, Duration, bool) {
    let mut request = Request::new(SampleRequest { message: "hello".to_owned() });
    request.set_timeout(DEADLINE);
    let start = Instant::now();
    let response = SampleServiceClient::new(channel).call(request).await;
    let took = start.elapsed();
    match response {
        Ok(_) => (Code::Ok, took, false),
        Err(status) => {
            let hint = status.metadata().contains_key("grpc-retry-pushback-ms");
            (status.code(), took, hint)
        }
    }
}

/// Returns the resident memory of the server, in KiB.
fn memory(server: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
