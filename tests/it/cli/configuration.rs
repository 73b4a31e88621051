//! The layers that settings come from, and the text of configuration errors.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Output,
};

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::support::process::{Process, ServerProcess, command, event, run, stderr, stdout};

const TYPO: &str = "[server]\nmax_wokers = 3\n";

/// Returns the error of `serve` for a file with this text. The file's name becomes `FILE`.
fn refusal_of_file(text: &str) -> String {
    let folder = TempDir::new().expect("a folder");
    let file = file(&folder, "settings.toml", text);
    let output = run(&["serve", "--config", &file]);
    assert_refused(&output);
    stderr(&output).replace(&file, "FILE")
}

fn file(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).expect("it is written");
    path.to_str().expect("UTF-8").to_owned()
}

/// Asserts that the configuration was refused before the log began.
fn assert_refused(output: &Output) {
    assert_eq!(output.status.code(), Some(78), "{}", stderr(output));
    assert_eq!(stdout(output), "");
}

#[test]
fn an_empty_or_truncated_file_is_refused() {
    for nothing in ["", "  \n\n"] {
        assert_eq!(
            refusal_of_file(nothing),
            "error: the configuration has 1 error\n  \
             FILE: is empty: leave it out, or write a setting into it\n"
        );
    }
    for half in ["[server]\nmax_wor", "[serv", "[server]\naddress = \"[::]"] {
        let refusal = refusal_of_file(half);
        assert!(refusal.contains("FILE: is not valid TOML: TOML parse error at line"), "{refusal}");
    }
}

#[test]
fn a_file_of_comments_is_valid() {
    let folder = TempDir::new().expect("a folder");
    let file = file(&folder, "settings.toml", "# max_workers = 3\n");
    assert_eq!(run(&["config", "check", "--config", &file]).status.code(), Some(0));
}

#[test]
fn an_unreadable_file_is_named_in_the_error() {
    let folder = TempDir::new().expect("a folder");
    let folder = folder.path().to_str().expect("UTF-8");
    let missing = format!("{folder}/missing.toml");
    for (path, reason) in [(missing.as_str(), "No such file"), (folder, "Is a directory")] {
        let output = run(&["serve", "--config", path]);
        assert_refused(&output);
        let refusal = stderr(&output);
        assert!(refusal.contains(&format!("{path}: cannot be read: {reason}")), "{refusal}");
    }
}

