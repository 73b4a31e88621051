//! An upgrade of the Helm chart keeps the settings of old pods, or removes them.

use serde_json::{Value, json};
use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::{
    api_server,
    chart::{CHART, helm},
    process::{stderr, stdout},
};

/// Values that render only kinds that the API server of this test has.
const VALUES: &str = "autoscaling.enabled=false,podDisruptionBudget.enabled=false,\
                      networkPolicy.enabled=false,serviceAccount.create=false,test.enabled=false";

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// Returns a ReplicaSet of a release whose pods read this ConfigMap.
fn replica_set(release: &str, config_map: &str) -> Value {
    let container = json!({"name": "server", "envFrom": [{"configMapRef": {"name": config_map}}]});
    // A service mesh adds a container like this.
    let sidecar = json!({"name": "sidecar"});
    json!({
        "metadata": {"name": config_map, "labels": {"app.kubernetes.io/instance": release}},
        "spec": {"template": {"spec": {"containers": [sidecar, container]}}},
    })
}

/// Returns a ConfigMap of the release.
fn config_map(name: &str) -> Value {
    let annotations = json!({
        "meta.helm.sh/release-name": "sample-service",
        "meta.helm.sh/release-namespace": "default",
    });
    let labels = json!({"app.kubernetes.io/managed-by": "Helm"});
    json!({
        "kind": "ConfigMap",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": labels, "annotations": annotations},
        "data": {"SAMPLE__LOG__LEVEL": "debug"},
    })
}

/// Returns the ConfigMaps of a release that is rendered with these values for a cluster in which
/// there are old pods.
fn config_maps(values: &str) -> Option<Vec<Yaml>> {
    let replica_sets = json!({"kind": "ReplicaSetList", "apiVersion": "apps/v1", "items": [
        replica_set("sample-service", "sample-service-old"),
        // Another release, whose name starts with the name of this one.
        replica_set("sample-service-two", "sample-service-two-old"),
        {"metadata": {"name": "of no release"}, "spec": {"template": {"spec": {"containers": []}}}},
    ]});
    let names = ["sample-service-old", "sample-service-two-old"];
    let maps = names.iter().map(|name| (format!("{MAPS}/{name}"), config_map(name)));
    let mut objects = maps.collect::<Vec<_>>();
    objects.push(("/apis/apps/v1/namespaces/default/replicasets".to_owned(), replica_sets));
    let address = api_server::serve(objects);
    let mut render = helm()?;
    let home = TempDir::new().expect("a folder");
    render.args(["template", "sample-service", CHART, "--namespace=default", "--dry-run=server"]);
    render.args(["--disable-openapi-validation", "--set", VALUES, "--set", values]);
    render.arg(format!("--kube-apiserver=http://{address}"));
    // Without these, helm would use the cluster that this machine is configured for.
    let output = render.env("HOME", home.path()).env_remove("KUBECONFIG").output();
    let output = output.expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let mut all = YamlLoader::load_from_str(&stdout(&output)).expect("YAML");
    all.retain(|object| object["kind"].as_str() == Some("ConfigMap"));
    Some(all)
}

fn names(maps: &[Yaml]) -> Vec<&str> {
    maps.iter().map(|map| map["metadata"]["name"].as_str().expect("a name")).collect()
}

#[test]
fn an_upgrade_keeps_the_settings_of_old_replica_sets() {
    let Some(maps) = config_maps("keepOldSettings=true") else { return };
    let names = names(&maps);
    assert_eq!(names.len(), 2, "{names:?}");
    assert_eq!(names[1], "sample-service-old");
    assert_eq!(maps[1]["data"]["SAMPLE__LOG__LEVEL"].as_str(), Some("debug"));
}

#[test]
fn an_upgrade_removes_old_settings_if_keep_old_settings_is_false() {
    let Some(maps) = config_maps("keepOldSettings=false") else { return };
    assert_eq!(names(&maps).len(), 1);
}
