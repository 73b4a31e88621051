//! Where settings come from, and what is said of those that do not fit.

use std::{fs, net::TcpListener, path::Path, process::Output};

use rustix::process::Signal;
use serde_json::json;
use tempfile::TempDir;

use crate::support::process::{ServerProcess, command, event, run, stderr, stdout};

const TYPO: &str = "[server]\nmax_wokers = 3\n";

/// What `serve` says of a file with this text, the name of the file being `FILE`.
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

/// Refused before anything is served: nothing was logged.
fn assert_refused(output: &Output) {
    assert_eq!(output.status.code(), Some(78), "{}", stderr(output));
    assert_eq!(stdout(output), "");
}

#[test]
fn a_file_that_is_empty_or_half_written_is_refused() {
    for nothing in ["", "  \n\n"] {
        assert_eq!(
            refusal_of_file(nothing),
            "error: the configuration has 1 fault\n  \
             FILE: is empty: leave it out, or write a setting into it\n"
        );
    }
    for half in ["[server]\nmax_wor", "[serv", "[server]\naddress = \"[::]"] {
        let refusal = refusal_of_file(half);
        assert!(refusal.contains("FILE: is not valid TOML: TOML parse error at line"), "{refusal}");
    }
}

#[test]
fn comments_alone_are_a_valid_file() {
    let folder = TempDir::new().expect("a folder");
    let file = file(&folder, "settings.toml", "# max_workers = 3\n");
    assert_eq!(run(&["config", "check", "--config", &file]).status.code(), Some(0));
}

#[test]
fn a_file_that_cannot_be_read_is_refused_by_its_name() {
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
fn each_fault_names_its_key_what_was_expected_and_its_source() {
    for (text, fault) in [
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
            "service.work: expected a duration with its unit, up to a year, such as \"250ms\" \
             or \"5s\", found the number 100 (from FILE)",
        ),
        (
            "[service]\nwork = \"100\"",
            "service.work: expected a duration with its unit, up to a year, such as \"250ms\" \
             or \"5s\", found \"100\" (from FILE)",
        ),
        (
            "[server]\nmax_workers = \"8\"",
            "server.max_workers: expected a whole number from 1 to 2305843009213693951, \
             found \"8\" (from FILE)",
        ),
        (
            "[server]\naddress = \"localhost\"",
            "server.address: expected an IP address and a port, such as \"[::]:9999\" or \
             \"127.0.0.1:0\", found \"localhost\" (from FILE)",
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
            "service.work: expected a duration with its unit, up to a year, such as \"250ms\" \
             or \"5s\", found \"2years\" (from FILE)",
        ),
        (
            "[limits]\nhandshake = \"0s\"",
            "limits.handshake: expected a duration above 0, up to a year, such as \"250ms\" or \
             \"5s\", found \"0s\" (from FILE)",
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
        assert_eq!(refusal, format!("error: the configuration has 1 fault\n  {fault}\n"));
    }
}

#[test]
fn max_workers_is_neither_0_nor_more_than_can_be_counted() {
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
fn every_fault_of_every_layer_is_listed_at_once() {
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
    assert!(refusal.starts_with("error: the configuration has 5 faults\n"), "{refusal}");
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
fn kubernetes_own_variables_do_not_stop_the_start() {
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
fn later_layers_win_and_show_says_which_one_did() {
    let folder = TempDir::new().expect("a folder");
    let first = file(
        &folder,
        "first.toml",
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
fn check_finds_the_faults_that_serve_would_find_and_starts_nothing() {
    let valid = run(&["config", "check"]);
    assert_eq!(stdout(&valid), "the configuration is valid\n");
    assert_eq!(valid.status.code(), Some(0));

    assert_refused(&run(&["config", "check", "--max-workers", "0"]));
    assert_refused(&run(&["config", "show", "--max-workers", "0"]));
}

#[test]
fn the_defaults_are_a_commented_file_that_changes_nothing() {
    let folder = TempDir::new().expect("a folder");
    let defaults = stdout(&run(&["config", "default"]));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/default.toml");
    assert_eq!(defaults, fs::read_to_string(path).expect("it is there"));

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
fn a_port_in_use_is_refused_by_its_address() {
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
fn wrong_usage_is_exit_code_64() {
    let output = run(&["serve", "--nonsense"]);
    assert!(stderr(&output).contains("unexpected argument '--nonsense'"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(64));
}

#[test]
fn variables_of_opentelemetry_count_below_those_of_this_program() {
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

#[test]
fn the_readme_lists_every_setting_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(path).expect("it is there");
    let shown = stdout(&run(&["config", "show", "--json"]));
    let sections: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    for (section, settings) in sections.as_object().expect("sections") {
        for (name, setting) in settings.as_object().expect("settings") {
            let variable = format!("SAMPLE__{section}__{name}").to_uppercase();
            let row = format!("| `{section}.{name}` | `{}` | `{variable}` |", setting["value"]);
            assert!(readme.contains(&row), "{row}");
        }
    }
}
