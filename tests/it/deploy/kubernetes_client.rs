//! The Jobs that make a call from within a cluster.

use std::time::Duration;

use tempfile::TempDir;

use crate::support::{
    certificates::Authority,
    manifests::{Manifests, seconds, shipped},
    process::{ServerProcess, command, stdout},
};

#[test]
fn the_job_calls_the_headless_service_with_the_same_image() {
    let all = shipped();
    let of = |folder| all.iter().find(|manifests| manifests.folder == folder);
    let (Some(server), Some(client)) = (of("base"), of("client")) else { return };
    let job = client.the("Job");
    assert_eq!(job["spec"]["backoffLimit"].as_i64(), Some(0), "the client itself retries");
    let bound = seconds(&job["spec"]["activeDeadlineSeconds"]);
    assert!(!job["spec"]["ttlSecondsAfterFinished"].is_badvalue(), "nothing else removes the Job");
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let image = &server.pod().expect("a server")["spec"]["containers"][0]["image"];
    assert_eq!(container["image"], *image);
    assert_eq!(image.as_str(), Some(concat!("sample-service:", env!("CARGO_PKG_VERSION"))));

    let mut services = server.of_kind("Service");
    let headless = services.find(|it| it["spec"]["clusterIP"].as_str() == Some("None"));
    let headless = headless.expect("one")["metadata"]["name"].as_str().expect("a name");
    let arguments = arguments(client);
    let address = format!("--address={headless}:9999");
    assert!(arguments.contains(&&*address), "{arguments:?}");
    assert!(arguments.contains(&"--timeout=60s") && bound > Duration::from_secs(60), "{bound:?}");

    let server = ServerProcess::start(&[]);
    assert_calls(&arguments, &[(&address, &format!("--address={}", server.address))]);
}

#[test]
fn the_job_with_tls_calls_with_the_files_of_its_secret() {
    let all = shipped();
    let Some(client) = all.iter().find(|it| it.folder == "client-tls") else { return };
    let pod = &client.the("Job")["spec"]["template"]["spec"];
    let (mounts, volumes) = (&pod["containers"][0]["volumeMounts"], &pod["volumes"]);
    assert_eq!(mounts[0]["name"], volumes[0]["name"]);
    assert_eq!(mounts[0]["mountPath"].as_str(), Some("/tls"));
    assert_eq!(pod["securityContext"]["fsGroup"], pod["securityContext"]["runAsGroup"]);
    let secret = &volumes[0]["secret"];
    assert_eq!(secret["secretName"].as_str(), Some("sample-service-client-tls"));
    assert_eq!(secret["defaultMode"].as_i64(), Some(0o440));

    let folder = TempDir::new().expect("a folder");
    let authority = Authority::new("authority");
    let ca = authority.write(folder.path(), "ca.crt");
    let (certificate, key) = authority.server().issue().write(folder.path());
    let server = ServerProcess::with(
        &[
            ("SAMPLE__TLS__CERTIFICATE", &certificate),
            ("SAMPLE__TLS__KEY", &key),
            ("SAMPLE__TLS__CLIENT_CA", &ca),
        ],
        &[],
    );
    let own = TempDir::new().expect("a folder");
    let (certificate, key) = authority.client("client").issue().write(own.path());
    let arguments = arguments(client);
    assert_calls(
        &arguments,
        &[
            ("--address=sample-service-headless:9999", &format!("--address={}", server.address)),
            ("--ca=/tls/ca.crt", &format!("--ca={ca}")),
            ("--cert=/tls/tls.crt", &format!("--cert={certificate}")),
            ("--key=/tls/tls.key", &format!("--key={key}")),
        ],
    );
}

/// Returns the arguments of the container of the Job.
fn arguments(client: &Manifests) -> Vec<&str> {
    let container = &client.the("Job")["spec"]["template"]["spec"]["containers"][0];
    let arguments = container["args"].as_vec().expect("arguments").iter();
    arguments.map(|it| it.as_str().expect("text")).collect()
}

/// Asserts that the program gets a response with these arguments. Of each pair, the first argument
/// is replaced by the second.
fn assert_calls(arguments: &[&str], replaced: &[(&str, &str)]) {
    for (here, _) in replaced {
        assert!(arguments.contains(here), "{arguments:?}");
    }
    let arguments = arguments.iter().map(|argument| {
        let there = replaced.iter().find_map(|(here, there)| (here == argument).then_some(*there));
        there.unwrap_or(argument)
    });
    let output = command(&arguments.collect::<Vec<_>>()).output().expect("it runs");
    assert!(stdout(&output).ends_with("response : reply for test message\n"), "{output:?}");
}