#[test]
fn each_error_names_its_key_the_expected_value_and_its_source() {
    for (text, error) in [
        (TYPO, "server.max_wokers: is not a setting; did you mean server.max_workers? (from FILE)"),
        (
            "[sevrer]\nmax_workers = 3",
            "sevrer: is not a setting; `sample-service config default` lists them all (from FILE)",
        ),
        (
            "\"server.max_workers\" = 3",
            "\"server.max_workers\": is not a setting; did you mean server.max_workers? (from FILE)",
        ),
        (
            "[limits]\nheader_list = \"1B\"",
            "limits.header_list: is less than the 1KiB that the headers of a call need (from FILE)",
        ),
        ("server = 5", "server: is a section: its settings belong below [server] (from FILE)"),
        (
            "[service]\nwork = 100",
            "service.work: expected a duration with its unit (ms, s, m, h or d), up to a \
             year, such as \"250ms\" or \"5s\", found the number 100 (from FILE)",
        ),
        (
            "[service]\nwork = \"100\"",
            "service.work: expected a duration with its unit (ms, s, m, h or d), up to a \
             year, such as \"250ms\" or \"5s\", found \"100\" (from FILE)",
        ),
        (
            "[server]\nmax_workers = \"8\"",
            "server.max_workers: expected a whole number from 1 to 2305843009213693951, \
             found \"8\" (from FILE)",
        ),
        (
            "[server]\naddress = \"localhost\"",
            "server.address: expected an IP address and a port, such as \"[::]:9999\" or \
             \"127.0.0.1:0\", or unix: and the path of a Unix socket of at most 107 bytes, such as \
             \"unix:/run/server.sock\", found \"localhost\" (from FILE)",
        ),
        (
            "[tracing]\nsample = 1.5",
            "tracing.sample: expected a number from 0.0 to 1.0, found the number 1.5 (from FILE)",
        ),
        (
            "[tracing]\nendpoint = \"https://localhost:4317\"",
            "tracing.endpoint: expected a URL of plain HTTP, such as \"http://localhost:4317\" \
             (for https, put a collector beside the server), found \"https://localhost:4317\" \
             (from FILE)",
        ),
        (
            "[log]\naccess = \"some\"",
            "log.access: expected one of \"all\", \"errors\", \"off\", found \"some\" (from FILE)",
        ),
        ("[server.address]\nport = 1", "server.address: is a setting, not a section (from FILE)"),
        (
            "[service]\nwork = \"2years\"",
            "service.work: expected a duration with its unit (ms, s, m, h or d), up to a \
             year, such as \"250ms\" or \"5s\", found \"2years\" (from FILE)",
        ),
        (
            "[queue]\ntimeout = \"5M\"",
            "queue.timeout: expected a duration with its unit (ms, s, m, h or d), up to a \
             year, such as \"250ms\" or \"5s\", found \"5M\" (from FILE)",
        ),
        (
            "[limits]\nhandshake = \"0s\"",
            "limits.handshake: expected a duration above 0 with its unit (ms, s, m, h or \
             d), up to a year, such as \"250ms\" or \"5s\", found \"0s\" (from FILE)",
        ),
        (
            "[limits]\nmessage = \"4GiB\"",
            "limits.message: expected a size below 4GiB, such as \"16KiB\" or \"4MiB\", found \
             \"4GiB\" (from FILE)",
        ),
        (
            "[limits]\nstreams = 0",
            "limits.streams: expected a whole number from 1 to 4294967295, found the number 0 \
             (from FILE)",
        ),
        ("[deadline]\ndefault = \"6m\"", "deadline.default: is more than deadline.max (from FILE)"),
        (
            "[reflection]\nenabled = \"yes\"",
            "reflection.enabled: expected true or false, found \"yes\" (from FILE)",
        ),
        (
            "[log]\nlevel = \"loud\"",
            "log.level: expected one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \
             \"trace\", found \"loud\" (from FILE)",
        ),
        (
            "[log]\nformat = [\"json\"]",
            "log.format: expected one of \"text\", \"json\", found a list (from FILE)",
        ),
    ] {
        let refusal = refusal_of_file(text);
        assert_eq!(refusal, format!("error: the configuration has 1 error\n  {error}\n"));
    }
}

#[test]
fn max_workers_out_of_range_is_refused() {
    for number in ["0", "-1", "2305843009213693952", "99999999999999999999", "5.0", "many"] {
        let output = run(&["serve", "--max-workers", number]);
        assert_refused(&output);
        let refusal = stderr(&output);
        let expected = "server.max_workers: expected a whole number from 1 to 2305843009213693951";
        assert!(refusal.contains(expected), "{refusal}");
        assert!(refusal.contains("(from --max-workers)"), "{refusal}");
    }
}

#[test]
fn all_errors_of_all_layers_are_listed_at_once() {
    let folder = TempDir::new().expect("a folder");
    let typo = file(&folder, "typo.toml", TYPO);
    let empty = file(&folder, "empty.toml", "");
    let output = command(&["serve", "--config", &typo, "--config", &empty, "--work", "soon"])
        .env("SAMPLE__LOG__FORMAT", "xml")
        .env("SAMPLE__LOG__COLOUR", "red")
        .output()
        .expect("the binary runs");
    assert_refused(&output);
    let refusal = stderr(&output);
    assert!(refusal.starts_with("error: the configuration has 5 errors\n"), "{refusal}");
    for part in [
        "max_wokers",
        "empty.toml: is empty",
        "log.colour: is not a setting",
        "(from SAMPLE__LOG__COLOUR)",
        "log.format: expected one of",
        "(from SAMPLE__LOG__FORMAT)",
        "service.work: expected a duration",
        "(from --work)",
    ] {
        assert!(refusal.contains(part), "{part} is not in {refusal}");
    }
}

