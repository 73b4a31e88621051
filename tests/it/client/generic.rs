//! `sample-service call` of any method of a grpcio server with another schema.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::{
    process::{Process, event, run, run_with_input, stderr, stdout},
    python,
};

/// A server of `acme.Things` in Python.
struct Things {
    address: String,
    _process: Process,
}

impl Things {
    /// Starts the server, or returns `None` if this machine has no Python.
    fn start(command: &str) -> Option<Self> {
        let mut script = python::script("reflected.py")?;
        let process = Process::spawn(script.arg(fixtures()).arg(command));
        let port = process.wait_for(|line| line.strip_prefix("port ").map(ToOwned::to_owned));
        Some(Self { address: format!("127.0.0.1:{port}"), _process: process })
    }

    fn run(&self, arguments: &[&str]) -> std::process::Output {
        run(&[arguments, &["--address", &self.address]].concat())
    }

    /// Calls a method, and returns its response.
    fn call(&self, method: &str, data: &str) -> Value {
        let output = self.run(&["call", method, "--data", data, "--json"]);
        assert_eq!(output.status.code(), Some(0), "{data}: {}", stderr(&output));
        event(stdout(&output).trim_end())["response"].take()
    }
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/protojson/fixtures")
}

/// Messages in JSON, as Google's protobuf library prints them.
const MESSAGES: [&str; 12] = [
    "{}",
    r#"{"fDouble":1.5,"fFloat":0.1,"fInt32":-5,"fInt64":"-9223372036854775808","fUint32":4294967295}"#,
    r#"{"fUint64":"18446744073709551615","fSint32":-1,"fSint64":"-2","fFixed32":7,"fFixed64":"8"}"#,
    r#"{"fSfixed32":-7,"fSfixed64":"-8","fBool":true,"fString":"é\u001b\"\\","fBytes":"+//+AA=="}"#,
    r#"{"fDouble":"NaN","fFloat":"-Infinity","color":"BLUE","price":{},"colors":["RED",77]}"#,
    r#"{"packed":[1,-1],"expanded":["-1","5"],"words":["","b"],"prices":[{"units":"1"},{}]}"#,
    r#"{"moneyByName":{"":{},"k":{"currency":"EUR"}},"colorByNumber":{"-1":"RED"},"bytesByBool":{"true":"AA=="}}"#,
    r#"{"maybe":0,"perhaps":"","innerChoice":{"money":{"note":"n"},"option":"o","kind":"SOME"}}"#,
    r#"{"self":{"self":{"textChoice":""}},"time":"1600-02-29T23:59:59.000000001Z","length":"-3.500s","mask":"aB.c,d"}"#,
    r#"{"object":{"n":[1.5,null,{"a":"b"}]},"value":null,"list":[true],"values":[null,2.5,"a",{},[]]}"#,
    r#"{"any":{"@type":"type.googleapis.com/acme.common.Money","units":"4"},"empty":{},"boxedInt":"0","boxedString":""}"#,
    r#"{"any":{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"},"boxedBool":false,"boxedBytes":"","boxedDouble":0.25}"#,
];

#[test]
fn json_is_mapped_as_protobufs_own_library_maps_it() {
    let Some(things) = Things::start("serve") else { return };
    for message in MESSAGES {
        let expected: Value = serde_json::from_str(message).expect("JSON");
        // Each side decodes the protobuf that the other side has encoded.
        let text = things.call("/acme.Things/ToJson", message)["text"].take();
        let text = text.as_str().unwrap_or_else(|| panic!("no text for {message}")).to_owned();
        assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), expected);
        let note = json!({ "text": message }).to_string();
        assert_eq!(things.call("/acme.Things/FromJson", &note), expected);
    }
}

