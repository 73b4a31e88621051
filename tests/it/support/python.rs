//! Python with the newest grpcio, OpenSSL and the schemas of Kubernetes, in a virtual environment
//! that is set up once for each build folder.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use super::skipped::not_tested;

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/python");
const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/protojson/fixtures");
const PACKAGES: [&str; 11] = [
    "connectrpc",
    "grpcio",
    "grpcio-tools",
    "grpcio-health-checking",
    "grpcio-reflection",
    "grpcio-status",
    "kubernetes-validate",
    "protoc-gen-connectrpc",
    "pyopenssl",
    "sonora",
    // connectrpc compresses with it.
    "zstandard",
];

/// Without a network, pip would retry for minutes.
const SOON: [&str; 4] = ["--retries", "1", "--timeout", "5"];

/// Returns Python's command with a script of this folder, or `None` if this machine has no Python
/// that can set up an environment. In CI that is a failure.
pub(crate) fn script(name: &str) -> Option<Command> {
    // If the setup fails, the other tests do not repeat it.
    static ENVIRONMENT: LazyLock<Result<PathBuf, String>> = LazyLock::new(environment);
    match &*ENVIRONMENT {
        Ok(environment) => {
            let mut command = Command::new(environment.join("bin/python"));
            command.arg(Path::new(SCRIPTS).join(name)).env("PYTHONUNBUFFERED", "1");
            command.env("PYTHONPATH", environment.join("stubs"));
            Some(command)
        }
        Err(problem) => {
            not_tested("with Python", problem);
            None
        }
    }
}

fn environment() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grpcio");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    // Only one test sets up the environment at a time. With nextest, each test is a process.
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;

    // The name changes with the list of packages.
    let complete = folder.join(PACKAGES.join("+"));
    if !complete.exists() {
        let python = folder.join("bin/python");
        let stubs = folder.join("stubs");
        fs::create_dir_all(&stubs).map_err(|error| error.to_string())?;
        run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        run(Command::new(&python)
            .args(["-m", "pip", "install", "--quiet"])
            .args(SOON)
            .args(PACKAGES))?;
        run(Command::new(&python)
            .args(["-m", "grpc_tools.protoc", "--proto_path", SCRIPTS, "--proto_path", FIXTURES])
            .arg(format!("--plugin={}", folder.join("bin/protoc-gen-connectrpc").display()))
            .arg(format!("--python_out={}", stubs.display()))
            .arg(format!("--grpc_python_out={}", stubs.display()))
            .arg(format!("--connectrpc_out={}", stubs.display()))
            .args(["--connectrpc_opt=protobuf=google", "tutorial.proto", "web/service.proto"])
            .args(["acme/everything.proto", "acme/common/money.proto"]))?;
        File::create(complete).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)))
}
