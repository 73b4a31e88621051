//! Python with grpcio, in a virtual environment that is set up once for each build folder.

use std::{
    env,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    sync::{LazyLock, Once},
};

const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/python");
const PROTO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
const PACKAGES: [&str; 4] = ["grpcio", "grpcio-tools", "grpcio-health-checking", "grpcio-status"];

/// Without a network, pip would retry for minutes.
const SOON: [&str; 4] = ["--retries", "1", "--timeout", "5"];

/// Returns Python's command with a script of the tests, or `None` if this machine has no
/// Python that can set up the environment. In CI that is a failure.
pub(crate) fn script(name: &str) -> Option<Command> {
    // Set up once for all tests, also if that fails.
    static ENVIRONMENT: LazyLock<Result<PathBuf, String>> = LazyLock::new(environment);
    match &*ENVIRONMENT {
        Ok(environment) => {
            let mut command = Command::new(environment.join("bin/python"));
            command.arg(Path::new(SCRIPTS).join(name)).env("PYTHONUNBUFFERED", "1");
            command.env("PYTHONPATH", environment.join("stubs"));
            Some(command)
        }
        Err(problem) => {
            static SAID: Once = Once::new();
            assert!(env::var_os("CI").is_none(), "{problem}");
            // Not with `eprintln!`, whose output the test harness hides.
            SAID.call_once(|| {
                let _ = writeln!(io::stderr(), "NOT TESTED with Python: {problem}");
            });
            None
        }
    }
}

fn environment() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("orders-grpcio");
    fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    // Tests run at the same time, in nextest even as processes of their own.
    let lock = File::create(folder.join("lock")).map_err(|error| error.to_string())?;
    lock.lock().map_err(|error| error.to_string())?;

    let complete = folder.join("complete");
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
            .args(["-m", "grpc_tools.protoc", "--proto_path", PROTO])
            .arg(format!("--python_out={}", stubs.display()))
            .arg(format!("--grpc_python_out={}", stubs.display()))
            .arg("acme/orders/v1/orders.proto"))?;
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
