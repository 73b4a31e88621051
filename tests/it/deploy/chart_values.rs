//! The values of the Helm chart: `values.yaml`, `values.schema.json` and the table of its README
//! have the same ones, with the same descriptions.

use std::{collections::BTreeMap, fs};

use serde_json::Value;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::chart::{CHART, helm, template};

/// A value that has a comment in the form that helm-docs reads.
struct Described {
    text: String,
    /// The text that the README shows in place of the default.
    default: Option<String>,
}

fn read(file: &str) -> String {
    fs::read_to_string(format!("{CHART}/{file}")).expect("the file exists")
}

fn schema() -> Value {
    serde_json::from_str(&read("values.schema.json")).expect("JSON")
}

/// Returns the described values of `values.yaml`, by their paths.
fn described() -> BTreeMap<String, Described> {
    let (mut found, mut keys) = (BTreeMap::new(), Vec::new());
    let (mut text, mut default) = (Vec::new(), None);
    for line in read("values.yaml").lines() {
        let content = line.trim_start();
        if let Some(comment) = content.strip_prefix('#') {
            if let Some(first) = comment.strip_prefix(" -- ") {
                text = vec![first.to_owned()];
            } else if let Some(instead) = comment.strip_prefix(" @default -- ") {
                default = Some(instead.to_owned());
            } else if !text.is_empty() {
                text.push(comment.trim().to_owned());
            }
            continue;
        }
        if let Some((key, _)) = content.split_once(':').filter(|_| !content.starts_with('-')) {
            let indent = line.len() - content.len();
            keys.retain(|(of_key, _)| *of_key < indent);
            keys.push((indent, key));
            if !text.is_empty() {
                let path: Vec<_> = keys.iter().map(|(_, key)| *key).collect();
                let described = Described { text: text.join(" "), default: default.take() };
                found.insert(path.join("."), described);
            }
        }
        text.clear();
    }
    found
}

/// Returns a value as JSON.
fn json(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::Hash(fields) => {
            let fields = fields.iter();
            fields
                .map(|(key, value)| (key.as_str().expect("text").to_owned(), json(value)))
                .collect()
        }
        Yaml::Array(values) => values.iter().map(json).collect(),
        Yaml::String(text) => Value::from(text.as_str()),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Boolean(value) => Value::from(*value),
        Yaml::Null => Value::Null,
        other => panic!("not among the values: {other:?}"),
    }
}

fn values() -> Value {
    json(&YamlLoader::load_from_str(&read("values.yaml")).expect("YAML")[0])
}

/// Returns the table that helm-docs makes of `values.yaml`.
fn table() -> String {
    let values = values();
    let mut table = "| Key | Type | Default | Description |\n\
                     |-----|------|---------|-------------|"
        .to_owned();
    for (path, Described { text, default }) in described() {
        let value = values.pointer(&format!("/{}", path.replace('.', "/")));
        let value = value.expect("it has a comment");
        let kind = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "int",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
            Value::String(_) | Value::Null => "string",
        };
        let default = default.unwrap_or_else(|| format!("`{value}`"));
        table += &format!("\n| {path} | {kind} | {default} | {text} |");
    }
    table
}

/// Adds the descriptions of a schema below `path`, and asserts that each value has one, and that no
/// other value is accepted.
fn descriptions(path: &str, schema: &Value, found: &mut BTreeMap<String, String>) {
    let description = schema["description"].as_str();
    if let Some(description) = description {
        found.insert(path.to_owned(), description.to_owned());
    }
    assert!(!schema["type"].is_null(), "{path} has no type");
    let Some(properties) = schema["properties"].as_object() else {
        assert!(description.is_some(), "{path} has no description");
        return;
    };
    let others = &schema["additionalProperties"];
    // The schema accepts every setting, because the server refuses those that it does not know.
    let is_setting = path.starts_with("settings") && others["$ref"] == "#/definitions/setting";
    assert!(*others == false || is_setting, "{path} accepts every name");
    for (name, value) in properties.iter().filter(|(name, _)| *name != "global") {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        descriptions(&path, value, found);
    }
}

