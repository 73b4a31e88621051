//! The JSON of the admin page, the log filter that can be changed, and who is refused.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    http1::{Reply, get, request},
    metrics::{METRICS, scrape},
    process::{ServerProcess, command, run, stderr, stdout},
};

pub(crate) const TOKEN: &str = "a-token-of-26-characters--";

/// Writes the token into a file. Returns its folder, and the file.
pub(crate) fn token() -> (TempDir, String) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("token");
    fs::write(&file, format!("{TOKEN}\n")).expect("a file");
    let file = file.display().to_string();
    (folder, file)
}

pub(crate) fn status(server: &ServerProcess) -> Value {
    let reply = get(&server.metrics_address, "/status");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    serde_json::from_str(&reply.body).expect("JSON")
}

/// Calls a method that is not served.
fn fail(server: &ServerProcess) {
    let method = ["call", "/no.Such/Method", "--data", "{}"];
    let proto = TempDir::new().expect("a folder");
    let file = proto.path().join("no.proto");
    let text = "syntax = \"proto3\"; package no; message M {} \
                service Such { rpc Method(M) returns (M); }";
    fs::write(&file, text).expect("a file");
    let file = file.display().to_string();
    let output = server.run(&[&method[..], &["--proto", &file]].concat());
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

/// Returns a quantile of the cumulative buckets of a scrape, in milliseconds.
fn quantile(buckets: &[(f64, f64)], quantile: f64) -> f64 {
    let rank = quantile * buckets.last().expect("buckets").1;
    let reached = buckets.iter().position(|(_, count)| *count >= rank).expect("one");
    let (bound, count) = buckets[reached];
    let (lower, below) = if reached == 0 { (0.0, 0.0) } else { buckets[reached - 1] };
    1000.0 * (lower + (bound - lower) * (rank - below) / (count - below))
}

#[test]
fn the_status_has_the_numbers_of_the_metrics() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let messages: Vec<_> = (0..30).map(|number| format!("m{number}")).collect();
    let arguments: Vec<_> = ["call"].into_iter().chain(messages.iter().map(|m| &**m)).collect();
    assert!(server.run(&arguments).status.success());
    let status = status(&server);
    let series = scrape(&server.metrics_address);

    let calls = status["calls"].as_array().expect("calls");
    let call = calls.iter().find(|call| call["method"] == "/SampleService/Call").expect("it");
    assert_eq!((&call["started"], &call["handled"]), (&json!(30.0), &json!({"OK": 30.0})));
    // The first look is of the whole life of the server.
    let window = status["window_seconds"].as_f64().expect("seconds");
    let per_second = call["per_second"].as_f64().expect("a rate");
    // JSON is read to about the last bit.
    assert!((per_second * window - 30.0).abs() < 1e-6, "{per_second} in {window} s");
    let labels = "grpc_type=\"unary\",grpc_service=\"SampleService\",grpc_method=\"Call\"";
    let mut buckets: Vec<_> = series
        .iter()
        .filter(|(name, _)| name.contains("handling_seconds_bucket") && name.contains(labels))
        .map(|(name, count)| {
            let (_, bound) = name.split_once("le=\"").expect("a bound");
            (bound.split('"').next().expect("it ends").parse::<f64>().expect("a number"), *count)
        })
        .collect();
    buckets.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    for (name, rank) in [("p50_ms", 0.5), ("p99_ms", 0.99)] {
        let shown = call[name].as_f64().expect("a number");
        assert!((shown - quantile(&buckets, rank)).abs() < 0.001, "{name} {shown} of {buckets:?}");
    }

    let metrics = &status["metrics"];
    let mut compared = 0;
    for (name, value) in &series {
        let Some(name) = name.strip_prefix("chassis_") else { continue };
        if name.contains("_seconds_") || name.starts_with("build") {
            continue;
        }
        let (name, label) = name.split_once('{').unwrap_or((name, ""));
        let shown = &metrics[name.trim_end_matches("_total")];
        let shown = match label.split('"').nth(1) {
            Some(label) => &shown[label],
            None => shown,
        };
        assert_eq!(shown, value, "{name} {label}");
        compared += 1;
    }
    assert!(compared > 30, "{compared} of {series:#?}");
    assert_eq!(status["state"]["name"], "ready");
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert!(status["process_memory"]["resident"].as_u64().expect("bytes") > 1 << 20);
}

#[test]
fn the_status_has_the_settings_as_config_show_prints_them() {
    let settings = [METRICS, ("SAMPLE__QUEUE__LENGTH", "7")];
    let server = ServerProcess::with(&settings, &[]);
    let mut show = command(&["config", "show", "--json", "--log-format", "json"]);
    // The same as `ServerProcess` sets.
    show.envs(settings).env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s");
    let shown = show.args(["--address", "127.0.0.1:0"]).output().expect("it runs");
    let shown: Value = serde_json::from_str(&stdout(&shown)).expect("JSON");
    let status = status(&server);
    assert_eq!(status["settings"], shown);
    let queue = &status["settings"]["queue"]["length"];
    assert_eq!(queue, &json!({"value": 7, "source": "SAMPLE__QUEUE__LENGTH"}));
}

#[test]
fn failed_calls_are_listed_the_newest_first() {
    let server = ServerProcess::with(&[METRICS], &[]);
    assert!(server.run(&["call", "good"]).status.success());
    assert_eq!(status(&server)["failed_calls"], json!([]));
    fail(&server);
    assert_ne!(server.run(&["call", "late", "--timeout", "1ns"]).status.code(), Some(0));
    fail(&server);
    let failed = status(&server)["failed_calls"].as_array().expect("a list").clone();
    let newest = &failed[0];
    assert_eq!(newest["method"], "/no.Such/Method");
    assert_eq!(newest["code"], "UNIMPLEMENTED");
    assert!(newest["peer"].as_str().expect("a peer").starts_with("127.0.0.1:"));
    assert_eq!(newest["request_id"].as_str().map(str::len), Some(16));
    let times: Vec<_> = failed.iter().map(|call| call["time"].as_str().expect("a time")).collect();
    assert!(failed.len() >= 2 && times.is_sorted_by(|one, next| one >= next), "{failed:#?}");
}

