//! The real binary.

use std::{
    env,
    io::{BufRead, BufReader},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::{NEVER, variables};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_orders");

/// Returns a command that runs `program` without variables that could configure the binary.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_remove("RUST_LOG");
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("ORDERS__") || text.starts_with("OTEL_") {
            command.env_remove(&name);
        }
    }
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    command(BINARY, arguments).output().expect("the binary runs")
}

/// The log of a process: JSON objects, one per line.
pub(crate) struct Log(Receiver<String>);

impl Log {
    /// Reads the standard output of a process that was started with [`Stdio::piped`].
    pub(crate) fn of(child: &mut Child) -> Self {
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        Self(lines)
    }

    /// Waits for a line with this message.
    pub(crate) fn wait_for(&self, message: &str) -> Value {
        let deadline = Instant::now() + NEVER;
        let mut seen = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.0.recv_timeout(left) {
                Ok(line) => {
                    let event: Value = serde_json::from_str(&line).unwrap_or_default();
                    if event["message"] == message {
                        return event;
                    }
                    seen.push(line);
                }
                Err(error) => panic!("no line {message:?} ({error}) in {seen:#?}"),
            }
        }
    }
}

/// A process of the binary. It is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    log: Log,
    pub(crate) folder: TempDir,
    pub(crate) address: String,
}

impl Process {
    /// Starts `orders serve` with these settings, and waits until it listens.
    pub(crate) fn start(changes: &[(&str, &str)]) -> Self {
        Self::start_command(&mut command(BINARY, &["serve"]), changes)
    }

    pub(crate) fn start_command(command: &mut Command, changes: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        command.envs(variables(folder.path(), &[("log.format", "json")]));
        command.envs(variables(folder.path(), changes));
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program runs");
        let log = Log::of(&mut child);
        let mut process = Self { child, log, folder, address: String::new() };
        let listening = process.wait_for("listening");
        listening["address"].as_str().expect("an address").clone_into(&mut process.address);
        process
    }

    /// Waits for a log line with this message.
    pub(crate) fn wait_for(&self, message: &str) -> Value {
        self.log.wait_for(message)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Sends SIGTERM. Returns the report of the drain and how the process has ended.
    pub(crate) fn terminate(mut self) -> (Value, ExitStatus) {
        self.signal(Signal::TERM);
        let report = self.wait_for("drained");
        (report, self.child.wait().expect("it ran"))
    }

    /// Returns the resident memory in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.expect("it has memory").trim().trim_end_matches(" kB");
        kib.parse::<u64>().expect("a number") * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
