mod documents;
mod errors;
mod flags;
mod layers;
mod own;
mod secrets;

use std::{fs, time::Duration};

use serde::{Deserialize, de::DeserializeOwned};
use tempfile::TempDir;

use super::{Flag, FlagDeclaration, Layers, Loaded, Schema, load};
use crate::package::Package;

/// The name under which errors show the file of a test.
const FILE: &str = "FILE";

pub(super) const SAMPLE: Schema = Schema {
    package: Package { name: "sample-service", version: "0.1.0", description: "A service" },
    service_defaults: include_str!("../../../../../config/default.toml"),
    flags: &[FlagDeclaration {
        name: "--work",
        key: "service.work",
        value_name: "DURATION",
        help: "The time that each call simulates work, such as 100ms",
    }],
};

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Sample {
    #[serde(deserialize_with = "crate::config::duration")]
    work: Duration,
}

/// Returns the schema with other defaults.
fn schema(service_defaults: &'static str) -> Schema {
    Schema { service_defaults, flags: &[], ..SAMPLE }
}

/// Returns layers with one variable.
fn variable(name: &str, text: &str) -> Layers {
    Layers { environment: vec![(name.into(), text.into())], ..Layers::default() }
}

/// Returns layers with one flag.
fn flag(name: &'static str, key: &'static str, text: &str) -> Layers {
    Layers { flags: vec![Flag { name, key, text: text.to_owned() }], ..Layers::default() }
}

/// Loads settings with a file of this text. Its path in errors is `FILE`.
fn load_file<S: DeserializeOwned>(schema: &Schema, text: &str) -> Result<Loaded<S>, String> {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("settings.toml");
    fs::write(&path, text).expect("the file is written");
    let layers = Layers { files: vec![path.clone()], ..Layers::default() };
    load(schema, &layers)
        .map_err(|errors| errors.to_string().replace(path.to_str().unwrap_or_default(), FILE))
}

fn defaults<S: DeserializeOwned>(schema: &Schema) -> Loaded<S> {
    load(schema, &Layers::default()).expect("the defaults are valid")
}

/// Returns the settings as `config show` prints them.
fn toml_of<S>(loaded: &Loaded<S>) -> String {
    let mut out = Vec::new();
    loaded.write_toml(&mut out).expect("memory can be written");
    String::from_utf8(out).expect("the settings are UTF-8")
}

/// Returns the settings as `config show --json` prints them.
fn json_of<S>(loaded: &Loaded<S>) -> serde_json::Value {
    let mut out = Vec::new();
    loaded.write_json(&mut out).expect("memory can be written");
    serde_json::from_slice(&out).expect("the settings are JSON")
}
