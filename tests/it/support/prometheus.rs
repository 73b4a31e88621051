//! A real Prometheus, from Debian's package `prometheus`.

use std::{
    fs,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    http1,
    process::{NEVER, unused_address},
    program::program,
};

/// The folder with the shipped files.
pub(crate) const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/observability");

/// The package of Debian with `prometheus` and `promtool`.
pub(crate) const PACKAGE: &str = "prometheus";

/// The time between two queries while a test waits for a result.
const PAUSE: Duration = Duration::from_millis(100);

/// A Prometheus with the shipped configuration, but a shorter interval. Dropping it kills the
/// process.
pub(crate) struct Prometheus {
    child: Child,
    address: String,
    folder: TempDir,
}

impl Prometheus {
    /// Starts to scrape these addresses.
    pub(crate) fn start(targets: &[&str]) -> Option<Self> {
        Self::with_features(targets, &[])
    }

    /// Starts to scrape these addresses, with these features (`--enable-feature`).
    pub(crate) fn with_features(targets: &[&str], features: &[&str]) -> Option<Self> {
        let mut prometheus = program("prometheus", PACKAGE)?;
        let folder = tempfile::tempdir().expect("a folder");
        let mut config = shipped("prometheus.yaml");
        for (from, to) in [
            ("_interval: 15s", "_interval: 200ms"),
            ("\"localhost:9464\"", &format!("\"{}\"", targets.join("\", \""))),
        ] {
            assert!(config.contains(from), "no {from} in {config}");
            config = config.replace(from, to);
        }
        let write =
            |name, text| fs::write(folder.path().join(name), text).expect("the folder is writable");
        write("prometheus.yaml", config);
        write("alerts.yaml", shipped("alerts.yaml"));

        let address = unused_address();
        let log = fs::File::create(folder.path().join("log")).expect("the folder is writable");
        let file = folder.path().join("prometheus.yaml");
        prometheus.arg(format!("--config.file={}", file.display()));
        prometheus.arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()));
        prometheus.arg(format!("--web.listen-address={address}"));
        prometheus.args(features.iter().map(|feature| format!("--enable-feature={feature}")));
        prometheus.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = prometheus.spawn().expect("it runs");
        Some(Self { child, address, folder })
    }

    /// Returns the data of the API at this path, or `None` if there is none (yet).
    pub(crate) fn api(&self, path: &str) -> Option<Value> {
        let reply = http1::request(&self.address, "GET", &format!("/api/v1/{path}"), "").ok()?;
        let mut response: Value = serde_json::from_str(&reply.body).ok()?;
        assert_eq!(response["status"], "success", "{path}: {response}");
        Some(response["data"].take())
    }

    /// Returns the series of a query, each with its value.
    pub(crate) fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let Some(data) = self.api(&format!("query?query={encoded}")) else { return Vec::new() };
        let series = data["result"].as_array().expect("a list").iter();
        let value = |one: &Value| one["value"][1].as_str()?.parse().ok();
        series.map(|one| (one["metric"].clone(), value(one).expect("a number"))).collect()
    }

    /// Waits until `found` returns a value. `what` completes the error "never …".
    pub(crate) fn wait_for<T>(&self, what: &str, found: impl Fn(&Self) -> Option<T>) -> T {
        let deadline = Instant::now() + NEVER;
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "never {what}; Prometheus said:\n{}", log());
            thread::sleep(PAUSE);
        }
    }

    /// Waits until the query returns one series with this value.
    pub(crate) fn wait_for_value(&self, query: &str, expected: f64) {
        let deadline = Instant::now() + NEVER;
        loop {
            let series = self.query(query);
            if matches!(series.as_slice(), [(_, value)] if *value == expected) {
                return;
            }
            assert!(Instant::now() < deadline, "{query} is not {expected} but {series:?}");
            thread::sleep(PAUSE);
        }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the text of a shipped file.
pub(crate) fn shipped(name: &str) -> String {
    fs::read_to_string(format!("{SHIPPED}/{name}")).expect("it is shipped")
}