#[test]
fn variables_of_kubernetes_are_ignored() {
    let mut serve = command(&["serve", "--log-format", "json"]);
    serve
        .env("SAMPLE_PORT", "tcp://10.0.0.1:9999")
        .env("SAMPLE_SERVICE_HOST", "10.0.0.1")
        .env("SAMPLE_PORT_9999_TCP_ADDR", "10.0.0.1")
        .env("SAMPLE__SERVER__MAX_WORKERS", "8");
    let server = ServerProcess::start_command(&mut serve, &[]);
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait().0.code(), Some(0));
}

#[test]
fn later_layers_win_and_config_show_names_the_source() {
    let folder = TempDir::new().expect("a folder");
    let first = file(
        &folder,
        // A quote in a name is not escaped.
        "it's first.toml",
        "[server]\nmax_workers = 2\n[service]\nwork = \"2ms\"\n[log]\nlevel = \"warn\"\n\
         format = \"json\"\n",
    );
    let second =
        file(&folder, "second.toml", "[service]\nwork = \"3ms\"\n[log]\nlevel = \"off\"\n");
    let show = |json: &[&str]| {
        let files = ["config", "show", "--config", &first, "--config", &second];
        let output = command(&[&files, json].concat())
            .args(["--log-format", "text"])
            .env("SAMPLE__LOG__LEVEL", "error")
            .env("SAMPLE__LOG__FORMAT", "json")
            .env("SAMPLE__REFLECTION__ENABLED", "false")
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };

    let text = show(&[]);
    let shown: toml::Table = text.parse().expect("what is shown is valid TOML");
    assert_eq!(shown["server"]["max_workers"].as_integer(), Some(2));

    let shown_json: serde_json::Value = serde_json::from_str(&show(&["--json"])).expect("JSON");
    for (section, name, value, source) in [
        ("server", "address", json!("[::]:9999"), "default"),
        ("server", "max_workers", json!(2), first.as_str()),
        ("service", "work", json!("3ms"), second.as_str()),
        ("reflection", "enabled", json!(false), "SAMPLE__REFLECTION__ENABLED"),
        ("log", "level", json!("error"), "SAMPLE__LOG__LEVEL"),
        ("log", "format", json!("text"), "--log-format"),
    ] {
        assert_eq!(shown_json[section][name], json!({ "value": value, "source": source }));
        let line = text.lines().find(|line| line.starts_with(&format!("{name} = ")));
        assert!(line.is_some_and(|line| line.ends_with(&format!("# {source}"))), "{text}");
    }
}

#[test]
fn config_check_reports_the_errors_of_serve() {
    let valid = run(&["config", "check"]);
    let lines = stdout(&valid);
    let (first, memory) = lines.split_once('\n').expect("two lines");
    assert_eq!(first, "the configuration is valid");
    assert!(memory.starts_with("limits.memory is ") && memory.contains("MiB: "), "{memory}");
    assert_eq!(valid.status.code(), Some(0));

    assert_refused(&run(&["config", "check", "--max-workers", "0"]));
    assert_refused(&run(&["config", "show", "--max-workers", "0"]));
}

#[test]
fn config_default_is_a_commented_file_that_changes_nothing() {
    let folder = TempDir::new().expect("a folder");
    let defaults = stdout(&run(&["config", "default"]));
    assert_eq!(defaults, chassis::config::default_toml(&sample_service::service().schema()));
    let own = fs::read_to_string(path("config/default.toml")).expect("the file exists");
    let (_, own) = own.split_once("\n\n").expect("a comment, and the section");
    assert!(own.starts_with("[service]\n") && defaults.ends_with(own), "{defaults}");

    let file = file(&folder, "defaults.toml", &defaults);
    let shown = stdout(&run(&["config", "show", "--config", &file]));
    let without_source = |shown: &str| -> Vec<String> {
        shown
            .lines()
            .filter_map(|line| line.split(" #").next())
            .map(str::trim)
            .map(Into::into)
            .collect()
    };
    assert_eq!(without_source(&shown), without_source(&stdout(&run(&["config", "show"]))));
}

