//! The manifests for Kubernetes, together with the settings in them.

use std::{collections::BTreeSet, time::Duration};

use chassis::config::Settings;
use tempfile::TempDir;

use crate::support::{
    certificates::{Authority, write},
    manifests::{Manifests, call_port, seconds, servers, shipped},
    process::{ServerProcess, command, stderr},
    schemas::assert_valid,
};

/// How long the DNS of a cluster can return old addresses: the default of CoreDNS with kubeadm.
const DNS_TIME_TO_LIVE: Duration = Duration::from_secs(30);

/// The least time between two resolutions of a name by a gRPC client: the default of
/// `grpc.dns_min_time_between_resolutions_ms`, and of grpc-go.
const LEAST_RESOLUTION_INTERVAL: Duration = Duration::from_secs(30);

#[test]
fn the_grace_period_is_longer_than_the_longest_shutdown() {
    for (manifests, Settings { shutdown, .. }) in servers() {
        let pod = manifests.pod().expect("a server");
        let grace = seconds(&pod["spec"]["terminationGracePeriodSeconds"]);
        let end = shutdown.lame_duck + shutdown.drain + shutdown.flush;
        // The process can end up to a second after the bound.
        assert!(grace > end + Duration::from_secs(1), "{}: {grace:?}, {end:?}", manifests.folder);
    }
}

#[test]
fn a_lame_duck_serves_longer_than_clients_can_have_only_old_addresses() {
    for (manifests, Settings { shutdown, .. }) in servers() {
        let old = DNS_TIME_TO_LIVE + LEAST_RESOLUTION_INTERVAL;
        assert!(shutdown.lame_duck > old, "{}: {:?}", manifests.folder, shutdown.lame_duck);
    }
}

#[test]
fn probes_use_the_health_address() {
    for (manifests, settings) in servers() {
        let server = &manifests.pod().expect("a server")["spec"]["containers"][0];
        // On the port of calls, probes would fail with TLS, and if limits.connections is reached.
        let address = settings.server.health_address.expect("a health address");
        for (probe, name) in [
            ("startupProbe", "SampleService"),
            ("readinessProbe", "SampleService"),
            ("livenessProbe", "liveness"),
        ] {
            let asked = &server[probe]["grpc"];
            let context = format!("{}, {probe}: {asked:?}", manifests.folder);
            assert_eq!(asked["port"].as_i64(), Some(address.port().into()), "{context}");
            assert_eq!(asked["service"].as_str(), Some(name), "{context}");
            assert!(seconds(&server[probe]["timeoutSeconds"]).as_secs() > 1, "{context}");
        }
    }
    let server = ServerProcess::start(&[]);
    for name in ["SampleService", "liveness"] {
        assert!(server.run(&["health", name]).status.success(), "{name}");
    }
}

#[test]
fn the_declared_ports_are_the_configured_ports() {
    for (manifests, settings) in servers() {
        let pod = manifests.pod().expect("a server");
        let served = settings.metrics.address.map(|address| address.port().to_string());
        let scraped = &pod["metadata"]["annotations"]["prometheus.io/port"];
        match manifests.of_kind("PodMonitor").next() {
            Some(monitor) => {
                let endpoint = &monitor["spec"]["podMetricsEndpoints"][0];
                assert_eq!(endpoint["port"].as_str(), Some("metrics"));
                assert!(scraped.is_badvalue() && served.is_some(), "{}", manifests.folder);
            }
            None => assert_eq!(scraped.as_str(), served.as_deref(), "{}", manifests.folder),
        }

        let container = &pod["spec"]["containers"][0];
        let ports = container["ports"].as_vec().expect("ports").iter();
        let declared: BTreeSet<_> = ports.map(|port| port["containerPort"].as_i64()).collect();
        let others = [settings.server.health_address, settings.metrics.address];
        let mut configured = BTreeSet::from([Some(call_port(&settings).into())]);
        configured.extend(others.iter().flatten().map(|address| Some(address.port().into())));
        assert_eq!(declared, configured, "{}", manifests.folder);
    }
}

/// Returns the memory limit of the server in MiB.
fn memory_limit(manifests: &Manifests) -> u64 {
    let server = &manifests.pod().expect("a server")["spec"]["containers"][0];
    let limit = server["resources"]["limits"]["memory"].as_str().expect("a limit");
    limit.strip_suffix("Mi").and_then(|it| it.parse().ok()).expect("Mi")
}

