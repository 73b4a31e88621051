//! The shipped files for Prometheus and Grafana, and the documentation of metrics.

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use yaml_rust2::YamlLoader;

use crate::support::{
    certificates::{Authority, write},
    dashboard::{TLS_METRICS, dashboard, dashboard_queries},
    http1::get,
    metrics::METRICS,
    process::{ServerProcess, stderr, stdout},
    program::program,
    prometheus::{self, SHIPPED, shipped},
};

fn succeeds(command: &mut Command) {
    let output = command.output().expect("it runs");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

/// Returns the names of a server's metrics, from their TYPE lines.
fn families(address: &str) -> BTreeSet<String> {
    let text = get(address, "/metrics").body;
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    types.map(|line| line.split(' ').next().expect("a name").to_owned()).collect()
}

/// Returns the name of the metric that a series belongs to.
fn family(series: &str) -> &str {
    let suffixes = ["_bucket", "_sum", "_count"];
    suffixes.iter().find_map(|suffix| series.strip_suffix(suffix)).unwrap_or(series)
}

/// Returns the metrics that a text names: the words that begin with a prefix of the metrics.
fn names(text: &str) -> BTreeSet<String> {
    let of_a_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let words = text.split(|letter| !of_a_name(letter));
    let prefixes = ["chassis_", "grpc_server_", "process_"];
    let named = words.filter(|word| prefixes.iter().any(|prefix| word.starts_with(prefix)));
    named.map(|word| family(word).to_owned()).collect()
}

#[test]
fn promtool_accepts_metrics_and_rules() {
    let Some(mut check_metrics) = program("promtool", prometheus::PACKAGE) else { return };
    let server = ServerProcess::with(&[METRICS], &[]);
    check_metrics.args(["check", "metrics"]).stdin(Stdio::piped());
    let child = check_metrics.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("it runs");
    let metrics = get(&server.metrics_address, "/metrics").body;
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(metrics.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    // promtool exits with 0 after warnings, so the output must be empty.
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
fn promtool_accepts_the_configuration_for_kubernetes() {
    let Some(mut check) = program("promtool", prometheus::PACKAGE) else { return };
    // Debian's Prometheus has no discovery of pods.
    let (pods, none) = ("kubernetes_sd_configs:\n      - role: pod\n", "static_configs: []\n");
    let scrape = shipped("scrape.yaml");
    assert!(scrape.contains(pods));
    let folder = TempDir::new().expect("a folder");
    // In one file, because Debian's Prometheus does not know `scrape_config_files` yet.
    let config = format!("rule_files: [alerts.yaml]\n{}", scrape.replace(pods, none));
    let file = write(folder.path(), "prometheus.yaml", &config);
    write(folder.path(), "alerts.yaml", &shipped("alerts.yaml"));
    succeeds(check.args(["check", "config", &file]));
}

#[test]
fn the_prometheus_operator_gets_the_same_alerts() {
    let file = "../kubernetes/components/prometheus-operator/prometheus-rule.yaml";
    let (rule, alerts) = (shipped(file), shipped("alerts.yaml"));
    let read = |text: &str| YamlLoader::load_from_str(text).expect("YAML").remove(0);
    // To renew the rule: copy the groups of alerts.yaml below `spec:`, indented by two more spaces.
    assert_eq!(read(&rule)["spec"], read(&alerts));
}

#[test]
fn each_alert_is_documented_and_tested_to_fire_and_not_to_fire() {
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
        assert!(documented.contains(&format!("\n\n`{alert}`: ")), "{alert}");
    }
}

#[test]
fn the_runbook_of_each_alert_is_its_heading_in_the_documentation() {
    let rules = YamlLoader::load_from_str(&shipped("alerts.yaml")).expect("YAML").remove(0);
    let documented = operations();
    for rule in rules["groups"][0]["rules"].as_vec().expect("rules") {
        let alert = rule["alert"].as_str().expect("a name");
        let heading = alert.strip_prefix("SampleService").expect("it begins with the service");
        assert!(documented.contains(&format!("\n### {heading}\n\n`{alert}`: ")), "{alert}");
        let anchor = heading.to_lowercase();
        let runbook = rule["annotations"]["runbook_url"].as_str();
        assert_eq!(runbook, Some(&*format!("docs/operations.md#{anchor}")), "{alert}");
    }
}

fn operations() -> String {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operations.md");
    fs::read_to_string(file).expect("the file exists")
}

#[test]
fn documentation_dashboard_and_alerts_use_the_metrics_of_the_server() {
    let folder = TempDir::new().expect("a folder");
    let (certificate, key) = Authority::new("authority").server().issue().write(folder.path());
    let tls = [("SAMPLE__TLS__CERTIFICATE", &*certificate), ("SAMPLE__TLS__KEY", &*key)];
    let server = ServerProcess::with(&[&[METRICS], &tls[..]].concat(), &[]);
    let known = families(&server.metrics_address);
    let plaintext = ServerProcess::with(&[METRICS], &[]);
    let without_tls = families(&plaintext.metrics_address);
    let of_tls: Vec<_> = known.difference(&without_tls).collect();
    assert_eq!(of_tls, TLS_METRICS);

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
fn grafana_can_import_the_dashboard() {
    let dashboard = dashboard();
    // The schema of Grafana 10.0.
    assert!(dashboard["schemaVersion"].as_u64() >= Some(38));
    assert_eq!(dashboard["id"], Value::Null, "Grafana gives the id");
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let names: Vec<_> = variables.iter().map(|variable| &variable["name"]).collect();
    assert_eq!(names, ["datasource", "job", "instance"]);
    assert!(variables[1..].iter().all(|variable| variable["multi"] == true), "{variables:?}");
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        assert!(ids.insert(panel["id"].as_u64().expect("a number")), "twice: {panel}");
        assert!(["type", "title"].iter().all(|key| !panel[key].is_null()), "{panel}");
        assert!(panel["description"].as_str().is_some_and(|text| !text.is_empty()), "{panel}");
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
    }
    for (title, query) in dashboard_queries(&dashboard) {
        // By `=~`, because Grafana writes several chosen values as one pattern.
        let of_the_variables = query.contains("job=~\"$job\",instance=~\"$instance\"");
        assert!(of_the_variables, "{title}: {query}");
    }
    let instances = &variables[2]["query"]["query"];
    assert_eq!(instances, "label_values(chassis_build_info{job=~\"$job\"}, instance)");
}

#[test]
fn no_two_panels_of_the_dashboard_share_a_cell_of_its_24_columns() {
    let mut cells = BTreeSet::new();
    for panel in dashboard()["panels"].as_array().expect("panels") {
        let grid = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        let (x, y) = (grid("x"), grid("y"));
        assert!(x + grid("w") <= 24, "{}", panel["title"]);
        for cell in (x..x + grid("w")).flat_map(|x| (y..y + grid("h")).map(move |y| (x, y))) {
            assert!(cells.insert(cell), "{} covers {cell:?} too", panel["title"]);
        }
    }
}
