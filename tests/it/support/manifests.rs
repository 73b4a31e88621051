//! The shipped manifests for Kubernetes.

use std::{
    collections::BTreeMap, fs, path::Path, process::Command, sync::LazyLock, time::Duration,
};

use chassis::config::{self, Layers};
use tempfile::TempDir;
use wire::socket::Socket;
use yaml_rust2::{Yaml, YamlLoader};

use super::{
    chart,
    kubernetes_tools::kubectl,
    process::{stderr, stdout},
    skipped::not_tested,
};

const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");

/// The manifests of one folder for `kubectl apply -k`, or of the chart with some values.
pub(crate) struct Manifests {
    pub(crate) folder: &'static str,
    pub(crate) text: String,
    documents: Vec<Yaml>,
    /// The environment of the server; empty if the folder has no server.
    pub(crate) environment: BTreeMap<String, String>,
}

/// Kustomizations with other bases or components than the shipped ones: name, base and components.
const COMBINATIONS: [(&str, &str, &str); 5] = [
    ("monitoring over tls", "../tls", "../components/prometheus-operator"),
    ("gateway", "../base", "../components/grpc-route"),
    ("keda", "../base", "../components/prometheus-operator, ../components/keda"),
    ("istio", "../base", "../components/istio"),
    ("linkerd", "../base", "../components/linkerd"),
];

/// Returns the manifests of the base as they are, of every folder and component as
/// `kubectl kustomize` renders them, and of the chart. In CI, kubectl and helm must be there.
pub(crate) fn shipped() -> &'static [Manifests] {
    // Rendering takes seconds.
    static SHIPPED: LazyLock<Vec<Manifests>> = LazyLock::new(render);
    &SHIPPED
}

fn render() -> Vec<Manifests> {
    let mut all = vec![base()];
    if kubectl().is_some() {
        let folders = ["base", "tls", "monitoring", "monitoring-operator", "client", "client-tls"];
        all.extend(folders.map(|folder| rendered(folder, Path::new(DEPLOY), folder)));
        all.extend(combinations());
    } else {
        let problem = "there is none with Kustomize 5 or later; .ci/kubernetes-tools installs it";
        not_tested("with kubectl: overlays for Kubernetes", problem);
    }
    all.extend(chart::renderings().map(|(name, text)| Manifests::from_text(name, text)));
    all
}

/// Returns the manifests that have a server, each with its settings.
pub(crate) fn servers() -> Vec<(&'static Manifests, config::Settings)> {
    let with_server = shipped().iter().filter(|manifests| manifests.pod().is_some());
    let with_settings = with_server.map(|manifests| {
        let settings = manifests.settings();
        (manifests, settings)
    });
    with_settings.collect()
}

/// Returns a number of seconds.
pub(crate) fn seconds(value: &Yaml) -> Duration {
    Duration::from_secs(value.as_i64().and_then(|it| it.try_into().ok()).expect("seconds"))
}

/// Returns the port at which calls are served.
pub(crate) fn call_port(settings: &config::Settings) -> u16 {
    match settings.server.address {
        Socket::Ip(address) => address.port(),
        Socket::Unix(_) => panic!("a Unix socket has no port"),
    }
}

fn base() -> Manifests {
    let folder = Path::new(DEPLOY).join("kubernetes/base");
    let files = fs::read_dir(&folder).expect("the folder exists");
    let mut texts = Vec::new();
    for file in files.map(|file| file.expect("a file").path()) {
        let is_manifest = file.extension().is_some_and(|extension| extension == "yaml");
        if is_manifest && file.file_stem() != Some("kustomization".as_ref()) {
            texts.push(fs::read_to_string(file).expect("it is text"));
        }
    }
    let settings = fs::read_to_string(folder.join("settings.env")).expect("the file exists");
    let settings = settings.lines().filter(|line| !line.starts_with('#'));
    let pairs = settings.map(|line| line.split_once('=').expect("a name and a value"));
    let environment = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Manifests::new("base, as it is", texts.join("\n---\n"), environment)
}

fn combinations() -> Vec<Manifests> {
    let copy = TempDir::new().expect("a folder");
    let copied = Command::new("cp").arg("-r").arg(DEPLOY).arg(copy.path()).status();
    assert!(copied.expect("it runs").success());
    let deploy = copy.path().join("deploy");
    let folder = deploy.join("kubernetes/combination");
    fs::create_dir(&folder).expect("the folder is writable");
    let rendered = COMBINATIONS.map(|(name, base, components)| {
        let text = format!("resources: [{base}]\ncomponents: [{components}]\n");
        fs::write(folder.join("kustomization.yaml"), text).expect("the folder is writable");
        rendered("combination", &deploy, name)
    });
    rendered.into()
}

/// Returns the manifests that a folder renders, under this name.
fn rendered(folder: &str, deploy: &Path, name: &'static str) -> Manifests {
    let output = kubectl()
        .expect("`render` has found one")
        .arg("kustomize")
        .arg(deploy.join("kubernetes").join(folder))
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{folder}: {}", stderr(&output));
    Manifests::from_text(name, stdout(&output))
}

impl Manifests {
    fn new(folder: &'static str, text: String, environment: BTreeMap<String, String>) -> Self {
        let documents = YamlLoader::load_from_str(&text).expect("YAML");
        Self { folder, text, documents, environment }
    }

    /// Returns these manifests with the settings from their ConfigMap.
    fn from_text(folder: &'static str, text: String) -> Self {
        let mut manifests = Self::new(folder, text, BTreeMap::new());
        manifests.environment = manifests.settings_of_the_server();
        manifests
    }

    /// Returns the name of the folder, or of the folder that the chart's values stand for.
    pub(crate) fn overlay(&self) -> &'static str {
        self.folder.strip_prefix(chart::PREFIX).unwrap_or(self.folder)
    }

    pub(crate) fn documents(&self) -> &[Yaml] {
        &self.documents
    }

    pub(crate) fn of_kind(&self, kind: &str) -> impl Iterator<Item = &Yaml> {
        self.documents.iter().filter(move |document| document["kind"].as_str() == Some(kind))
    }

    /// Returns the only document of a kind.
    pub(crate) fn the(&self, kind: &str) -> &Yaml {
        let mut all = self.of_kind(kind);
        let one = all.next().unwrap_or_else(|| panic!("{}: no {kind}", self.folder));
        assert!(all.next().is_none(), "{}: more than one {kind}", self.folder);
        one
    }

    /// Returns the server's pod, or `None` if there is no server.
    pub(crate) fn pod(&self) -> Option<&Yaml> {
        self.of_kind("Deployment").next().map(|deployment| &deployment["spec"]["template"])
    }

    fn settings_of_the_server(&self) -> BTreeMap<String, String> {
        let Some(pod) = self.pod() else { return BTreeMap::new() };
        let name = &pod["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"];
        let map = self.of_kind("ConfigMap").find(|map| map["metadata"]["name"] == *name);
        let map = map.expect("the ConfigMap that the pod names");
        let data = map["data"].as_hash().expect("settings");
        let text = |yaml: &Yaml| yaml.as_str().expect("text").to_owned();
        data.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// Returns the settings of the server: the defaults with the changes of the manifests.
    pub(crate) fn settings(&self) -> config::Settings {
        let pairs = self.environment.iter();
        let environment = pairs.map(|(name, value)| (name.into(), value.into())).collect();
        let layers = Layers { environment, ..Layers::default() };
        let schema = sample_service::service().schema();
        let loaded = config::load::<sample_service::settings::Settings>(&schema, &layers);
        loaded.expect("valid settings").chassis
    }
}