#[test]
fn a_port_in_use_is_named_in_the_error_with_exit_code_71() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let output = run(&["serve", "--address", &address]);
    let refusal = stderr(&output);
    assert!(
        refusal.starts_with(&format!("error: cannot listen on {address} (server.address): ")),
        "{refusal}"
    );
    assert!(refusal.contains("Address already in use"), "{refusal}");
    assert_eq!(output.status.code(), Some(71));
    assert_eq!(stdout(&output), "");
}

#[test]
fn an_unknown_flag_is_exit_code_64() {
    let output = run(&["serve", "--nonsense"]);
    assert!(stderr(&output).contains("unexpected argument '--nonsense'"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn variables_of_this_program_win_over_those_of_opentelemetry() {
    let show = |variables: &[(&str, &str)]| {
        let mut show = command(&["config", "show", "--json"]);
        let output = show.envs(variables.iter().copied()).output().expect("the binary runs");
        event(&stdout(&output))["tracing"].clone()
    };
    let otel = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4317"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ];
    let shown = show(&otel);
    assert_eq!(shown["endpoint"]["value"], "http://otel:4317");
    assert_eq!(shown["endpoint"]["source"], "OTEL_EXPORTER_OTLP_ENDPOINT");
    assert_eq!(shown["sample"]["value"], 0.25);
    let own = ("SAMPLE__TRACING__ENDPOINT", "http://own:4317");
    assert_eq!(show(&[&otel[..], &[own]].concat())["endpoint"]["value"], own.1);
}

#[test]
fn serve_is_the_default_command() {
    let output = run(&["--max-workers", "0"]);
    assert_refused(&output);
}

/// The table of the documentation is generated. If a setting changes, this test prints the new one.
#[test]
fn the_documentation_has_the_generated_table_of_settings() {
    let document = fs::read_to_string(path("docs/configuration.md")).expect("the file exists");
    let lines = document.lines().skip_while(|line| !line.starts_with("| setting | default |"));
    let lines: Vec<_> = lines.take_while(|line| line.starts_with('|')).collect();
    let table = chassis::config::markdown_table(&sample_service::service().schema());
    let generated: Vec<_> = table.lines().collect();
    assert!(
        lines == generated,
        "put this table into docs/configuration.md, for the one that is there:\n{table}"
    );
}

/// Returns the path of a file of the repository.
fn path(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[test]
fn a_budget_that_is_too_small_for_the_limits_is_a_warning() {
    let small = [("SAMPLE__LIMITS__MEMORY", "64MiB"), ("SAMPLE__LIMITS__MESSAGE", "8MiB")];
    let check = |limit| {
        let connections = ("SAMPLE__LIMITS__CONNECTIONS", limit);
        command(&["config", "check"]).envs(small).envs([connections]).output().expect("it runs")
    };
    let warned = check("1000");
    assert_eq!(warned.status.code(), Some(0));
    assert!(stdout(&warned).ends_with("limits.memory is 64MiB\n"), "{}", stdout(&warned));
    let warning = stderr(&warned);
    assert!(warning.starts_with("warning: limits.memory is 64MiB"), "{warning}");
    assert!(warning.contains("can need 96MiB"), "{warning}");
    // Five workers with two messages of 8 MiB each need 80 MiB, so fewer connections do not help.
    assert!(stderr(&check("1")).contains("can need 81MiB"));

    let mut serve = command(&["serve", "--log-format", "json", "--address", "127.0.0.1:0"]);
    let server = Process::spawn(serve.envs(small));
    let event = server.wait_for(|line| {
        let event = event(line);
        (event["level"] == "WARN").then_some(event)
    });
    let message = event["message"].as_str().expect("text");
    assert!(message.starts_with("limits.memory is 64MiB"), "{message}");
}
