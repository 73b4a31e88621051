//! `deploy/sbom`, with programs in place of docker and auditable2cdx.

use std::{env, fs, os::unix::fs::PermissionsExt, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::process::{stderr, stdout};

/// A docker whose image has a binary with nothing but the version that glibc writes into one.
const DOCKER: &str = r#"
case "$1" in
create) echo container ;;
cp) printf '\0GNU C Library (Debian GLIBC 2.36-9+deb12u14) stable release version 2.36.\n\0' >"$3" ;;
esac
"#;

/// An auditable2cdx that finds no dependencies.
const AUDITABLE2CDX: &str = r#"
echo '{"metadata": {"component": {"name": "sample-service", "version": "0"}}, "components": []}'
"#;

#[test]
fn the_bill_of_materials_names_the_c_libraries_with_their_versions() {
    let programs = TempDir::new().expect("a folder");
    for (name, script) in [("docker", DOCKER), ("auditable2cdx", AUDITABLE2CDX)] {
        let file = programs.path().join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}")).expect("written");
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("this user owns it");
    }
    let root = env!("CARGO_MANIFEST_DIR");
    let path = format!("{}:{}", programs.path().display(), env::var("PATH").expect("UTF-8"));
    let mut sbom = Command::new(format!("{root}/deploy/sbom"));
    let output = sbom.env("PATH", path).output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let sbom: Value = serde_json::from_str(&stdout(&output)).expect("JSON");
    let version = |name: &str| {
        let components = sbom["components"].as_array().expect("components");
        let component = components.iter().find(|component| component["name"] == name);
        let component = component.unwrap_or_else(|| panic!("no {name}: {sbom}"));
        assert!(component["licenses"][0]["expression"].is_string(), "{component}");
        component["version"].as_str().expect("text").to_owned()
    };

    assert_eq!(version("glibc"), "2.36-9+deb12u14");
    let lock = fs::read_to_string(format!("{root}/Cargo.lock")).expect("the file exists");
    let zstd = version("zstd");
    assert!(lock.contains(&format!("+zstd.{zstd}\"\n")), "{zstd}");
    let mimalloc = version("mimalloc");
    let parts: Vec<_> = mimalloc.split('.').map(str::parse::<u32>).collect();
    // The workspace chooses the second major version.
    assert!(matches!(parts.as_slice(), [Ok(2), Ok(_), Ok(_)]), "{mimalloc}");
}
