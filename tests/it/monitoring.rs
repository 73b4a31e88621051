//! What is shipped for Prometheus and Grafana, and its documentation.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    metrics::METRICS,
    support::{
        certificates::{Authority, write},
        http1::get,
        process::{ServerProcess, stderr, stdout},
        prometheus::{SHIPPED, program, shipped},
    },
};

/// Only there while TLS is on.
pub(crate) const TLS_ALONE: [&str; 2] =
    ["sample_service_tls_certificate_expiry_timestamp_seconds", "sample_service_tls_reloads_total"];

fn succeeds(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

/// The metrics that a server has, by the names that its TYPE lines give them.
fn families(address: &str) -> BTreeSet<String> {
    let text = get(address, "/metrics").body;
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().expect("a name").to_owned()).collect()
}

/// The metric that a series of this name is of.
fn family(series: &str) -> &str {
    let suffixes = ["_bucket", "_sum", "_count"];
    suffixes.iter().find_map(|suffix| series.strip_suffix(suffix)).unwrap_or(series)
}

/// Every word in a text that has the beginning of a metric's name.
fn names(text: &str) -> BTreeSet<String> {
    let of_a_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !of_a_name(letter));
    let prefixes = ["sample_service_", "grpc_server_", "process_"];
    let named = words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)));
    named.map(|word| family(word).to_owned()).collect()
}

/// The queries of the dashboard, each with the title of its panel.
pub(crate) fn dashboard_queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let queries = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| (panel["title"].clone(), target["expr"].clone()))
    });
    let text = |value: Value| value.as_str().expect("text").to_owned();
    queries.map(|(title, query)| (text(title), text(query))).collect()
}

pub(crate) fn dashboard() -> Value {
    serde_json::from_str(&shipped("dashboard.json")).expect("JSON")
}

#[test]
fn promtool_finds_no_fault_in_metrics_and_rules() {
    let Some(mut check_metrics) = program("promtool") else { return };
    let server = ServerProcess::with(&[METRICS], &[]);
    check_metrics.args(["check", "metrics"]).stdin(Stdio::piped());
    let child = check_metrics.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("it runs");
    let metrics = get(&server.metrics_address, "/metrics").body;
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(metrics.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    // What it would name otherwise it writes, and calls it a success.
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!((stdout(&output), stderr(&output)), (String::new(), String::new()));

    for arguments in [
        ["check", "config", "prometheus.yaml"],
        ["check", "rules", "alerts.yaml"],
        ["test", "rules", "alerts_test.yaml"],
    ] {
        succeeds(Command::new("promtool").args(arguments).current_dir(SHIPPED));
    }
}

#[test]
fn promtool_finds_no_fault_in_the_configuration_for_kubernetes() {
    let Some(mut check) = program("promtool") else { return };
    // Debian's Prometheus cannot look for pods.
    let (pods, none) = ("kubernetes_sd_configs:\n      - role: pod\n", "static_configs: []\n");
    let config = shipped("prometheus-kubernetes.yaml");
    assert!(config.contains(pods));
    let folder = TempDir::new().expect("a folder");
    let file = write(folder.path(), "prometheus.yaml", &config.replace(pods, none));
    write(folder.path(), "alerts.yaml", &shipped("alerts.yaml"));
    succeeds(check.args(["check", "config", &file]));
}

#[test]
fn each_alert_is_tested_to_fire_and_not_to_and_is_documented() {
    let (alerts, tests) = (shipped("alerts.yaml"), shipped("alerts_test.yaml"));
    let documented = operations();
    let alerts: Vec<_> =
        alerts.lines().filter_map(|l| l.trim().strip_prefix("- alert: ")).collect();
    assert!(!alerts.is_empty());
    for alert in alerts {
        let cases: Vec<_> = tests.split("alertname: ").filter(|t| t.starts_with(alert)).collect();
        let (quiet, firing): (Vec<_>, Vec<_>) =
            cases.iter().partition::<Vec<&str>, _>(|case| case.contains("exp_alerts: []"));
        assert!(!quiet.is_empty() && !firing.is_empty(), "{alert}");
        assert!(documented.contains(&format!("| `{alert}` |")), "{alert}");
    }
}

fn operations() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    fs::read_to_string(file).expect("it is there")
}

#[test]
fn what_is_documented_shown_and_alerted_on_is_what_there_is() {
    let folder = TempDir::new().expect("a folder");
    let (certificate, key) = Authority::new("authority").server().issue().write(folder.path());
    let tls = [("SAMPLE__TLS__CERTIFICATE", &*certificate), ("SAMPLE__TLS__KEY", &*key)];
    let server = ServerProcess::with(&[&[METRICS], &tls[..]].concat(), &[]);
    let known = families(&server.metrics_address);
    let plaintext = ServerProcess::with(&[METRICS], &[]);
    let without_tls = families(&plaintext.metrics_address);
    let of_tls: Vec<_> = known.difference(&without_tls).collect();
    assert_eq!(of_tls, TLS_ALONE);

    let documented = operations();
    for name in &known {
        assert!(documented.contains(&format!("\n| `{name}` |")), "{name} has no row");
    }
    for (file, text) in [
        ("docs/operations.md", documented),
        ("alerts.yaml", shipped("alerts.yaml")),
        ("alerts_test.yaml", shipped("alerts_test.yaml")),
        ("dashboard.json", shipped("dashboard.json")),
    ] {
        let unknown: Vec<_> = names(&text).difference(&known).cloned().collect();
        assert_eq!(unknown, [""; 0], "in {file}");
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_can_import() {
    let dashboard = dashboard();
    // That of Grafana 10.0.
    assert!(dashboard["schemaVersion"].as_u64() >= Some(38));
    assert_eq!(dashboard["id"], Value::Null, "Grafana gives the id");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let variables: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(variables, ["datasource", "job", "instance"]);
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "twice: {panel}");
        assert!(["type", "title", "gridPos"].iter().all(|key| !panel[key].is_null()), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
    }
    for (title, query) in dashboard_queries(&dashboard) {
        let of_the_variables = query.contains("job=\"$job\",instance=~\"$instance\"");
        assert!(of_the_variables, "{title}: {query}");
    }
}
