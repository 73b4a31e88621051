//! The shipped dashboard of Grafana.

use serde_json::Value;

use super::prometheus::shipped;

/// Metrics that exist only if TLS is on.
pub(crate) const TLS_METRICS: [&str; 2] =
    ["chassis_tls_certificate_expiry_timestamp_seconds", "chassis_tls_reloads_total"];

pub(crate) fn dashboard() -> Value {
    serde_json::from_str(&shipped("dashboard.json")).expect("JSON")
}

/// Returns the queries of the dashboard, each with the title of its panel.
pub(crate) fn dashboard_queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let queries = panels.flat_map(|panel| {
        let targets = panel["targets"].as_array().into_iter().flatten();
        targets.map(|target| (panel["title"].clone(), target["expr"].clone()))
    });
    let text = |value: Value| value.as_str().expect("text").to_owned();
    queries.map(|(title, query)| (text(title), text(query))).collect()
}
