//! TLS in the Helm chart, as far as it differs from the kustomization.

use yaml_rust2::Yaml;

use crate::support::chart::{documents, helm, render, the};

#[test]
fn without_client_certificates_the_test_reads_only_the_authority() {
    if helm().is_none() {
        return;
    }
    let values = "tls: {enabled: true, clientCertificates: false}";
    let all = documents(&render("sample-service", values).expect("valid"));
    let pod = &the(&all, "Pod")["spec"];
    let arguments = pod["containers"][0]["args"].as_vec().expect("arguments");
    assert_eq!(arguments.last().and_then(Yaml::as_str), Some("--ca=/tls/ca.crt"));
    let secret = &pod["volumes"][0]["secret"];
    assert_eq!(secret["secretName"].as_str(), Some("sample-service-tls"));
    assert_eq!(secret["items"].as_vec().map(Vec::len), Some(1));
    assert_eq!(secret["items"][0]["key"].as_str(), Some("ca.crt"));
    let data = &the(&all, "ConfigMap")["data"];
    assert!(data["SAMPLE__TLS__CLIENT_CA"].is_badvalue());
}

#[test]
fn the_certificate_has_the_names_of_both_services() {
    if helm().is_none() {
        return;
    }
    let values = "tls: {enabled: true, certificate: {enabled: true, issuerRef: {name: ca}}}";
    let all = documents(&render("sample-service", values).expect("valid"));
    let certificates: Vec<_> =
        all.iter().filter(|it| it["kind"].as_str() == Some("Certificate")).collect();
    let [server, client] = *certificates else { panic!("{certificates:?}") };
    let names = server["spec"]["dnsNames"].as_vec().expect("names");
    for service in all.iter().filter(|it| it["kind"].as_str() == Some("Service")) {
        let name = service["metadata"]["name"].as_str().expect("a name");
        for name in [name, &format!("{name}.default.svc.cluster.local")] {
            assert!(names.contains(&Yaml::from_str(name)), "{name}");
        }
    }
    for (certificate, workload, usage) in
        [(server, "Deployment", "server auth"), (client, "Pod", "client auth")]
    {
        let spec = &certificate["spec"];
        assert!(spec["usages"].as_vec().expect("usages").contains(&Yaml::from_str(usage)));
        assert_eq!(spec["privateKey"]["rotationPolicy"].as_str(), Some("Always"));
        let workload = &the(&all, workload)["spec"];
        let pod = if workload["template"].is_badvalue() {
            workload
        } else {
            &workload["template"]["spec"]
        };
        assert_eq!(pod["volumes"][0]["secret"]["secretName"], spec["secretName"]);
    }
}