/// Asserts that each value has a comment, or is part of a value that has a comment.
fn assert_described(path: &str, value: &Value, described: &BTreeMap<String, Described>) {
    if path != "settings" && described.contains_key(path) {
        return;
    }
    let fields = value.as_object().unwrap_or_else(|| panic!("{path} has no comment"));
    for (name, value) in fields {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        assert_described(&path, value, described);
    }
}

#[test]
fn the_readme_of_the_chart_has_the_table_of_values() {
    let (readme, source) = (read("README.md"), read("README.md.gotmpl"));
    let made = source.replace("{{ template \"chart.valuesTable\" . }}", &table());
    assert!(made != source, "no place for the table");
    assert!(readme == made, "put this into deploy/chart/README.md:\n{made}");
}

#[test]
fn the_schema_describes_each_value_as_its_comment_does() {
    let described = described();
    assert_described("", &values(), &described);
    let mut found = BTreeMap::new();
    descriptions("", &schema(), &mut found);
    let expected = described.into_iter().map(|(path, described)| (path, described.text));
    assert_eq!(found, expected.collect::<BTreeMap<_, _>>());
}

/// Asserts that Helm refuses the values with an error that has this text.
fn assert_refused(values: &str, error: &str) {
    let result = template("sample-service", &["--set", values]);
    let reported = result.err().unwrap_or_else(|| panic!("{values} is accepted"));
    assert!(reported.contains(error), "{values}: {reported}");
}

#[test]
fn a_value_with_another_name_or_type_is_an_error_that_names_it() {
    if helm().is_none() {
        return;
    }
    for (value, error) in [
        ("imagee.tag=x", "'imagee'"),
        ("image.tga=x", "'tga'"),
        ("tls.certificate.issuer=x", "'issuer'"),
        ("replicas=many", "replicas"),
        ("ports.grpc=70000", "/ports/grpc"),
        ("settings.server.max_workers[0]=5", "max_workers"),
        ("ports=null", "'ports'"),
    ] {
        assert_refused(value, error);
    }
    // Helm adds `global` if the chart is a part of another.
    template("sample-service", &["--set", "global.name=x"]).expect("it is accepted");
}

#[test]
fn values_that_contradict_each_other_are_errors_that_say_what_to_set() {
    if helm().is_none() {
        return;
    }
    for (values, error) in [
        ("terminationGracePeriodSeconds=88", "give at least 89"),
        ("settings.shutdown.lame_duck=soon", "\"soon\" is not a duration, such as 65s"),
        ("settings.shutdown.lame_duck=1 week", "the unit of \"1 week\" is not ms, s, m or h"),
        ("settings.server.address=x", "settings.server.address is made from ports.grpc: set that"),
        ("settings.metrics.address=x", "made from metrics.enabled and ports.metrics"),
        ("settings.tls.client_ca=x", "made from tls.clientCertificates"),
        ("ports.health=9999", "two of ports.grpc, ports.health and ports.metrics are the same"),
        ("tls.certificate.enabled=true", "needs tls.enabled"),
        ("tls.enabled=true,tls.certificate.enabled=true", "needs tls.certificate.issuerRef.name"),
        ("metrics.podMonitor.enabled=true", "metrics.podMonitor.enabled needs metrics.enabled"),
        ("metrics.rules.enabled=true", "metrics.rules.enabled needs metrics.enabled"),
        ("autoscaling.keda.enabled=true", "needs autoscaling.enabled and metrics.enabled"),
        ("autoscaling.cpu=0", "needs cpu, memory, queueLength, metrics or keda"),
        ("autoscaling.minReplicas=11", "minReplicas is more than autoscaling.maxReplicas"),
        ("rollout.minReadySeconds=60", "progressDeadlineSeconds must be more than"),
        ("rollout.maxSurge=0", "rollout.maxSurge and rollout.maxUnavailable are both 0"),
        ("autoscaling.enabled=false,replicas=null", "replicas is needed"),
        ("fullnameOverride=1st", "the name of a Service begins with a letter"),
        (
            "tls.enabled=true,ingress.enabled=true,ingress.host=a,ingress.tlsSecretName=b",
            "set tls.clientCertificates=false",
        ),
        ("grpcRoute.enabled=true", "grpcRoute.enabled needs grpcRoute.parentRefs"),
        ("ingress.enabled=true", "needs ingress.host and ingress.tlsSecretName"),
    ] {
        assert_refused(values, error);
    }
}
