//! Releases of the Helm chart with values of many kinds, and the chart as a package.

use std::{collections::BTreeSet, fs, process::Command};

use tempfile::TempDir;
use yaml_rust2::Yaml;

use crate::support::{
    chart::{CHART, documents, helm, render, the},
    process::{stderr, stdout},
    prometheus::shipped,
    schemas::assert_valid,
};

/// Values that no example has, and that render more or other objects and fields.
const OTHER_VALUES: &str = r#"
image: {repository: registry/service, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000", pullPolicy: Always}
imagePullSecrets: [{name: registry}]
autoscaling:
  memory: 70
  queueLength: 20
  behavior: {scaleDown: {stabilizationWindowSeconds: 60}}
  metrics:
    - type: External
      external: {metric: {name: queue}, target: {type: Value, value: "10"}}
settings: {limits: {connections: null}, service: {work: 5ms}, tracing: {endpoint: http://collector:4317, sample: 0.5}}
podDisruptionBudget: {maxUnavailable: 20%}
rollout: {maxSurge: 25%}
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: spot, operator: Exists, effect: NoSchedule}]
affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {matchExpressions: [{key: spot, operator: Exists}]}}]}}
priorityClassName: high
serviceAccount: {annotations: {a: b}}
service: {annotations: {a: b}}
podAnnotations: {a: b}
podLabels: {a: b}
env: [{name: SAMPLE__LOG__LEVEL, valueFrom: {secretKeyRef: {name: log, key: level}}}]
volumes: [{name: cache, emptyDir: {}}]
volumeMounts: [{name: cache, mountPath: /cache}]
tls: {enabled: true, clientCertificates: false}
metrics: {enabled: true, podMonitor: {enabled: true}, rules: {enabled: true}, dashboard: {enabled: true}}
networkPolicy:
  callers: {namespaces: [one, two], ports: [8080]}
  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}], ports: [{port: grpc, protocol: TCP}]}]
  egress: [{to: [{podSelector: {}}], ports: [{port: 4317, protocol: TCP}]}]
ingress: {enabled: true, host: example.com, tlsSecretName: example, annotations: {a: b}}
"#;

/// Values without the parts that can be left out.
const LEAST_VALUES: &str = "
autoscaling: {enabled: false}
podDisruptionBudget: {enabled: false}
spread: {enabled: false}
networkPolicy: {enabled: false}
serviceAccount: {create: false}
test: {enabled: false}
resources: {requests: null, limits: null}
securityContext: null
";