#[test]
fn a_stream_prints_each_response_and_the_status_that_ends_it() {
    let Some(things) = Things::start("serve") else { return };
    let watch = |data: &str, flags: &[&str]| {
        things.run(&[&["call", "/acme.Things/Watch", "--data", data][..], flags].concat())
    };
    let output = watch(r#"{"fInt32":2}"#, &[]);
    let eur = |units: &str| format!("{{\n  \"currency\": \"EUR\"{units}\n}}\n");
    assert_eq!(stdout(&output), eur("") + &eur(",\n  \"units\": \"1\""), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(0));

    let output = watch(r#"{"fInt32":1,"fString":"refuse"}"#, &["--json"]);
    let objects: Vec<_> = stdout(&output).lines().map(event).collect();
    let request = json!({ "fInt32": 1, "fString": "refuse" });
    assert_eq!((&objects[0]["request"], &objects[1]["request"]), (&request, &request));
    assert_eq!(objects[0]["response"], json!({ "currency": "EUR" }));
    assert_eq!(objects[1]["error"], json!({ "code": "ABORTED", "message": "enough" }));
    assert!(objects[0]["attempts"] == 1 && objects[1]["duration_ms"].is_f64(), "{objects:?}");
    assert_eq!((objects.len(), output.status.code()), (2, Some(3)));

    // The stream would not end by itself.
    let output = watch(r#"{"fInt32":1,"fString":"last"}"#, &["--timeout", "500ms"]);
    assert_eq!(stdout(&output), eur(""));
    assert_eq!(stderr(&output), "error: DEADLINE_EXCEEDED: no response within 500ms\n");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn a_failed_call_has_its_exit_code_and_its_message_is_escaped() {
    let Some(things) = Things::start("serve") else { return };
    let get = ["call", "/acme.Things/Get", "--data", r#"{"fString":"refuse"}"#];
    let output = things.run(&get);
    assert_eq!(stderr(&output), "error: PERMISSION_DENIED: not\\u001b[31m for you\n");
    assert_eq!((stdout(&output).as_str(), output.status.code()), ("", Some(3)));
    // The text of a response is escaped too.
    let output = things.run(&["call", "/acme.Things/Get", "--data", r#"{"fString":"\u009b\n"}"#]);
    assert_eq!(stdout(&output), "{\n  \"fString\": \"\\u009b\\n\"\n}\n");
}

#[test]
fn list_and_describe_show_the_schema_of_a_server() {
    let Some(things) = Things::start("serve") else { return };
    let shown = |arguments: &[&str]| {
        let output = things.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        stdout(&output)
    };
    assert_eq!(shown(&["list"]), "acme.Things\ngrpc.reflection.v1alpha.ServerReflection\n");
    assert_eq!(
        shown(&["list", "acme.Things"]),
        "acme.Things.Get\nacme.Things.Watch\nacme.Things.Upload\nacme.Things.ToJson\n\
         acme.Things.FromJson\nacme.Things.Chat\n"
    );
    let method = "acme.Things.Watch is a method:\n\
                  rpc Watch ( .acme.Everything ) returns ( stream .acme.common.Money );\n";
    assert_eq!(shown(&["describe", "acme.Things.Watch"]), method);
    assert_eq!(shown(&["describe", "/acme.Things/Watch"]), method);
    let services = shown(&["describe"]);
    assert!(services.starts_with("acme.Things is a service:\nservice Things {\n"), "{services}");
    assert!(services.contains("  rpc Chat ( stream .acme.Note ) returns ( stream .acme.Note );\n"));
    assert!(services.contains("grpc.reflection.v1alpha.ServerReflection is a service:\n"));
    assert_eq!(
        shown(&["describe", "acme.common.Color"]),
        "acme.common.Color is an enum:\n\
         enum Color {\n  COLOR_NONE = 0;\n  RED = 1;\n  ROT = 1;\n  BLUE = -2;\n}\n"
    );
    let message = shown(&["describe", "acme.Everything"]);
    for text in [
        "acme.Everything is a message:\nmessage Everything {\n  double f_double = 1;\n",
        "\n  repeated .acme.common.Color colors = 36;\n",
        "\n  map<string, .acme.common.Money> money_by_name = 40;\n",
        "\n  optional int32 maybe = 50;\n",
        "\n  oneof choice {\n    string text_choice = 60;\n",
        "\n    int64 number_choice = 62;\n  }\n  .acme.Everything.Inner inner = 70;\n",
        "\n  message Inner {\n    .acme.Everything.Inner.Money money = 1;\n",
        "\n    enum Kind {\n      NONE = 0;\n      SOME = 1;\n    }\n  }\n}\n",
    ] {
        assert!(message.contains(text), "no {text:?} in\n{message}");
    }
    let json = shown(&["describe", "acme.common.Money", "--json"]);
    let proto = "message Money {\n  string currency = 1;\n  int64 units = 2;\n}";
    let expected = json!({ "symbol": "acme.common.Money", "kind": "message", "proto": proto });
    assert_eq!(event(json.trim_end()), expected);
    assert_eq!(
        event(shown(&["list", "--json"]).lines().next().expect("one")),
        json!({ "service": "acme.Things" })
    );
}

#[test]
fn a_server_without_reflection_is_called_with_files() {
    let Some(things) = Things::start("serve-silently") else { return };
    let get = ["call", "/acme.Things/Get", "--data", "@"];
    let target = ["--address", &things.address];
    let output = run_with_input(&[&get[..], &target].concat(), "{}");
    assert_eq!(
        stderr(&output),
        "error: UNIMPLEMENTED: the server has no reflection: pass its schema with --proto FILE or \
         --descriptors FILE\n"
    );
    assert_eq!(output.status.code(), Some(3));

    let folder = tempfile::tempdir().expect("a folder");
    let set = folder.path().join("set.bin");
    let mut protoc = python::script("reflected.py").expect("it was there");
    let written = protoc.arg(fixtures()).arg("descriptors").arg(&set).status().expect("it runs");
    assert!(written.success());
    let (fixtures, set) = (fixtures().display().to_string(), set.display().to_string());
    let proto = format!("{fixtures}/acme/everything.proto");
    for source in [
        &["--proto", &proto, "--import-path", &fixtures][..],
        &["--proto", "acme/everything.proto", "--import-path", &fixtures],
        &["--descriptors", &set],
    ] {
        let call = [&get[..], &target, source].concat();
        let output = run_with_input(&call, r#"{"price":{"units":"5"}}"#);
        let expected = "{\n  \"price\": {\n    \"units\": \"5\"\n  }\n}\n";
        assert_eq!(stdout(&output), expected, "{source:?}: {}", stderr(&output));
        // With files, `list` and `describe` need no server.
        let output = run(&[&["list"][..], source].concat());
        assert_eq!(stdout(&output), "acme.Things\n", "{}", stderr(&output));
        let output = run(&[&["describe", "acme.common.Money"][..], source].concat());
        assert!(stdout(&output).starts_with("acme.common.Money is a message:\n"));
    }
    let output = run(&["list", "--proto", &proto]);
    assert!(stderr(&output).contains("pass the folder in which it is with --import-path"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn load_calls_a_method_of_another_server() {
    let Some(things) = Things::start("serve") else { return };
    let data = r#"{"fString":"refuse"}"#;
    let load = ["load", "/acme.Things/Get", "--calls", "20", "--json", "--data"];
    let output = things.run(&[&load[..], &["{}"]].concat());
    let report = event(stdout(&output).trim_end());
    assert_eq!(report["codes"]["OK"], 20, "{report}");
    let output = things.run(&[&load[..], &[data]].concat());
    let report = event(stdout(&output).trim_end());
    assert_eq!(report["codes"]["PERMISSION_DENIED"], 20, "{report}");
    assert_eq!(output.status.code(), Some(3));
}
