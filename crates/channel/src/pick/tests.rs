use std::sync::Arc;

use tokio::time::advance;

use super::*;
use crate::{
    endpoint_load::{EndpointLoad, InFlight},
    host::Socket,
    sender::{ConnectionMonitor, RequestSender},
};

/// Returns three connections that are older than the slow start, and the monitors that keep them
/// open.
async fn three() -> (Vec<Subchannel>, Vec<ConnectionMonitor>) {
    let mut ready = Vec::new();
    let mut monitors = Vec::new();
    for port in 1..4 {
        let (near, _far) = tokio::io::duplex(1 << 10);
        let (requests, _connection) = h2::client::handshake(near).await.expect("it is open");
        let (sender, monitor) = RequestSender::new(requests, 1);
        ready.push(Subchannel {
            authority: "a:1".parse().expect("an authority"),
            sender,
            since: Instant::now(),
            load: EndpointLoad::new(Socket::Ip(([127, 0, 0, 1], port).into())),
            is_ejected: false,
        });
        monitors.push(monitor);
    }
    advance(SLOW_START).await;
    (ready, monitors)
}

fn begin(subchannel: &Subchannel, calls: usize) -> Vec<InFlight> {
    (0..calls).map(|_| subchannel.load.begin(None)).collect()
}

/// Makes 300 calls, one after the other; `fails` says which connections fail them. Returns the
/// number of calls on each.
fn shares(balance: Balance, ready: &[Subchannel], fails: [bool; 3]) -> [usize; 3] {
    let picker = Picker::new(balance);
    let mut shares = [0; 3];
    for _ in 0..300 {
        let picked = picker.pick(ready).expect("one is open");
        let is_picked = |one: &Subchannel| Arc::ptr_eq(&one.load, &picked.load);
        let index = ready.iter().position(is_picked).expect("it is one of them");
        shares[index] += 1;
        picked.load.begin(None).end(!fails[index]);
    }
    shares
}

const NONE: [bool; 3] = [false; 3];

#[tokio::test(start_paused = true)]
async fn idle_connections_take_turns() {
    let (ready, _monitors) = three().await;
    for balance in [Balance::RoundRobin, Balance::LeastRequest] {
        assert_eq!(shares(balance, &ready, NONE), [100; 3], "{balance:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_more_calls_in_flight_gets_none_by_least_request() {
    let (ready, _monitors) = three().await;
    let _busy = begin(&ready[1], 10);
    assert_eq!(shares(Balance::LeastRequest, &ready, NONE)[1], 0);
    assert_eq!(shares(Balance::RoundRobin, &ready, NONE)[1], 100);
}

/// Such a server never has calls in flight. Without the penalty for failures, least request would
/// send it most calls.
#[tokio::test(start_paused = true)]
async fn a_server_that_fails_at_once_does_not_attract_calls() {
    let (ready, _monitors) = three().await;
    let _busy = (begin(&ready[0], 10), begin(&ready[2], 10));
    let shares = shares(Balance::LeastRequest, &ready, [false, true, false]);
    assert!(shares[1] <= 11, "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn a_call_costs_tenfold_on_a_new_connection_and_less_step_by_step() {
    let (mut ready, _monitors) = three().await;
    let _busy = (begin(&ready[0], 10), begin(&ready[1], 1));
    let new_costs = |ready: &[Subchannel], calls: u64| {
        let now = Instant::now();
        cost(&ready[1], now) == cost(&ready[0], now) * calls / 10
    };
    assert!(new_costs(&ready, 1), "it has lasted");
    ready[1].since = Instant::now();
    assert!(new_costs(&ready, 10));
    advance(SLOW_START / 10).await;
    assert!(new_costs(&ready, 5));
    advance(SLOW_START * 8 / 10).await;
    assert!(new_costs(&ready, 1));
}

#[tokio::test(start_paused = true)]
async fn closed_connections_are_not_picked() {
    let (ready, mut monitors) = three().await;
    monitors.remove(1);
    for balance in [Balance::RoundRobin, Balance::LeastRequest] {
        assert_eq!(shares(balance, &ready, NONE)[1], 0, "{balance:?}");
    }
    monitors.clear();
    assert!(Picker::new(Balance::LeastRequest).pick(&ready).is_none());
}
