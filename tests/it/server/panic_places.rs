//! A panic in any place that a call passes ends only that call, and is counted and logged.

use tonic::Code;

use crate::support::{
    metrics::{METRICS, scrape, wait_until},
    panicking_service::{self, PLACE},
    wire::{Caller, message},
};

/// The place, the code that the caller gets, and how many panics there are.
const PLACES: [(&str, Code, f64); 11] = [
    ("", Code::Ok, 0.0),
    ("call of a layer", Code::Internal, 1.0),
    ("future of a layer", Code::Internal, 1.0),
    ("handler", Code::Internal, 1.0),
    ("handler at its end", Code::Internal, 1.0),
    // The deadline drops the handler and the layer.
    ("handler when dropped", Code::DeadlineExceeded, 1.0),
    ("layer when dropped", Code::DeadlineExceeded, 1.0),
    ("frame of a body", Code::Internal, 1.0),
    // The status has been sent before the panic.
    ("body when dropped", Code::Ok, 1.0),
    ("extension of the response", Code::Ok, 1.0),
    // The server never asks for the size.
    ("size of a body", Code::Ok, 0.0),
];

async fn every_place(one_cpu: bool) {
    let server = panicking_service::start(one_cpu, &[METRICS]);
    let panics = || scrape(&server.metrics_address)["chassis_panics_total"];
    // All calls share one connection, which must survive each panic.
    let mut caller = Caller::connect(&server.address).await;
    let mut expected = 0.0;
    for (place, code, count) in PLACES {
        let headers = [(PLACE, place), ("grpc-timeout", "300m")];
        let response = caller.call(&headers, message(false, &[])).await;
        assert_eq!(response.code(), code, "{place}");
        expected += count;
        // A value can be dropped after the response has arrived.
        wait_until(|| panics() >= expected);
        assert_eq!(panics(), expected, "{place}");
        if count > 0.0 {
            assert_eq!(server.wait_for_event("panic")["level"], "ERROR", "{place}");
        }
        let next = caller.call(&[], message(false, &[])).await;
        assert_eq!(next.code(), Code::Ok, "after {place}");
    }
    // How often the body is asked for its end depends on the HTTP/2 layer.
    let response = caller.call(&[(PLACE, "end of a body")], message(false, &[])).await;
    assert_eq!(response.code(), Code::Ok);
    assert!(panics() > expected);
    assert_eq!(caller.call(&[], message(false, &[])).await.code(), Code::Ok);
    // Each call has been recorded once.
    let sum = |name: &str| -> f64 {
        let series = scrape(&server.metrics_address).into_iter();
        series.filter(|(series, _)| series.starts_with(name)).map(|(_, count)| count).sum()
    };
    wait_until(|| sum("grpc_server_handled_total") == sum("grpc_server_started_total"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_anywhere_ends_its_call_alone_if_calls_have_tasks() {
    every_place(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_anywhere_ends_its_call_alone_if_calls_run_in_place() {
    every_place(true).await;
}
