//! The real binary as a process.

use std::{
    env, fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

/// The timeout of every wait. Only a test that fails waits this long, on any machine.
pub(crate) const NEVER: Duration = Duration::from_secs(60);

/// Returns the binary without variables that could configure it.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sample-service"));
    command.args(arguments).env_remove("RUST_LOG");
    for (name, _) in env::vars_os() {
        if ["SAMPLE__", "OTEL_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    command(arguments).output().expect("the binary runs")
}

pub(crate) fn run_with_input(arguments: &[&str], input: &str) -> Output {
    let mut command = command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_owned();
    let writer = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("the binary ends");
    writer.join().expect("no panic").expect("all was read");
    output
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// A process whose standard output is read line by line. Dropping it kills the process.
pub(crate) struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self::spawn_with(command, Some)
    }

    /// Spawns a program whose output has other text too. Only the text that `keep` returns is kept.
    fn spawn_with(command: &mut Command, keep: fn(String) -> Option<String>) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the program runs");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            let mut lines = stdout.lines().map_while(Result::ok).filter_map(keep);
            lines.try_for_each(|line| sender.send(line))
        });
        Self { child, lines }
    }

    /// Waits for a line for which `find` returns a value, and drops those before it.
    pub(crate) fn wait_for<T>(&self, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + NEVER;
        let mut seen = String::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => match find(&line) {
                    Some(found) => return found,
                    None => seen = seen + &line + "\n",
                },
                Err(error) => panic!("no such line ({error}) in:\n{seen}"),
            }
        }
    }

    /// Waits for a line that `is` accepts. Returns false if the process ends without one.
    pub(crate) fn starts(&self, is: impl Fn(&str) -> bool) -> bool {
        loop {
            match self.lines.recv_timeout(NEVER) {
                Ok(line) if is(&line) => return true,
                Ok(_) => {}
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => panic!("the process neither starts nor ends"),
            }
        }
    }

    /// Reads standard error, which must be piped, to its end.
    pub(crate) fn stderr(&mut self) -> String {
        let mut text = String::new();
        let stderr = self.child.stderr.as_mut().expect("piped");
        stderr.read_to_string(&mut text).expect("UTF-8");
        text
    }

    /// Writes a line to standard input, which must be piped.
    pub(crate) fn say(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().expect("piped");
        writeln!(stdin, "{line}").expect("it reads");
    }

    pub(crate) fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send_signal(&self.child, signal);
    }

    /// Waits for the end. Returns the status, and the lines after those that were waited for.
    pub(crate) fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let deadline = Instant::now() + NEVER;
        // The lines end when the output of the process ends.
        let mut lines = Vec::new();
        while let Ok(line) =
            self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            lines.push(line);
        }
        assert!(Instant::now() < deadline, "it never ended, and printed:\n{}", lines.join("\n"));
        (self.child.wait().expect("it ran"), lines)
    }
}

pub(crate) fn send_signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).expect("it is still there");
}

impl Drop for Process {
    fn drop(&mut self) {
        // The process may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `serve` on a free port of the loopback interface, with a log in JSON.
pub(crate) struct ServerProcess {
    pub(crate) process: Process,
    pub(crate) address: String,
    /// The address that serves health alone; empty if there is none.
    pub(crate) health_address: String,
    /// The address of the metrics; empty if they are off.
    pub(crate) metrics_address: String,
}

impl ServerProcess {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_command(&mut command(&["serve", "--log-format", "json"]), arguments)
    }

    /// Starts the server with these settings in its environment.
    pub(crate) fn with(settings: &[(&str, &str)], arguments: &[&str]) -> Self {
        let mut serve = command(&["serve", "--log-format", "json"]);
        Self::start_command(serve.envs(settings.iter().copied()), arguments)
    }

    pub(crate) fn start_command(command: &mut Command, arguments: &[&str]) -> Self {
        // Tests need no time for load balancers.
        if command.get_envs().all(|(name, _)| name != "SAMPLE__SHUTDOWN__LAME_DUCK") {
            command.env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s");
        }
        if !arguments.contains(&"--address") {
            command.args(["--address", "127.0.0.1:0"]);
        }
        Self::start_process(Process::spawn(command.args(arguments)))
    }

    /// Starts this test program as a server. The test harness prints lines too, which are not
    /// JSON.
    pub(crate) fn start_test_program(command: &mut Command) -> Self {
        command.env("SAMPLE__SHUTDOWN__LAME_DUCK", "0s");
        let json = |line: String| line.find('{').map(|start| line[start..].to_owned());
        Self::start_process(Process::spawn_with(command, json))
    }

    fn start_process(process: Process) -> Self {
        let listening = process.wait_for(|line| {
            let event = event(line);
            (event["message"] == "listening").then_some(event)
        });
        let text = |field: &str| listening[field].as_str().unwrap_or_default().to_owned();
        Self {
            process,
            address: text("address"),
            health_address: text("health_address"),
            metrics_address: text("metrics_address"),
        }
    }

    /// Waits for a log line with this message.
    pub(crate) fn wait_for_event(&self, message: &str) -> serde_json::Value {
        self.process.wait_for(|line| {
            let event = event(line);
            (event["message"] == message).then_some(event)
        })
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        run(&[arguments, &["--address", &self.address]].concat())
    }
}

/// Returns the report of the drain among the lines of a log.
pub(crate) fn report(lines: &[String]) -> serde_json::Value {
    let report = lines.iter().map(|line| event(line)).find(|event| event["message"] == "drained");
    report.unwrap_or_else(|| panic!("no report in {lines:#?}"))
}

pub(crate) fn event(line: &str) -> serde_json::Value {
    serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"))
}

/// Returns the resident memory of a process, in KiB.
pub(crate) fn memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

/// Returns an address at which no process listens.
pub(crate) fn unused_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").to_string()
}
