//! What the chassis costs a call: whole calls in one process, with tonic's own server and with
//! the service on the chassis.
//!
//!     cargo bench --bench layers
//!
//! Client and server share one thread and one connection on the loopback interface, so the
//! network and the client are in both rows. Logs, metrics and traces are off; `cost` measures
//! them.

use std::time::{Duration, Instant};

use criterion::Criterion;
use mimalloc::MiMalloc;
use sample_service::proto::{SampleRequest, sample_service_client::SampleServiceClient};
use tokio::{
    runtime::{Builder, Handle},
    sync::mpsc,
};
use tonic::transport::{Channel, Endpoint, Server, server::TcpIncoming};

/// As in the program itself.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// The minimum over fewer calls than this would be chance.
const ENOUGH: u64 = 32;

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .without_plots()
        .configure_from_args();
    let mut rows = Vec::new();
    let clients =
        [("tonic's server", runtime.block_on(tonic())), ("chassis", runtime.block_on(chassis()))];
    for (name, mut client) in clients {
        // Disturbances only add time, so the minimum counts.
        let mut least = f64::INFINITY;
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|calls| {
                let took = runtime.block_on(time(&mut client, calls));
                if calls >= ENOUGH {
                    least = least.min(took.as_secs_f64() * 1e6 / calls as f64);
                }
                took
            });
        });
        rows.push((name, least));
    }
    criterion.final_summary();
    // With a filter, or with --test, not all rows are measured.
    if rows.iter().any(|(_, least)| least.is_infinite()) {
        return;
    }
    let (_, first) = rows[0];
    println!("{:<20} {:>16} {:>8}", "", "microseconds", "ratio");
    for (name, least) in rows {
        println!("{name:<20} {least:>16.1} {:>8.2}", least / first);
    }
}

async fn tonic() -> SampleServiceClient<Channel> {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let incoming = incoming.with_nodelay(Some(true));
    let address = incoming.local_addr().expect("it is bound").to_string();
    let server = Server::builder().add_service(baseline::service());
    tokio::spawn(server.serve_with_incoming(incoming));
    connect(&address).await
}

async fn chassis() -> SampleServiceClient<Channel> {
    let flag = chassis::config::Flag {
        name: "--address",
        key: "server.address",
        text: "127.0.0.1:0".to_owned(),
    };
    let layers = chassis::config::Layers { flags: vec![flag], ..Default::default() };
    let server = sample_service::service().bind(&layers, &Handle::current());
    let server = server.expect("a free port");
    let address = server.address().to_string();
    // Without a reason, it never shuts down.
    let (_, shutdown) = mpsc::channel(1);
    tokio::spawn(server.run(shutdown));
    connect(&address).await
}

async fn connect(address: &str) -> SampleServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    SampleServiceClient::new(endpoint.connect().await.expect("a server"))
}

/// Makes calls one after the other.
async fn time(client: &mut SampleServiceClient<Channel>, calls: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        let request = SampleRequest { message: "hello".to_owned() };
        let response = client.call(request).await.expect("a response");
        assert_eq!(response.into_inner().reply, "reply for hello");
    }
    start.elapsed()
}
