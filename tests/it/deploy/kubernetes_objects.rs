//! The objects of Kubernetes that select, reach, protect and replace the server's pods.

use std::{collections::BTreeSet, path::Path};

use yaml_rust2::{Yaml, YamlLoader, yaml::Hash};

use crate::support::manifests::{call_port, servers};

/// Returns the number of the pod's port with this name.
fn port(pod: &Yaml, name: &Yaml) -> Option<i64> {
    let ports = pod["spec"]["containers"][0]["ports"].as_vec().expect("ports");
    ports.iter().find(|port| port["name"] == *name)?["containerPort"].as_i64()
}

fn yaml(text: &str) -> Yaml {
    YamlLoader::load_from_str(text).expect("YAML").remove(0)
}

/// Returns the selector of all pods in a namespace.
fn of_namespace(name: &str) -> Yaml {
    yaml(&format!(
        "[{{namespaceSelector: {{matchLabels: {{kubernetes.io/metadata.name: {name}}}}}}}]"
    ))
}

/// Asserts that the pod has the labels of a selector.
fn assert_selects(selector: &Yaml, pod: &Yaml, what: &str) {
    let labels: &Hash = pod["metadata"]["labels"].as_hash().expect("labels");
    let asked = selector.as_hash().unwrap_or_else(|| panic!("{what} selects nothing"));
    assert!(asked.iter().all(|(label, value)| labels.get(label) == Some(value)), "{what}");
    assert!(asked.contains_key(&Yaml::from_str("app.kubernetes.io/component")), "{what}");
}

#[test]
fn deployment_budget_and_network_policy_select_the_servers_pods() {
    for (manifests, _) in servers() {
        let pod = manifests.pod().expect("a server");
        for (kind, selector) in [
            ("Deployment", &manifests.the("Deployment")["spec"]["selector"]),
            ("PodDisruptionBudget", &manifests.the("PodDisruptionBudget")["spec"]["selector"]),
            ("NetworkPolicy", &manifests.the("NetworkPolicy")["spec"]["podSelector"]),
        ] {
            assert_selects(&selector["matchLabels"], pod, kind);
        }
        for constraint in pod["spec"]["topologySpreadConstraints"].as_vec().expect("two") {
            assert_selects(&constraint["labelSelector"]["matchLabels"], pod, "topology spread");
            // Pods that a rollout replaces must not count for the spread.
            assert_eq!(constraint["matchLabelKeys"][0].as_str(), Some("pod-template-hash"));
        }
    }
}

#[test]
fn a_headless_and_a_cluster_ip_service_reach_the_ready_pods() {
    for (manifests, settings) in servers() {
        let pod = manifests.pod().expect("a server");
        let served_at = Some(i64::from(call_port(&settings)));
        let mut headless = Vec::new();
        for service in manifests.of_kind("Service") {
            let name = service["metadata"]["name"].as_str().expect("a name");
            let spec = &service["spec"];
            assert_selects(&spec["selector"], pod, name);
            assert_eq!(spec["ports"].as_vec().map(Vec::len), Some(1), "{name}");
            let served = &spec["ports"][0];
            assert_eq!(served["port"].as_i64(), served_at, "{name}");
            assert_eq!(port(pod, &served["targetPort"]), served_at, "{name}");
            let protocol = if settings.tls.is_some() { "https" } else { "kubernetes.io/h2c" };
            assert_eq!(served["appProtocol"].as_str(), Some(protocol), "{name}");
            assert!(spec["publishNotReadyAddresses"].is_badvalue(), "{name}: readiness counts");
            headless.push(spec["clusterIP"].as_str() == Some("None"));
        }
        headless.sort_unstable();
        assert_eq!(headless, [false, true]);
    }
}