fn put(server: &ServerProcess, query: &str, token: Option<&str>) -> Reply {
    let header = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    let target = format!("/log?{query}");
    request(&server.metrics_address, "PUT", &target, &header.unwrap_or_default()).expect("it")
}

fn filter(server: &ServerProcess) -> Value {
    serde_json::from_str(&get(&server.metrics_address, "/log").body).expect("JSON")
}

#[test]
fn the_log_filter_changes_for_a_while() {
    let (_folder, file) = token();
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__ADMIN__TOKEN", &file)], &[]);
    let by_settings = json!({"filter": "info", "until": null, "configured": "info"});
    assert_eq!(filter(&server), by_settings);
    let reply = put(&server, "filter=debug&for=1s", Some(TOKEN));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let changed: Value = serde_json::from_str(&reply.body).expect("JSON");
    assert_eq!((&changed["filter"], &changed["configured"]), (&json!("debug"), &json!("info")));
    assert!(changed["until"].is_string(), "{changed}");
    // Calls of health are logged only at debug.
    assert!(server.run(&["health"]).status.success());
    server.process.wait_for(|line| line.contains("grpc.health.v1.Health/Check").then_some(()));
    server.wait_for_event("the log filter is that of the settings again");
    assert_eq!(filter(&server), by_settings);
}

#[test]
fn a_change_needs_the_token() {
    let server = ServerProcess::with(&[METRICS], &[]);
    for given in [None, Some(TOKEN)] {
        let reply = put(&server, "filter=debug", given);
        assert_eq!(reply.status, 403);
        assert!(reply.body.contains("admin.token is not set"), "{}", reply.body);
    }
    let (folder, file) = token();
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__ADMIN__TOKEN", &file)], &[]);
    let (longer, shorter) = (format!("{TOKEN}x"), &TOKEN[1..]);
    for given in [None, Some("wrong"), Some(&*longer), Some(shorter), Some("")] {
        let reply = put(&server, "filter=debug", given);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, Some("Bearer")));
        assert!(reply.body.contains("admin.token"), "{}", reply.body);
    }
    assert_eq!(filter(&server)["filter"], "info");
    // A new token needs no restart.
    fs::write(&file, "another-token-of-many").expect("a file");
    assert_eq!(put(&server, "filter=warn", Some(TOKEN)).status, 401);
    assert_eq!(put(&server, "filter=warn", Some("another-token-of-many")).status, 200);
    drop(folder);
    let reply = put(&server, "filter=info", Some("another-token-of-many"));
    assert_eq!(reply.status, 403, "{}", reply.body);
}

#[test]
fn a_change_that_is_not_valid_names_what_is_wrong() {
    let (_folder, file) = token();
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__ADMIN__TOKEN", &file)], &[]);
    for (query, named) in [
        ("filter=loud", "\"loud\""),
        ("filter=info,nonsense=debug", "\"nonsense\""),
        ("filter=", "empty"),
        ("for=10m", "filter is missing"),
        ("filter=debug&for=10", "for=10: expected a duration up to 24h"),
        ("filter=debug&for=25h", "24h"),
        ("filter=debug&to=info", "\"to\""),
    ] {
        let reply = put(&server, query, Some(TOKEN));
        assert_eq!(reply.status, 400, "{query}");
        assert!(reply.body.contains(named), "{query}: {}", reply.body);
    }
    assert_eq!(filter(&server)["until"], Value::Null);
}

#[test]
fn a_file_without_a_token_is_a_configuration_error() {
    let (folder, file) = token();
    for content in ["", "short\n", "a token with spaces in it"] {
        fs::write(&file, content).expect("a file");
        for arguments in [&["config", "check"][..], &["serve"]] {
            let output = command(arguments)
                .env("SAMPLE__ADMIN__TOKEN", &file)
                .env("SAMPLE__METRICS__ADDRESS", "127.0.0.1:0")
                .env("SAMPLE__SERVER__ADDRESS", "127.0.0.1:0")
                .output()
                .expect("it runs");
            assert_eq!(output.status.code(), Some(78), "{content:?} {arguments:?}");
            let error = stderr(&output);
            assert!(error.contains("admin.token") && error.contains(&file), "{error}");
        }
    }
    drop(folder);
    assert_eq!(run(&["config", "check"]).status.code(), Some(0));
}

#[test]
fn pages_of_other_sites_can_neither_read_nor_change() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let ask = |target: &str, headers: &str| {
        request(&server.metrics_address, "GET", target, headers).expect("a reply").status
    };
    for target in ["/", "/status", "/events", "/log", "/debug/profile"] {
        assert_eq!(ask(target, "host: evil.example:9464\r\n"), 421, "{target}");
        let foreign = "host: localhost\r\norigin: http://evil.example\r\n";
        assert_eq!(ask(target, foreign), 403, "{target}");
    }
    // Scrapers and probes use the names that they are given.
    for target in ["/metrics", "/livez", "/readyz"] {
        assert_eq!(ask(target, "host: metrics.shop.example\r\n"), 200, "{target}");
    }
    assert_eq!(ask("/status", "host: sample-service.shop.svc.cluster.local:9464\r\n"), 200);
    assert_eq!(ask("/status", "host: localhost\r\norigin: http://localhost\r\n"), 200);
}
