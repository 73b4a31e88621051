//! After an apply, `kubectl diff -k` and `kubectl apply -k` find no change.
//!
//! An API server changes some manifests: it drops empty fields, for example. kubectl would report
//! these changes each time, so the manifests do without them.

use yaml_rust2::Yaml;

use crate::support::manifests::shipped;

/// Calls `visit` with every value below `yaml`, and its path, such as `/spec/ports/0/port`.
fn walk(yaml: &Yaml, path: &str, visit: &mut impl FnMut(&str, &Yaml)) {
    visit(path, yaml);
    match yaml {
        Yaml::Hash(fields) => {
            for (name, value) in fields {
                walk(value, &format!("{path}/{}", name.as_str().expect("a name")), visit);
            }
        }
        Yaml::Array(values) => {
            for (index, value) in values.iter().enumerate() {
                walk(value, &format!("{path}/{index}"), visit);
            }
        }
        _ => {}
    }
}

#[test]
fn no_field_is_empty() {
    for manifests in shipped() {
        for document in manifests.documents() {
            walk(document, "", &mut |path, value| {
                let is_empty = match value {
                    Yaml::Array(values) => values.is_empty(),
                    // An empty selector selects everything, and is kept.
                    Yaml::Hash(fields) => fields.is_empty() && !path.ends_with("/podSelector"),
                    Yaml::Null => true,
                    _ => false,
                };
                let kind = document["kind"].as_str();
                assert!(!is_empty, "{}: {kind:?}{path} would be dropped", manifests.folder);
            });
        }
    }
}

#[test]
fn the_default_of_a_field_that_an_apply_removes_is_written_out() {
    for manifests in shipped() {
        for deployment in manifests.of_kind("Deployment") {
            // An apply replaces the whole strategy (retainKeys), and its defaults with it.
            let strategy = &deployment["spec"]["strategy"]["type"];
            assert_eq!(strategy.as_str(), Some("RollingUpdate"), "{}", manifests.folder);
        }
        for policy in manifests.of_kind("NetworkPolicy") {
            // An apply replaces all rules too, because their list has no merge key.
            walk(&policy["spec"], "", &mut |path, value| {
                if path.ends_with("/ports") {
                    let mut ports = value.as_vec().expect("a list").iter();
                    assert!(ports.all(|port| port["protocol"].as_str().is_some()), "{path}");
                }
            });
        }
    }
}

#[test]
fn quantities_are_as_the_api_server_writes_them() {
    for manifests in shipped() {
        for workload in manifests.of_kind("Deployment").chain(manifests.of_kind("Job")) {
            let container = &workload["spec"]["template"]["spec"]["containers"][0];
            for amount in ["requests", "limits"] {
                let resources = &container["resources"][amount];
                let cpu = resources["cpu"]
                    .as_str()
                    .expect("text, because the API server has no numbers here");
                let is_whole = cpu.strip_suffix("000m").is_some() || cpu.contains('.');
                assert!(!is_whole, "{}: {cpu}", manifests.folder);
                let memory = resources["memory"].as_str().expect("text");
                let mebibytes: u64 =
                    memory.strip_suffix("Mi").and_then(|it| it.parse().ok()).expect("Mi");
                assert!(!mebibytes.is_multiple_of(1024), "{}: {memory} is in Gi", manifests.folder);
            }
        }
    }
}
