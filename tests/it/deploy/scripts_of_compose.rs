//! `deploy/compose-up`, with programs in place of docker and cargo that record how they are run,
//! and the services of `docker-compose.yml`.

use std::{
    env, fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;
use yaml_rust2::{Yaml, YamlLoader};

use crate::support::process::stderr;

/// A docker without BuildKit, so that `deploy/compose-up` compiles with cargo.
const DOCKER: &str = r#"#!/bin/sh
echo "$PWD ${COMPOSE_FILE-}|${COMPOSE_PROFILES-} $*" >>"$RECORD"
case "$*" in
"buildx version") exit 1 ;;
"version --format "*) echo 29.0.0 ;;
"compose up "*) [ -z "${START_ERROR-}" ] || exit 1 ;;
"inspect "*) echo "$START_ERROR" ;;
esac
"#;

const CARGO: &str = r#"#!/bin/sh
[ "$2" != --version ] || exit 0
while [ $# -gt 0 ]; do
    case "$1" in
    --target) target="$2" ;;
    --target-dir) folder="$2" ;;
    esac
    shift
done
mkdir -p "$folder/$target/release"
# A real binary, because objcopy reads it.
cp /bin/true "$folder/$target/release/sample-service"
"#;

/// Runs a copy of `deploy/compose-up` in `folder` with this umask and these variables.
fn run(folder: &Path, umask: &str, variables: &[(&str, &str)]) -> Output {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let programs = folder.join("programs");
    for folder in [&programs, &folder.join("deploy")] {
        fs::create_dir(folder).expect("a folder");
    }
    for file in ["deploy/compose-up", "deploy/static-binary", "Cargo.toml", "Dockerfile"] {
        fs::copy(root.join(file), folder.join(file)).expect("copied");
    }
    for (name, text) in [("docker", DOCKER), ("cargo", CARGO)] {
        fs::write(programs.join(name), text).expect("written");
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(programs.join(name), executable).expect("this user owns it");
    }
    let path = env::var("PATH").expect("UTF-8");
    let mut compose_up = Command::new("sh");
    compose_up.args(["-c", "umask \"$0\"; exec deploy/compose-up", umask]).current_dir(folder);
    compose_up.env("PATH", format!("{}:{path}", programs.display()));
    compose_up.env("RECORD", folder.join("record")).envs(variables.iter().copied());
    compose_up.output().expect("it runs")
}

/// Runs `deploy/compose-up`, which must succeed. Returns the commands of docker, each with its
/// folder and the variables of compose.
fn compose_up(folder: &Path, umask: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let output = run(folder, umask, variables);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let record = fs::read_to_string(folder.join("record")).expect("docker was run");
    record.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn compose_up_ignores_the_compose_file_of_another_project() {
    let work = TempDir::new().expect("a folder");
    let folder = work.path().canonicalize().expect("it exists");
    let variables = [("COMPOSE_FILE", "/other/docker-compose.yml"), ("COMPOSE_PROFILES", "other")];
    let commands = compose_up(&folder, "022", &variables);
    let expected = format!("{} | compose up ", folder.display());
    assert!(commands.iter().any(|command| command.starts_with(&expected)), "{commands:#?}");
}

#[test]
fn the_binary_for_the_image_can_be_run_by_other_users_whatever_the_umask_is() {
    for umask in ["077", "027"] {
        let work = TempDir::new().expect("a folder");
        compose_up(work.path(), umask, &[]);
        let binary =
            fs::metadata(work.path().join("dist/sample-service")).expect("the file exists");
        assert_eq!(binary.permissions().mode() & 0o777, 0o755, "umask {umask}");
    }
}

#[test]
fn the_error_of_a_taken_port_names_the_variable_that_sets_another() {
    for (error, hint) in [
        // The port is taken by another container, and by another process.
        ("Bind for 127.0.0.1:7777 failed: port is already allocated", true),
        ("listen tcp4 127.0.0.1:7777: bind: address already in use", true),
        ("exec format error", false),
    ] {
        let work = TempDir::new().expect("a folder");
        let variables = [("START_ERROR", error), ("SAMPLE_PORT", "7777")];
        let output = run(work.path(), "022", &variables);
        assert_eq!(output.status.code(), Some(1), "{error}");
        let text = stderr(&output);
        let expected = "port 7777 is taken; with another: SAMPLE_PORT=";
        assert_eq!(text.contains(expected), hint, "{error}: {text}");
    }
}

/// Returns a key of a service, or of the services that are merged into it.
fn key<'a>(service: &'a Yaml, name: &str) -> &'a Yaml {
    match &service[name] {
        Yaml::BadValue if service["<<"].as_hash().is_some() => key(&service["<<"], name),
        value => value,
    }
}

fn services() -> Vec<(String, Yaml)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docker-compose.yml");
    let text = fs::read_to_string(file).expect("the file exists");
    let file = YamlLoader::load_from_str(&text).expect("YAML").remove(0);
    let services = file["services"].as_hash().expect("services").iter();
    let name = |yaml: &Yaml| yaml.as_str().expect("a name").to_owned();
    services.map(|(key, service)| (name(key), service.clone())).collect()
}

#[test]
fn each_compose_service_has_limits_of_memory_cpu_and_pids() {
    for (name, service) in services() {
        for limit in ["mem_limit", "cpus", "pids_limit"] {
            assert!(!key(&service, limit).is_badvalue(), "{name} has no {limit}");
        }
    }
}

#[test]
fn compose_publishes_ports_on_the_loopback_address_only() {
    let mut published = 0;
    for (name, service) in services() {
        for port in key(&service, "ports").as_vec().into_iter().flatten() {
            let port = port.as_str().expect("text");
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
            published += 1;
        }
    }
    assert_eq!(published, 1);
}