#[test]
fn the_memory_budget_follows_the_memory_limit() {
    for (manifests, _) in servers() {
        let limit = memory_limit(manifests);
        // docs/containers.md says that 64 MiB are enough.
        assert!(limit >= 64, "{}: {limit}Mi", manifests.folder);
        let is_given =
            manifests.environment.iter().any(|(name, _)| name.ends_with("LIMITS__MEMORY"));
        assert!(!is_given, "{}: the budget would not follow the limit", manifests.folder);
    }
}

#[test]
fn config_check_accepts_the_settings_of_all_manifests() {
    let secret = TempDir::new().expect("a folder");
    let authority = Authority::new("authority");
    let (certificate, key) = authority.server().issue().write(secret.path());
    let ca = authority.write(secret.path(), "ca.crt");
    let token = write(secret.path(), "token", "0123456789abcdef");
    let mounted = [
        ("/tls/tls.crt", certificate),
        ("/tls/tls.key", key),
        ("/tls/ca.crt", ca),
        ("/admin/token", token),
    ];
    for (manifests, settings) in servers() {
        let mut check = command(&["config", "check"]);
        // The budget that the server would derive from the memory limit.
        let limit = memory_limit(manifests);
        check.env("SAMPLE__LIMITS__MEMORY", format!("{}MiB", (limit - 16) / 4 * 3));
        for (name, value) in &manifests.environment {
            let file = mounted.iter().find_map(|(path, file)| (path == value).then_some(file));
            check.env(name, file.unwrap_or(value));
        }
        let output = check.output().expect("it runs");
        assert!(output.status.success(), "{}: {}", manifests.folder, stderr(&output));
        // No warning either, such as one that connections and messages can need more memory.
        assert_eq!(stderr(&output), "", "{}", manifests.folder);
        let is_tls = manifests.folder.ends_with("tls");
        assert_eq!(settings.tls.is_some_and(|tls| tls.client_ca.is_some()), is_tls);
    }
}

#[test]
fn pods_have_no_privileges_that_they_do_not_need() {
    let mut pods = 0;
    for manifests in shipped() {
        let workloads = manifests.of_kind("Deployment").chain(manifests.of_kind("Job"));
        let templates = workloads.map(|workload| &workload["spec"]["template"]);
        for pod in templates.chain(manifests.of_kind("Pod")) {
            pods += 1;
            let pod = &pod["spec"];
            let container = &pod["containers"][0];
            let (all, own) = (&pod["securityContext"], &container["securityContext"]);
            let context = manifests.folder;
            assert_eq!(all["runAsNonRoot"].as_bool(), Some(true), "{context}");
            assert_eq!(all["runAsUser"].as_i64(), Some(65532), "{context}");
            assert_eq!(all["seccompProfile"]["type"].as_str(), Some("RuntimeDefault"), "{context}");
            assert_eq!(own["readOnlyRootFilesystem"].as_bool(), Some(true), "{context}");
            assert_eq!(own["allowPrivilegeEscalation"].as_bool(), Some(false), "{context}");
            assert_eq!(own["capabilities"]["drop"][0].as_str(), Some("ALL"), "{context}");
            assert_eq!(pod["automountServiceAccountToken"].as_bool(), Some(false), "{context}");
            assert_eq!(pod["enableServiceLinks"].as_bool(), Some(false), "{context}");
            assert!(pod["containers"][1].is_badvalue(), "{context}: one container a pod");
            assert_eq!(
                container["terminationMessagePolicy"].as_str(),
                Some("FallbackToLogsOnError"),
                "{context}: the error is in `kubectl describe`"
            );
            for amount in ["requests", "limits"] {
                for resource in ["cpu", "memory"] {
                    let amount = &container["resources"][amount][resource];
                    assert!(amount.as_str().is_some(), "{context}: {resource}");
                }
            }
        }
        if let Some(pod) = manifests.pod() {
            let account = manifests.the("ServiceAccount");
            assert_eq!(pod["spec"]["serviceAccountName"], account["metadata"]["name"]);
            assert_eq!(account["automountServiceAccountToken"].as_bool(), Some(false));
        }
    }
    assert!(pods > 0);
}

#[test]
fn the_schemas_of_the_newest_kubernetes_accept_every_manifest() {
    assert_valid(shipped().iter().map(|manifests| (manifests.folder, &*manifests.text)));
}