#[test]
fn the_network_policy_allows_only_calls_and_scrapes() {
    for (manifests, settings) in servers() {
        let pod = manifests.pod().expect("a server");
        let policy = &manifests.the("NetworkPolicy")["spec"];
        assert_eq!(policy["policyTypes"], yaml("[Ingress, Egress]"), "{}", manifests.folder);
        let control_plane = match manifests.overlay() {
            "istio" => Some("istio-system"),
            "linkerd" => Some("linkerd"),
            _ => None,
        };
        // Only a sidecar connects to others: without one, the list of `egress` is empty or missing.
        let reached = policy["egress"].as_vec().into_iter().flatten().map(|rule| &rule["to"]);
        let dns = control_plane.map(|_| "kube-system");
        let expected = [control_plane, dns].into_iter().flatten().map(of_namespace);
        assert!(reached.eq(expected.collect::<Vec<_>>().iter()), "{}", manifests.folder);

        let calls = i64::from(call_port(&settings));
        let mut from_pods = vec![Some(calls)];
        // Clients in the mesh connect to the sidecar.
        from_pods.extend((manifests.overlay() == "linkerd").then_some(Some(4143)));
        let mut expected = vec![(yaml("[{podSelector: {}}]"), from_pods)];
        if let Some(metrics) = settings.metrics.address {
            expected.push((of_namespace("monitoring"), vec![Some(metrics.port().into())]));
        }
        if ["gateway", "ingress-nginx"].contains(&manifests.overlay()) {
            expected.push((of_namespace(manifests.overlay()), vec![Some(calls)]));
        }
        let rules = policy["ingress"].as_vec().expect("rules").iter().map(|rule| {
            let ports = rule["ports"].as_vec().expect("ports").iter();
            let ports = ports.map(|it| it["port"].as_i64().or_else(|| port(pod, &it["port"])));
            (rule["from"].clone(), ports.collect::<Vec<_>>())
        });
        assert_eq!(rules.collect::<Vec<_>>(), expected, "{}", manifests.folder);
    }
}

#[test]
fn rollouts_and_disruptions_leave_servers_that_clients_know() {
    for (manifests, _) in servers() {
        let deployment = manifests.the("Deployment");
        let spec = &deployment["spec"];
        assert_eq!(spec["strategy"]["rollingUpdate"]["maxUnavailable"].as_i64(), Some(0));
        // A new pod counts as progress only after minReadySeconds.
        assert!(spec["progressDeadlineSeconds"].as_i64() > spec["minReadySeconds"].as_i64());

        let (scaler, least) = match manifests.of_kind("ScaledObject").next() {
            Some(scaler) => (&scaler["spec"], "minReplicaCount"),
            None => (&manifests.the("HorizontalPodAutoscaler")["spec"], "minReplicas"),
        };
        assert!(spec["replicas"].is_badvalue(), "the autoscaler sets the replicas");
        for field in ["apiVersion", "kind"] {
            assert_eq!(scaler["scaleTargetRef"][field], deployment[field]);
        }
        assert_eq!(scaler["scaleTargetRef"]["name"], deployment["metadata"]["name"]);

        // A drain may delete one pod at a time, and there is always another.
        let budget = &manifests.the("PodDisruptionBudget")["spec"];
        assert_eq!(budget["maxUnavailable"].as_i64(), Some(1));
        assert!(scaler[least].as_i64() > Some(1));
    }
}

#[test]
fn changed_settings_replace_the_pods() {
    let mut servers = servers();
    servers.retain(|(manifests, _)| manifests.of_kind("ConfigMap").next().is_some());
    let settings: BTreeSet<_> = servers.iter().map(|(it, _)| it.environment.clone()).collect();
    let names = servers.iter().map(|(manifests, _)| {
        let pod = manifests.pod().expect("a server");
        pod["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"].as_str()
    });
    assert_eq!(names.collect::<BTreeSet<_>>().len(), settings.len());
}

#[test]
fn secrets_are_mounted_at_their_configured_paths_and_only_the_server_can_read_them() {
    for (manifests, settings) in servers() {
        let tls = settings.tls.map(|tls| {
            let client_ca = tls.client_ca.expect("an authority");
            ("sample-service-tls", vec![tls.certificate, tls.key, client_ca])
        });
        let token = settings.admin.token.map(|token| ("admin-token", vec![token]));
        let expected: Vec<_> = tls.into_iter().chain(token).collect();
        let pod = &manifests.pod().expect("a server")["spec"];
        let (mounts, volumes) = (&pod["containers"][0]["volumeMounts"], &pod["volumes"]);
        assert_eq!(volumes.as_vec().map_or(0, Vec::len), expected.len(), "{}", manifests.folder);
        for (index, (secret, files)) in expected.iter().enumerate() {
            let (mount, volume) = (&mounts[index], &volumes[index]);
            assert_eq!(mount["name"], volume["name"]);
            // With subPath, a renewed certificate would never arrive.
            assert!(mount["subPath"].is_badvalue());
            let folder = Path::new(mount["mountPath"].as_str().expect("a folder"));
            let names = match *secret {
                "admin-token" => &["token"][..],
                _ => &["tls.crt", "tls.key", "ca.crt"],
            };
            let mounted: Vec<_> = names.iter().map(|name| folder.join(name)).collect();
            assert_eq!(*files, mounted, "{}", manifests.folder);

            assert_eq!(volume["secret"]["secretName"].as_str(), Some(*secret));
            assert_eq!(volume["secret"]["defaultMode"].as_i64(), Some(0o440));
            assert_eq!(pod["securityContext"]["fsGroup"], pod["securityContext"]["runAsGroup"]);
        }
    }
}
