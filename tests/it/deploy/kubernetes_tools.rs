//! The kubectl that the tests use, and `.ci/kubernetes-tools`, which installs it.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::{kubernetes_tools::find_kubectl, process::stderr};

/// The output of Debian's kubectl, shortened. It has no version of Kustomize.
const OLD: &str = "Client Version: version.Info{Major:\"1\", Minor:\"20+\"}";
const NEW: &str = "Client Version: v1.37.0\nKustomize Version: v5.8.1";
const HELM: &str = "v4.0.1+g12500dd";

/// Makes a program that prints this text.
fn program(folder: &Path, name: &str, script: &str) {
    let file = folder.join(name);
    fs::create_dir_all(folder).expect("a folder");
    fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("written");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("this user owns it");
}

fn prints(text: &str) -> String {
    format!("echo '{text}'")
}

#[test]
fn an_old_kubectl_is_passed_over() {
    let work = TempDir::new().expect("a folder");
    let folders = ["old", "new"].map(|name| format!("{}/{name}/", work.path().display()));
    let [old, new] = &folders;
    program(Path::new(old), "kubectl", &prints(OLD));
    program(Path::new(new), "kubectl", &prints(NEW));
    assert_eq!(find_kubectl(&[old, new]), Some(format!("{new}kubectl")));
    assert_eq!(find_kubectl(&[old]), None);
}

/// Runs a copy of the script with these programs, and with a python3 that fails. Returns whether
/// the script tried to install.
fn wants_to_install(kubectl: &str) -> bool {
    let work = TempDir::new().expect("a folder");
    let programs: PathBuf = work.path().join("programs");
    program(&programs, "kubectl", &prints(kubectl));
    program(&programs, "helm", &prints(HELM));
    program(&programs, "python3", "exit 42");
    let script = work.path().join(".ci/kubernetes-tools");
    fs::create_dir(work.path().join(".ci")).expect("a folder");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/.ci/kubernetes-tools");
    fs::copy(source, &script).expect("copied");
    let path = format!("{}:{}", programs.display(), env::var("PATH").expect("UTF-8"));
    let output = Command::new(&script).env("PATH", path).output().expect("it runs");
    match output.status.code() {
        Some(0) => false,
        Some(42) => true,
        _ => panic!("{}", stderr(&output)),
    }
}

#[test]
fn the_kubernetes_tools_are_installed_if_kubectl_is_too_old() {
    assert!(wants_to_install(OLD));
    assert!(!wants_to_install(NEW));
}
