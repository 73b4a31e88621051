//! The memory that a client costs while it does not read.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_stream::iter;
use tonic::transport::Endpoint;

use crate::{
    alone,
    support::{NEVER, client, place, process::Process, watch, with_token},
};

const READERS: usize = 20;
const WINDOW: u32 = 64 * 1024;
const ORDERS: u64 = 200_000;

/// Returns the memory of the process once it does not grow any more.
async fn steady_memory(server: &Process) -> u64 {
    let (mut before, mut steady, start) = (server.memory(), 0, Instant::now());
    while steady < 5 {
        assert!(start.elapsed() < NEVER, "the memory never stops growing");
        sleep(Duration::from_millis(200)).await;
        let now = server.memory();
        steady = if now > before + 256 * 1024 { 0 } else { steady + 1 };
        before = now;
    }
    before
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_costs_about_one_flow_control_window() {
    let _alone = alone().await;
    let server = Process::start(&[]);
    let mut importer = client(&server.address).await;
    let item = "x".repeat(100);
    let orders = (0..ORDERS).map(move |_| place(&item, 1));
    importer.import_orders(iter(orders)).await.expect("they are placed");
    // Each stream has more than 20 MB to send.
    let all = ORDERS * 100;
    // The store caches what it reads, so all orders are read once before the measurement.
    let mut orders = importer.watch_orders(watch(0)).await.expect("a stream").into_inner();
    for _ in 0..ORDERS {
        orders.message().await.expect("no error").expect("an order");
    }
    drop(orders);

    let before = steady_memory(&server).await;
    let mut readers = Vec::new();
    for _ in 0..READERS {
        let endpoint = Endpoint::from_shared(format!("http://{}", server.address));
        let endpoint = endpoint.expect("an address").initial_stream_window_size(WINDOW);
        let channel = endpoint.connect().await.expect("a server");
        let orders = with_token(channel).watch_orders(watch(0)).await.expect("a stream");
        readers.push(orders.into_inner());
    }
    let after = steady_memory(&server).await;
    let each = after.saturating_sub(before) / READERS as u64;
    println!("{each} bytes for each of {READERS} clients that do not read {all} bytes");
    assert!(each < 8 * u64::from(WINDOW), "{each} bytes for each client");

    // A stream that waited sends everything once its client reads.
    let mut orders = readers.pop().expect("a reader");
    for id in 1..=ORDERS {
        assert_eq!(orders.message().await.expect("no error").expect("an order").id, id);
    }
    drop((orders, readers, importer));
    let (report, status) = server.terminate();
    assert_eq!((status.code(), &report["clean"]), (Some(0), &true.into()), "{report}");
}
