//! `sample-service call` of any method of this server, and its errors.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use serde_json::json;

use crate::support::process::{ServerProcess, event, run, run_with_input, stderr, stdout};

#[test]
fn a_method_is_called_by_its_path_and_other_arguments_are_messages() {
    let server = ServerProcess::start(&[]);
    let reply = |arguments: &[&str]| {
        let output = server.run(&[&["call"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    let hello = "{\n  \"reply\": \"reply for hello\"\n}\n";
    let data = r#"{"message":"hello"}"#;
    assert_eq!(reply(&["/SampleService/Call", "--data", data]), hello);
    assert_eq!(reply(&["SampleService/Call", "--data", data]), hello);
    assert_eq!(reply(&["/SampleService/Call"]), "{\n  \"reply\": \"reply for \"\n}\n");
    for message in ["/not a path", "/usr/local/bin", "SampleService/Call"] {
        assert_eq!(
            reply(&[message]),
            format!("request : {message}\nresponse : reply for {message}\n")
        );
    }
    // With a second argument, the path is a message too.
    assert!(reply(&["/SampleService/Call", "b"]).starts_with("request : /SampleService/Call\n"));
    let object = reply(&["/SampleService/Call", "--data", data, "--json"]);
    let object = event(object.trim_end());
    assert_eq!(object["request"], json!({ "message": "hello" }));
    assert_eq!(object["response"], json!({ "reply": "reply for hello" }));
    assert_eq!(object["attempts"], 1);
}

#[test]
fn the_request_comes_from_an_argument_a_file_or_standard_input() {
    let server = ServerProcess::start(&[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("request.json");
    let data = r#"{"message":"hello"}"#;
    fs::write(&file, data).expect("the folder is writable");
    let call = ["call", "/SampleService/Call", "--address", &server.address, "--data"];
    for (argument, input) in
        [(format!("@{}", file.display()).as_str(), ""), ("@", data), ("@-", data)]
    {
        let output = run_with_input(&[&call[..], &[argument]].concat(), input);
        assert_eq!(
            stdout(&output),
            "{\n  \"reply\": \"reply for hello\"\n}\n",
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn an_error_of_the_arguments_says_what_is_wrong_and_calls_nothing() {
    let server = ServerProcess::start(&[]);
    let services = "SampleService, grpc.health.v1.Health, grpc.reflection.v1.ServerReflection, \
                    grpc.reflection.v1alpha.ServerReflection";
    for (arguments, error) in [
        (&["call", "/SampleService/Call", "--data", "{"][..], "--data is not JSON: EOF while parsing an object at line 1 column 1".to_owned()),
        (&["call", "/SampleService/Call", "--data", r#"{"mesage":1}"#], r#"SampleRequest has no field "mesage"; it has message"#.to_owned()),
        (&["call", "/SampleService/Call", "--data", r#"{"message":7}"#], "message: expected a string, and it is 7".to_owned()),
        (&["call", "/SampleService/Call", "--data", "@/no/such"], "cannot read /no/such: No such file or directory (os error 2)".to_owned()),
        (&["call", "/SampleService/Cal"], "SampleService has no method Cal; it has Call".to_owned()),
        (&["call", "/a.Service/Call"], format!("the server has no a.Service; its services are {services}")),
        (&["call", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"], "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo takes a stream of requests, and only methods with one request can be called".to_owned()),
        (&["call", "hello", "--data", "{}"], "--data, --proto and --descriptors are for the call of one method: pass its path, such as /package.Service/Method".to_owned()),
        (&["call", "/SampleService/Call", "--proto", "/no/such"], "cannot read /no/such: No such file or directory (os error 2)".to_owned()),
        (&["load", "--data", "{}"], "--data, --proto and --descriptors are for the call of one method: pass its path, such as /package.Service/Method".to_owned()),
        (&["load", "nothing"], "expected the path of a method, such as /package.Service/Method".to_owned()),
        (&["load", "/grpc.health.v1.Health/Watch"], "/grpc.health.v1.Health/Watch streams its responses, and load calls only unary methods".to_owned()),
        (&["list", "SampleRequest"], "SampleRequest is not a service".to_owned()),
        (&["describe", "no.Such"], format!("the server has no no.Such; its services are {services}")),
    ] {
        let output = server.run(&[arguments, &["--json"]].concat());
        let object = json!({ "error": { "kind": "arguments", "message": error }, "exit_code": 1 });
        assert_eq!(event(stdout(&output).trim_end()), object, "{arguments:?}");
        assert_eq!(stderr(&output), format!("error: {error}\n"));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
}

#[test]
fn a_response_above_max_message_is_refused() {
    let server = ServerProcess::start(&[]);
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(100_000));
    let call = ["call", "/SampleService/Call", "--data", "@", "--address", &server.address];
    let output = run_with_input(&[&call[..], &["--max-message", "64KiB"]].concat(), &long);
    let text = stderr(&output);
    assert!(text.starts_with("error: RESOURCE_EXHAUSTED: a response message has 1000"), "{text}");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn metadata_is_sent_with_the_reflection_and_with_the_call() {
    // Calls of the server's own services are logged at debug.
    let server = ServerProcess::start(&["--log-level", "debug"]);
    let metadata = ["--metadata", "x-request-id=one-call"];
    let call = ["call", "/SampleService/Call"];
    let output = server.run(&[&call[..], &metadata].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut codes = BTreeMap::new();
    while codes.len() < 2 {
        let call = server.wait_for_event("call");
        assert_eq!(call["request_id"], "one-call");
        codes.insert(call["method"].to_string(), call["code"].to_string());
    }
    let expected = [
        "\"/SampleService/Call\"",
        "\"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo\"",
    ];
    assert_eq!(codes, expected.map(|method| (method.to_owned(), "\"OK\"".to_owned())).into());
}

#[test]
fn a_server_that_is_not_there_and_one_without_reflection_are_errors() {
    let output = run(&["list", "--address", &crate::support::process::unused_address()]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let server = ServerProcess::with(&[("SAMPLE__REFLECTION__ENABLED", "false")], &[]);
    for command in [&["list"][..], &["describe"], &["load", "/SampleService/Call"]] {
        let output = server.run(command);
        let text = stderr(&output);
        assert!(text.contains("UNIMPLEMENTED: the server has no reflection"), "{text}");
        assert_eq!(output.status.code(), Some(3));
    }
}

#[test]
fn the_commands_of_the_documentation_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/calls.md")).expect("the file exists");
    let commands = text.lines().filter(|line| line.starts_with("sample-service "));
    let commands: Vec<_> = commands.collect();
    assert!(commands.len() >= 8, "{commands:?}");
    let server = ServerProcess::start(&[]);
    for line in commands {
        let script = format!(
            "sample-service() {{ '{}' \"$@\" --address {}; }}\n{line}",
            env!("CARGO_BIN_EXE_sample-service"),
            server.address
        );
        let output = Command::new("bash").args(["-c", &script]).current_dir(root).output();
        let output = output.expect("bash is there");
        assert_eq!(output.status.code(), Some(0), "{line}: {}", stderr(&output));
        assert!(!output.stdout.is_empty(), "{line}");
    }
}
