//! With `--json`, every result of a client command is one JSON object on standard output, and so
//! is a failure. docs/commands.md documents the objects.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::support::process::{
    ServerProcess, event, run, run_with_input, stderr, stdout, unused_address,
};

/// Returns the objects on standard output.
fn objects(output: &std::process::Output) -> Vec<Value> {
    stdout(output).lines().map(event).collect()
}

#[test]
fn a_failure_is_one_object_with_its_kind_and_exit_code() {
    let address = unused_address();
    let at = ["--address", &address];
    let refused = format!("cannot connect to {address}: Connection refused (os error 111)");
    for (arguments, kind, message, code) in [
        (&["call", "--json", at[0], at[1]][..], "connection", refused.as_str(), 2),
        (&["health", "--json", at[0], at[1]], "connection", &refused, 2),
        (&["health", "--watch", "--json", at[0], at[1]], "connection", &refused, 2),
        (&["load", "--json", at[0], at[1]], "connection", &refused, 2),
        (
            &["call", "--json", "--nonsense"],
            "arguments",
            "unexpected argument '--nonsense' found\n\n  \
             tip: to pass '--nonsense' as a value, use '-- --nonsense'",
            1,
        ),
        (
            &["load", "--json", "--connections", "11"],
            "arguments",
            "--connections 11 is more than --concurrency 10: each call in flight uses one \
             connection, and the others would not be used. Pass --concurrency 11 or more, or --rate",
            1,
        ),
        (
            &["call", "--ca", "/nonexistent/ca", "--json"],
            "arguments",
            "/nonexistent/ca: cannot be read: No such file or directory (os error 2); correct the \
             path, or put the file there",
            1,
        ),
        (
            &["config", "show", "--json", "--log-level", "loud"],
            "configuration",
            "the configuration has 1 error\n  log.level: expected one of \"off\", \"error\", \"warn\", \
             \"info\", \"debug\", \"trace\", found \"loud\" (from --log-level)",
            78,
        ),
    ] {
        let output = run(arguments);
        let expected = json!({ "error": { "kind": kind, "message": message }, "exit_code": code });
        assert_eq!(objects(&output), [expected], "{arguments:?}: {}", stderr(&output));
        // Standard error has the error too, for people.
        assert!(stderr(&output).starts_with("error: "), "{arguments:?}: {}", stderr(&output));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_failure_of_a_command_has_the_code_of_the_failed_call() {
    let server = ServerProcess::start(&[]);
    let output = server.run(&["health", "Nonsense", "--json"]);
    let [failure] = &objects(&output)[..] else { panic!("{}", stdout(&output)) };
    assert_eq!(failure["error"]["kind"], "call");
    assert_eq!(failure["error"]["code"], "NOT_FOUND");
    let message = failure["error"]["message"].as_str().expect("text");
    assert!(stderr(&output).ends_with(&format!(": {message}\n")), "{message}");
    assert_eq!(failure["exit_code"], 3);
}

/// The status is the result of `health`, and no failure, even if it is not SERVING.
#[test]
fn a_server_that_is_not_healthy_is_one_object() {
    let lame = [("SAMPLE__SHUTDOWN__LAME_DUCK", "1h")];
    let server = ServerProcess::with(&lame, &[]);
    server.process.signal(rustix::process::Signal::TERM);
    server.wait_for_event("lame duck");
    let output = server.run(&["health", "--json"]);
    assert_eq!(objects(&output), [json!({ "name": "", "status": "NOT_SERVING" })]);
    assert_eq!(output.status.code(), Some(4));
}

#[test]
fn an_input_error_is_an_object_after_those_of_the_calls() {
    let server = ServerProcess::start(&[]);
    let output = run_with_input(&["call", "-", "--json", "--address", &server.address], "one\n");
    assert_eq!(objects(&output).len(), 1);
    let script = "printf 'one\\n\\377\\n' | \"$0\" call - --json --address \"$1\"";
    let mut call = Command::new("sh");
    call.args(["-c", script, env!("CARGO_BIN_EXE_sample-service"), &server.address]);
    let output = call.output().expect("it runs");
    let objects = objects(&output);
    assert_eq!(objects[0]["response"], "reply for one");
    assert_eq!(objects[1]["error"]["kind"], "io", "{objects:?}");
    assert_eq!((objects.len(), output.status.code()), (2, Some(74)));
}

/// The system refuses the descriptors that every command needs.
#[test]
fn a_refusal_by_the_system_is_exit_code_71_and_an_object() {
    for name in ["call", "health", "load"] {
        let mut client = Command::new("sh");
        let binary = env!("CARGO_BIN_EXE_sample-service");
        client.args(["-c", "ulimit -n 4; exec \"$0\" \"$@\"", binary, name, "--json"]);
        let output = client.args(["--address", "127.0.0.1:1"]).output().expect("it runs");
        let [failure] = &objects(&output)[..] else { panic!("{}", stderr(&output)) };
        assert_eq!(failure["error"]["kind"], "system", "{failure}");
        assert_eq!(output.status.code(), Some(71));
    }
}

#[test]
fn the_objects_and_the_exit_codes_are_documented() {
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md");
    let document = fs::read_to_string(document).expect("the file exists");
    for kind in
        ["arguments", "connection", "call", "io", "system", "configuration", "start", "internal"]
    {
        assert!(document.contains(&format!("`{kind}`")), "{kind}");
    }
    let rows =
        document.lines().filter(|line| line.starts_with("| ") && line.matches('|').count() == 5);
    let clients: Vec<_> = rows.filter_map(|row| row.split('|').nth(3)).map(str::trim).collect();
    for code in ["0", "1", "2", "3", "4", "70", "71", "74", "130, 143"] {
        assert!(clients.contains(&code), "{code} in {clients:?}");
    }
    let help = stdout(&run(&["--help"]));
    assert!(help.contains("71 refused by the system, 74 input or output failed"), "{help}");
}
