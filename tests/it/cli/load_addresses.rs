//! The report of `sample-service load` for each address.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tonic::Code;

use crate::support::{
    process::{ServerProcess, event, run, stderr, stdout, unused_address},
    scripted::{Reaction, Scripted},
};

/// Makes calls and returns the report in JSON.
fn report(arguments: &[&str]) -> Value {
    let output = run(&[&["load", "--json", "--timeout", "60s"], arguments].concat());
    event(stdout(&output).lines().next().unwrap_or_else(|| panic!("{}", stderr(&output))))
}

/// Makes calls and returns the part of the JSON report for each address.
fn addresses(arguments: &[&str]) -> Vec<Value> {
    report(arguments)["addresses"].as_array().expect("a list").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_calls_the_codes_and_the_latency_of_each_address() {
    let fails = Reaction::Status(Code::NotFound, None);
    let (fails, replies) = (Scripted::start(&[fails; 10]).await, Scripted::start(&[]).await);
    let refused = unused_address();
    let list = [fails.address.as_str(), &replies.address, &refused].join(",");
    let balance = ["--balance", "round_robin", "--connections", "2", "--rate", "200"];
    let arguments = ["--calls", "40", "--address", &list];
    let reported = addresses(&[&balance[..], &arguments].concat());
    let [first, second, third] = &reported[..] else { panic!("{reported:?}") };
    for (report, server) in [(first, &fails), (second, &replies)] {
        assert_eq!(report["address"], server.address);
        assert_eq!(report["reached"], true, "{report}");
        assert_eq!(report["failure"], Value::Null, "{report}");
        let calls = server.seen().len();
        assert_eq!(report["calls"], calls, "{report}");
        assert_eq!(report["share"], calls as f64 / 40.0, "{report}");
    }
    assert_eq!(first["codes"]["NOT_FOUND"], 10, "{first}");
    assert_eq!(first["latency_ms"]["failed"]["count"], 10, "{first}");
    let calls = &second["calls"];
    assert_eq!(second["codes"], json!({ "OK": calls }));
    assert_eq!(second["latency_ms"]["ok"]["count"], *calls);
    assert_eq!(
        *third,
        json!({
            "address": refused, "reached": false,
            "failure": "Connection refused (os error 111)",
            "calls": 0, "share": 0.0, "codes": {},
            "latency_ms": { "ok": null, "failed": null },
        })
    );
}

#[test]
fn the_text_report_has_a_table_of_several_addresses_and_names_those_never_reached() {
    let (one, other) = (ServerProcess::start(&[]), ServerProcess::start(&[]));
    let refused = unused_address();
    let list = [one.address.as_str(), &other.address, &refused].join(",");
    let output = run(&["load", "--rate", "200", "--calls", "50", "--address", &list]);
    let text = stdout(&output);
    let calls = |address: &str| {
        let row = text.lines().find(|line| line.starts_with(&format!("  {address} ")))?;
        row.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    assert_eq!(
        calls(&one.address).zip(calls(&other.address)).map(|(a, b)| a + b),
        Some(50),
        "{text}"
    );
    let warning = format!("\nnever reached: {refused} (Connection refused (os error 111))\n");
    assert!(text.contains(&warning), "{text}");
    assert_eq!(output.status.code(), Some(0), "the calls succeeded");

    let alone = stdout(&one.run(&["load", "--calls", "5"]));
    assert!(!alone.contains("addresses") && !alone.contains("never reached"), "{alone}");
}

#[test]
fn a_slow_server_gets_few_calls_by_least_request() {
    let servers = ["20ms", "20ms", "400ms"];
    let servers =
        servers.map(|work| ServerProcess::start(&["--max-workers", "100", "--work", work]));
    let list = servers.each_ref().map(|server| server.address.as_str()).join(",");
    let share_of_slow = |balance| {
        let arguments = ["--balance", balance, "--calls", "300", "--concurrency", "12"];
        let reported = addresses(&[&arguments[..], &["--address", &list]].concat());
        reported[2]["share"].as_f64().expect("a number")
    };
    let (round_robin, least) = (share_of_slow("round_robin"), share_of_slow("least_request"));
    assert!(round_robin > 0.3 && least < 0.15, "{round_robin}, {least}");
}

#[test]
fn the_fields_of_the_report_are_documented() {
    let server = ServerProcess::start(&[]);
    let report = report(&["--address", &server.address, "--calls", "5"]);
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/load-report.md");
    let document = fs::read_to_string(document).expect("the file exists");
    let parts =
        [&report, &report["settings"], &report["addresses"][0], &report["latency_ms"]["ok"]];
    for field in parts.iter().flat_map(|part| part.as_object().expect("an object").keys()) {
        assert!(document.contains(&format!("`{field}`")), "{field}");
    }
}