#[test]
fn the_schemas_accept_what_other_values_render() {
    if helm().is_none() {
        return;
    }
    let texts = [("other", OTHER_VALUES), ("least", LEAST_VALUES)];
    let texts = texts.map(|(name, values)| (name, render("sample-service", values).expect(name)));
    assert_valid(texts.iter().map(|(name, text)| (*name, &**text)));

    let least = documents(&texts[1].1);
    let mut kinds: Vec<_> = least.iter().filter_map(|it| it["kind"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["ConfigMap", "Deployment", "Service", "Service"]);
    assert_eq!(the(&least, "Deployment")["spec"]["replicas"].as_i64(), Some(3));
}

#[test]
fn settings_become_variables_of_the_server() {
    if helm().is_none() {
        return;
    }
    let values = "settings: {server: {max_workers: 1000000}, limits: {connections: null, \
                  connections_per_peer: 0}, reflection: {enabled: false}, tracing: {sample: 0.5}}";
    let all = documents(&render("sample-service", values).expect("valid"));
    let data = &the(&all, "ConfigMap")["data"];
    for (name, value) in [
        // As a number, a million would be 1e+06.
        ("SERVER__MAX_WORKERS", Some("1000000")),
        ("LIMITS__CONNECTIONS", None),
        ("LIMITS__CONNECTIONS_PER_PEER", Some("0")),
        ("REFLECTION__ENABLED", Some("false")),
        ("TRACING__SAMPLE", Some("0.5")),
        ("SHUTDOWN__LAME_DUCK", Some("65s")),
    ] {
        assert_eq!(data[&*format!("SAMPLE__{name}")].as_str(), value, "{name}");
    }
}

#[test]
fn the_grace_period_follows_the_shutdown_settings_unless_it_is_given() {
    if helm().is_none() {
        return;
    }
    for (values, expected) in [
        ("settings: {shutdown: {lame_duck: 1m 30s, drain: 1500ms, flush: 0s}}", 95),
        // The defaults of the server.
        ("settings: {shutdown: {lame_duck: null, drain: null, flush: null}}", 30),
        ("settings: {shutdown: null}", 30),
        ("terminationGracePeriodSeconds: 89", 89),
    ] {
        let all = documents(&render("sample-service", values).expect("valid"));
        let pod = &the(&all, "Deployment")["spec"]["template"]["spec"];
        assert_eq!(pod["terminationGracePeriodSeconds"].as_i64(), Some(expected), "{values}");
    }
}

#[test]
fn two_releases_in_a_namespace_share_no_object_and_select_only_their_own_pods() {
    if helm().is_none() {
        return;
    }
    let everything =
        format!("{OTHER_VALUES}\ngrpcRoute: {{enabled: true, parentRefs: [{{name: g}}]}}");
    let releases = ["sample-service", "blue"];
    let all = releases.map(|release| documents(&render(release, &everything).expect("valid")));
    let names = all.each_ref().map(|objects| {
        let key =
            |it: &Yaml| (it["kind"].as_str().map(str::to_owned), it["metadata"]["name"].clone());
        objects.iter().map(key).collect::<BTreeSet<_>>()
    });
    assert!(names[0].is_disjoint(&names[1]));
    let selector = |objects: &[Yaml]| the(objects, "Deployment")["spec"]["selector"].clone();
    assert_ne!(selector(&all[0]), selector(&all[1]));
    for (release, objects) in releases.iter().zip(&all) {
        let labels = |yaml: &Yaml| yaml["app.kubernetes.io/instance"].as_str() == Some(release);
        assert!(labels(&the(objects, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]));
        assert!(labels(&the(objects, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"]));
        assert!(labels(&the(objects, "PodMonitor")["spec"]["selector"]["matchLabels"]));
        let mut services = objects.iter().filter(|it| it["kind"].as_str() == Some("Service"));
        assert!(services.all(|service| labels(&service["spec"]["selector"])));
    }
}

#[test]
fn the_longest_name_of_a_release_fits_into_the_names_of_objects() {
    if helm().is_none() {
        return;
    }
    // Helm accepts names of at most 53 characters.
    let all = documents(&render(&"r".repeat(53), OTHER_VALUES).expect("valid"));
    for object in all {
        let name = object["metadata"]["name"].as_str().expect("a name");
        assert!(name.len() <= 63, "{name}");
    }
}

#[test]
fn the_alerts_select_the_job_of_another_name() {
    if helm().is_none() {
        return;
    }
    let values = "nameOverride: other\nmetrics: {enabled: true, rules: {enabled: true}}";
    let text = render("other", values).expect("valid");
    let expressions = text.matches("{job=\"other\"").count();
    assert_eq!(expressions, shipped("alerts.yaml").matches("{job=\"sample-service\"").count());
    assert!(!text.contains("job=\"sample-service\""));
}

#[test]
fn helm_lint_accepts_the_chart() {
    let Some(mut lint) = helm() else { return };
    let output = lint.args(["lint", "--strict", CHART]).output().expect("it runs");
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
}

#[test]
fn the_package_has_the_version_of_the_program_and_the_files_for_prometheus_and_grafana() {
    let Some(mut package) = helm() else { return };
    let folder = TempDir::new().expect("a folder");
    package.args(["package", CHART, "--destination"]).arg(folder.path());
    let output = package.output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let version = env!("CARGO_PKG_VERSION");
    let mut unpack = Command::new("tar");
    unpack.arg("-xzf").arg(format!("sample-service-{version}.tgz")).current_dir(folder.path());
    assert!(unpack.status().expect("it runs").success());
    let read = |name: &str| fs::read_to_string(folder.path().join("sample-service").join(name));
    // In the repository these files are symbolic links, so that there is no copy that can differ.
    for file in ["alerts.yaml", "dashboard.json"] {
        assert!(
            read(&format!("files/{file}")).expect("the file exists") == shipped(file),
            "{file}"
        );
    }
    let chart = documents(&read("Chart.yaml").expect("the file exists"));
    assert_eq!(chart[0]["appVersion"].as_str(), Some(version));
    assert!(read("README.md.gotmpl").is_err(), "the source of the README is not for users");
}
