//! The Helm chart: it renders the same objects as `deploy/kubernetes`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};
use yaml_rust2::Yaml;

use crate::support::{
    chart::PREFIX,
    manifests::{Manifests, shipped},
};

/// The labels that only the chart has. Helm's conventions ask for them on every object. Selectors
/// have the instance, so that two releases in a namespace do not select each other's pods.
const LABELS: [&str; 4] = [
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

/// The labels that only the chart's query for KEDA selects by. A kustomization cannot, because it
/// does not know the namespace.
const RELEASE: &str = r#",namespace="default",pod=~"sample-service-[a-z0-9]+-[a-z0-9]+""#;

/// Returns YAML as JSON without the chart's labels. The order of fields is lost, and so is the
/// order of items that have names, such as ports.
fn without_labels(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Hash(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.as_str().expect("text"), value));
            let fields = fields.filter(|(name, _)| !LABELS.contains(name));
            let fields = fields.map(|(name, value)| (name.to_owned(), without_labels(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        Yaml::Array(values) => {
            let values: Vec<_> = values.iter().map(without_labels).collect();
            let named = values.iter().map(|it| Some((it["name"].as_str()?.to_owned(), it.clone())));
            let by_name: Option<BTreeMap<_, _>> = named.collect();
            by_name
                .filter(|it| it.len() == values.len())
                .map_or_else(|| values.into(), Value::from_iter)
        }
        Yaml::String(text) => text.replace(RELEASE, "").into(),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Boolean(value) => Value::from(*value),
        other => panic!("not in a manifest: {other:?}"),
    }
}

/// Returns all objects but hooks, by kind and name.
fn objects(manifests: &Manifests) -> BTreeMap<String, Value> {
    let objects = manifests.documents().iter().map(without_labels);
    let objects = objects.filter(|it| it["metadata"]["annotations"]["helm.sh/hook"].is_null());
    let objects = objects.map(|it| (format!("{} {}", it["kind"], it["metadata"]["name"]), it));
    objects.collect()
}

/// Adds the paths below `path` at which the values differ.
fn differences(path: &str, chart: &Value, kustomize: &Value, found: &mut Vec<String>) {
    match (chart, kustomize) {
        (Value::Object(one), Value::Object(other)) => {
            for name in one.keys().chain(other.keys()).collect::<BTreeSet<_>>() {
                let path = format!("{path}/{name}");
                differences(&path, &chart[name], &kustomize[name], found);
            }
        }
        _ if chart == kustomize => {}
        _ => found.push(format!("{path}: the chart has {chart}, Kustomize {kustomize}")),
    }
}

#[test]
fn the_chart_renders_the_objects_of_each_kustomization() {
    let (charts, folders): (Vec<_>, Vec<_>) =
        shipped().iter().partition(|manifests| manifests.folder.starts_with(PREFIX));
    let mut found = Vec::new();
    let mut compared = 0;
    for chart in &charts {
        let Some(folder) = folders.iter().find(|it| it.folder == chart.overlay()) else { continue };
        compared += 1;
        let objects = [chart, folder].map(|it| Value::from_iter(objects(it)));
        differences(chart.folder, &objects[0], &objects[1], &mut found);
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    let expected = if charts.is_empty() || folders.len() == 1 { 0 } else { 9 };
    assert_eq!(compared, expected);
}

#[test]
fn helm_test_makes_the_call_of_the_job() {
    let all = shipped();
    for (job, chart) in [("client", "chart: base"), ("client-tls", "chart: tls")] {
        let of = |folder| all.iter().find(|manifests| manifests.folder == folder);
        let (Some(job), Some(chart)) = (of(job), of(chart)) else { return };
        let (job, pod) = (without_labels(job.the("Job")), without_labels(chart.the("Pod")));
        let mut expected = job["spec"]["template"]["spec"].clone();
        expected["activeDeadlineSeconds"] = job["spec"]["activeDeadlineSeconds"].clone();
        let mut found = Vec::new();
        differences(chart.folder, &pod["spec"], &expected, &mut found);
        assert!(found.is_empty(), "{}", found.join("\n"));
        assert_eq!(pod["metadata"]["annotations"]["helm.sh/hook"], "test");
    }
}
