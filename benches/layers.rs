//! The cost of the chassis for a call: whole calls in one process, with tonic's own server and
//! with the service on the chassis, in gRPC and in Connect.
//!
//!     cargo bench --bench layers
//!
//! Client and server share one thread and one connection on the loopback interface, so the
//! network and the client are in all rows. The client of Connect writes prepared bytes over
//! HTTP/1.1, so compare its rows with each other. Logs, metrics and traces are off; `cost`
//! measures them.

use std::time::{Duration, Instant};

use criterion::Criterion;
use mimalloc::MiMalloc;
use sample_service::proto::{SampleRequest, sample_service_client::SampleServiceClient};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
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
    let clients = runtime.block_on(async {
        [
            ("tonic's server", tonic().await),
            ("chassis", Client::Grpc(connect(&chassis().await).await)),
            ("Connect, JSON", connect_client(b"json", br#"{"message":"hello"}"#).await),
            ("Connect, protobuf", connect_client(b"proto", b"\x0a\x05hello").await),
        ]
    });
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

async fn tonic() -> Client {
    let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a free port");
    let incoming = incoming.with_nodelay(Some(true));
    let address = incoming.local_addr().expect("it is bound").to_string();
    let server = Server::builder().add_service(baseline::service());
    tokio::spawn(server.serve_with_incoming(incoming));
    Client::Grpc(connect(&address).await)
}

/// Starts the service, and returns its address.
async fn chassis() -> String {
    let flag = chassis::config::Flag {
        name: "--address",
        key: "server.address",
        text: "127.0.0.1:0".to_owned(),
    };
    let layers = chassis::config::Layers { flags: vec![flag], ..Default::default() };
    let server = sample_service::service().bind(&layers, &Handle::current());
    let server = server.expect("a free port");
    let address = server.address().to_string();
    // The server shuts down only for a reason, and gets none.
    let (_, shutdown) = mpsc::channel(1);
    tokio::spawn(server.run(shutdown));
    address
}

async fn connect(address: &str) -> SampleServiceClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("an address");
    SampleServiceClient::new(endpoint.connect().await.expect("a server"))
}

enum Client {
    Grpc(SampleServiceClient<Channel>),
    Connect(Connect),
}

/// A connection of HTTP/1.1.
struct Connect {
    stream: TcpStream,
    request: Vec<u8>,
    /// The last response. All responses have as many bytes as the first.
    response: Vec<u8>,
}

async fn connect_client(codec: &[u8], message: &[u8]) -> Client {
    let stream = TcpStream::connect(chassis().await).await.expect("a server");
    stream.set_nodelay(true).expect("it is TCP");
    let length = message.len().to_string();
    let head: [&[u8]; 6] = [
        b"POST /SampleService/Call HTTP/1.1\r\nhost: bench\r\ncontent-type: application/",
        codec,
        b"\r\ncontent-length: ",
        length.as_bytes(),
        b"\r\n\r\n",
        message,
    ];
    let mut client = Connect { stream, request: head.concat(), response: vec![0; 4096] };
    client.stream.write_all(&client.request).await.expect("it is open");
    let length = client.stream.read(&mut client.response).await.expect("a response");
    client.response.truncate(length);
    Client::Connect(client)
}

impl Connect {
    async fn call(&mut self) {
        self.stream.write_all(&self.request).await.expect("it is open");
        self.stream.read_exact(&mut self.response).await.expect("a response");
        assert!(self.response.starts_with(b"HTTP/1.1 200 "), "it succeeds");
    }
}

/// Makes calls one after the other.
async fn time(client: &mut Client, calls: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        match client {
            Client::Grpc(client) => {
                let request = SampleRequest { message: "hello".to_owned() };
                let response = client.call(request).await.expect("a response");
                assert_eq!(response.into_inner().reply, "reply for hello");
            }
            Client::Connect(client) => client.call().await,
        }
    }
    start.elapsed()
}
