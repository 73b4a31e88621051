//! The Helm chart of `deploy/chart`.

use std::{
    env, fs,
    io::{self, Write},
    path::Path,
    process::Command,
};

use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use super::process::{stderr, stdout};

pub(crate) const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/chart");

/// The start of the names of the renderings.
pub(crate) const PREFIX: &str = "chart: ";

/// The names of the renderings, each with its files of the chart's examples. After the prefix it is
/// the name of the folder or the combination of `deploy/kubernetes` that has the same objects.
const RENDERINGS: [(&str, &[&str]); 11] = [
    ("chart: base", &[]),
    ("chart: tls", &["tls"]),
    ("chart: monitoring", &["monitoring"]),
    ("chart: monitoring-operator", &["monitoring-operator"]),
    ("chart: monitoring over tls", &["monitoring-operator", "tls"]),
    ("chart: gateway", &["gateway"]),
    ("chart: keda", &["monitoring-operator", "keda"]),
    ("chart: istio", &["istio"]),
    ("chart: linkerd", &["linkerd"]),
    // These have no counterpart.
    ("chart: cert-manager tls", &["cert-manager"]),
    ("chart: ingress-nginx", &["ingress-nginx"]),
];

/// Returns helm's command, or `None` if this machine has none. In CI that is a failure.
pub(crate) fn helm() -> Option<Command> {
    if Command::new("helm").arg("version").output().is_ok() {
        return Some(Command::new("helm"));
    }
    assert!(env::var_os("CI").is_none(), "no helm: .ci/kubernetes-tools installs it");
    // Not captured, so that a skipped test is seen.
    let _ = writeln!(io::stderr(), "NOT TESTED: the chart, because there is no helm");
    None
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
    let mut template = Command::new("helm");
    template.args(["template", release, CHART]);
    template.args(arguments.iter().map(AsRef::as_ref));
    let output = template.output().expect("it runs");
    if output.status.success() { Ok(stdout(&output)) } else { Err(stderr(&output)) }
}

/// Renders a release with these values.
pub(crate) fn render(release: &str, values: &str) -> Result<String, String> {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("values.yaml");
    fs::write(&file, values).expect("it is ours");
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
