//! Outlier detection (gRFC A50) against real servers.

use std::time::Instant;

use channel::Channel;
use sample_service::proto::sample_service_client::SampleServiceClient;
use serde_json::json;
use tonic::Code;

use crate::support::{
    in_process::request,
    process::NEVER,
    scripted::{Reaction, Scripted},
};

const SERVERS: usize = 6;

#[tokio::test]
async fn a_server_that_fails_every_call_is_ejected_and_tried_again_later() {
    let fails = Reaction::Status(Code::Internal, None);
    let failing = Scripted::start(&vec![fails; 10_000]).await;
    let mut addresses = vec![failing.address.clone()];
    let mut others = Vec::new();
    for _ in 1..SERVERS {
        others.push(Scripted::start(&[]).await);
        addresses.extend(others.last().map(|server| server.address.clone()));
    }
    let settings = json!({
        "address": addresses.join(","),
        "timeout": "60s",
        "balance": "round_robin",
        "outlier_detection": {
            "interval": "200ms",
            "base_ejection_time": "400ms",
            "failure_percentage": { "request_volume": 5 },
        },
    });
    let settings = serde_json::from_value(settings).expect("valid");
    let agent = channel::user_agent("tests", "1.0");
    let channel = Channel::from_settings(&settings, agent, None).expect("no files");
    while !channel.addresses().iter().all(|address| address.reached) {
        tokio::task::yield_now().await;
    }
    let mut client = SampleServiceClient::new(channel);
    // Calls each server about five times. Returns how many of the calls failed.
    let mut call = async || {
        let mut failures = 0;
        for _ in 0..5 * SERVERS {
            let result = client.call(request("hello")).await;
            failures += usize::from(result.is_err());
        }
        assert_eq!(failing.seen().len(), failures, "only the failing server fails calls");
        failures
    };
    assert_eq!(call().await, 5, "round robin gives the failing server its share");
    let deadline = Instant::now() + NEVER;
    for (what, is_reached) in [
        ("ejected", (|failures| failures == 0) as fn(usize) -> bool),
        ("tried again", |failures| failures > 0),
    ] {
        while !is_reached(call().await) {
            assert!(Instant::now() < deadline, "the failing server is not {what}");
        }
    }
}
