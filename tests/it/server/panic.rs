//! A handler that panics: what its caller, the log and the metrics show.

use rustix::process::Signal;
use tonic::Code;

use crate::support::{
    metrics::{METRICS, scrape},
    test_service::{self, SECRET},
    wire::{Caller, message, text},
};

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_internal_for_its_caller_and_counted() {
    let server = test_service::start(&[METRICS]);
    let panics = || scrape(&server.metrics_address)["chassis_panics_total"];
    assert_eq!(panics(), 0.0);
    let mut caller = Caller::connect(&server.address).await;
    for _ in 0..2 {
        let response = caller.call(&[], message(false, &text("hello"))).await;
        assert_eq!(response.code(), Code::Internal);
        assert!(!response.status().message().contains(SECRET), "{response:?}");
    }
    assert_eq!(panics(), 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_one_log_line_with_its_backtrace() {
    let server = test_service::start(&[]);
    let mut caller = Caller::connect(&server.address).await;
    caller.call(&[], message(false, &text("hello"))).await;
    let event = server.wait_for_event("panic");
    assert_eq!(event["level"], "ERROR");
    assert_eq!(event["cause"], SECRET);
    let location = event["location"].as_str().expect("a location");
    assert!(location.contains("test_service.rs"), "{location}");
    let backtrace = event["backtrace"].as_str().expect("a backtrace");
    assert!(backtrace.contains("test_service::Handler"), "{backtrace}");
    assert_eq!(server.wait_for_event("call")["code"], "INTERNAL");
}

#[test]
fn a_panic_at_the_end_is_logged_and_exit_code_70() {
    let server = test_service::start(&[(test_service::PANICS_AT_THE_END, "1")]);
    server.process.signal(Signal::TERM);
    assert_eq!(server.wait_for_event("panic")["cause"], SECRET);
    // The test program succeeds if the exit code is right.
    assert_eq!(server.process.wait().0.code(), Some(0));
}
