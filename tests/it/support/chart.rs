//! The Helm chart of `deploy/chart`.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use super::{
    kubernetes_tools,
    process::{stderr, stdout},
    skipped::not_tested,
};

pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart");

/// The prefix of the name of each rendering.
pub(crate) const PREFIX: &str = "chart: ";

/// The renderings of the chart: the name of each, and the example files that it is made with. The
/// name after the prefix is that of the folder or combination of `deploy/kubernetes` with the same
/// objects.
const RENDERINGS: [(&str, &[&str]); 12] = [
    ("chart: base", &[]),
    ("chart: tls", &["tls"]),
    ("chart: monitoring", &["monitoring"]),
    ("chart: monitoring-operator", &["monitoring-operator"]),
    ("chart: monitoring over tls", &["monitoring-operator", "tls"]),
    ("chart: gateway", &["gateway"]),
    ("chart: keda", &["monitoring-operator", "keda"]),
    ("chart: istio", &["istio"]),
    ("chart: linkerd", &["linkerd"]),
    // These have no counterpart in `deploy/kubernetes`.
    ("chart: cert-manager tls", &["cert-manager"]),
    ("chart: ingress-nginx", &["ingress-nginx"]),
    ("chart: admin-token", &["admin-token"]),
];

/// Returns helm's command, or `None` if this machine has none. In CI that is a failure.
pub(crate) fn helm() -> Option<Command> {
    let helm = kubernetes_tools::helm();
    if helm.is_none() {
        let problem = "there is none of version 3 or later; .ci/kubernetes-tools installs it";
        not_tested("with helm: the chart", problem);
    }
    helm
}

/// Returns each rendering's name and text, or nothing if there is no helm.
pub(crate) fn renderings() -> impl Iterator<Item = (&'static str, String)> {
    let all = helm().map(|_| RENDERINGS.iter()).into_iter().flatten();
    all.map(|(name, examples)| {
        let files = examples.iter().map(|example| {
            let file = Path::new(CHART).join("examples").join(example).with_extension("yaml");
            format!("--values={}", file.display())
        });
        let text = template("sample-service", &files.collect::<Vec<_>>());
        (*name, text.unwrap_or_else(|error| panic!("{name}: {error}")))
    })
}

/// Returns what the chart renders as a release of this name with these arguments, or its error.
pub(crate) fn template(release: &str, arguments: &[impl AsRef<str>]) -> Result<String, String> {
    let mut template = kubernetes_tools::helm().expect("callers have checked that helm is there");
    template.args(["template", release, CHART]);
    template.args(arguments.iter().map(AsRef::as_ref));
    let output = template.output().expect("it runs");
    if output.status.success() { Ok(stdout(&output)) } else { Err(stderr(&output)) }
}

/// Renders a release with these values.
pub(crate) fn render(release: &str, values: &str) -> Result<String, String> {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("values.yaml");
    fs::write(&file, values).expect("the folder is writable");
    template(release, &[format!("--values={}", file.display())])
}

/// Returns the objects of a rendering.
pub(crate) fn documents(text: &str) -> Vec<Yaml> {
    YamlLoader::load_from_str(text).expect("YAML")
}

/// Returns the only document of a kind.
pub(crate) fn the<'a>(documents: &'a [Yaml], kind: &str) -> &'a Yaml {
    let mut all = documents.iter().filter(|document| document["kind"].as_str() == Some(kind));
    let one = all.next().unwrap_or_else(|| panic!("no {kind}"));
    assert!(all.next().is_none(), "more than one {kind}");
    one
}
