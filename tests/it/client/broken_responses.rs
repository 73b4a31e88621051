//! Responses that are broken: what `call`, `load` and grpcio's client say about each.
//!
//! The code is that of the specification, or that of grpcio if the specification leaves it open.
//! The table shows both: `cargo test --test it broken_responses -- --nocapture`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{
    frames::{Field, Frames, GRPC, NOT_FOUND, OK, serve},
    http2::{DATA, END_STREAM},
    process::{event, run, stdout},
    python,
    wire::{gzip, message, text},
};

const ATTEMPTS: Field<'_> = ("grpc-previous-rpc-attempts", b"4294967295");

// The reasons why this client differs from grpcio.
const CARDINALITY: &str = "statuscodes.md: response cardinality violation";
const CUT: &str = "grpcio gives the caller no message, and OK";
const ZSTD: &str = "grpcio has no zstd";
const NUMBER: &str = "statuscodes.md: an error in parsing the returned status is UNKNOWN";
const DETAILS: &str = "code and message can be read";
const SIZE: &str = "grpcio has another limit";
const MAPPING: &str = "http-grpc-status-mapping.md";
const MALFORMED: &str = "RFC 9113, section 8.1.1";

/// A broken response.
struct Case {
    name: &'static str,
    frames: Frames,
    /// The code, and a part of the message.
    expected: (&'static str, &'static str),
    /// The reason if grpcio reports another code.
    differs: Option<&'static str>,
}

fn case(name: &'static str, frames: Frames, code: &'static str, message: &'static str) -> Case {
    Case { name, frames, expected: (code, message), differs: None }
}

impl Case {
    fn unlike_grpcio(self, because: &'static str) -> Self {
        Self { differs: Some(because), ..self }
    }
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).expect("writing to memory cannot fail")
}

fn messages() -> Vec<Case> {
    let head = || Frames::head(&[GRPC]);
    let encoded = |name: &'static str| Frames::head(&[GRPC, ("grpc-encoding", name.as_bytes())]);
    let whole = message(false, &text("hi"));
    let large = "x".repeat(5 << 20);
    vec![
        case("a reply", head().reply().trailers(&[OK]), "OK", "hi"),
        case("no message", head().trailers(&[OK]), "UNIMPLEMENTED", "has no message")
            .unlike_grpcio(CARDINALITY),
        case(
            "two messages",
            head().reply().reply().trailers(&[OK]),
            "UNIMPLEMENTED",
            "more than one message",
        )
        .unlike_grpcio(CARDINALITY),
        case(
            "half a message",
            head().data(&whole[..7]).trailers(&[OK]),
            "INTERNAL",
            "ends within a message",
        )
        .unlike_grpcio(CUT),
        case(
            "half a prefix",
            head().data(&whole[..3]).trailers(&[OK]),
            "INTERNAL",
            "ends within a message",
        )
        .unlike_grpcio(CUT),
        case(
            "half a message and an error",
            head().data(&whole[..7]).trailers(&[NOT_FOUND, ("grpc-message", b"gone")]),
            "NOT_FOUND",
            "gone",
        ),
        case(
            "an unknown flag",
            head().data(&[&[2], &whole[1..]].concat()).trailers(&[OK]),
            "INTERNAL",
            "flag of a response message is 2",
        )
        .unlike_grpcio(CUT),
        case(
            "compressed without an encoding",
            head().data(&message(true, &gzip(&text("hi")))).trailers(&[OK]),
            "INTERNAL",
            "grpc-encoding names no encoding",
        ),
        case(
            "gzip",
            encoded("gzip").data(&message(true, &gzip(&text("hi")))).trailers(&[OK]),
            "OK",
            "hi",
        ),
        case(
            "zstd",
            encoded("zstd").data(&message(true, &zstd(&text("hi")))).trailers(&[OK]),
            "OK",
            "hi",
        )
        .unlike_grpcio(ZSTD),
        case(
            "gzip of nonsense",
            encoded("gzip").data(&message(true, b"nonsense")).trailers(&[OK]),
            "INTERNAL",
            "cannot be decompressed",
        ),
        case(
            "an encoding that was not offered",
            encoded("br").data(&message(true, b"?")).trailers(&[OK]),
            "INTERNAL",
            "compressed with br",
        ),
        case(
            "a message that does not decode",
            head().data(&message(false, &[0x0a, 9, b'x'])).trailers(&[OK]),
            "INTERNAL",
            "decode",
        ),
        case(
            "5 MiB",
            // The length alone is enough. The rest of the message would wait for the window.
            head().data(&message(false, &text(&large))[..10_000]),
            "RESOURCE_EXHAUSTED",
            "the limit is 4259840",
        ),
        case(
            "5 MiB in gzip",
            encoded("gzip").data(&message(true, &gzip(&text(&large)))).trailers(&[OK]),
            "RESOURCE_EXHAUSTED",
            "larger once it is decompressed",
        ),
    ]
}

fn statuses() -> Vec<Case> {
    let replied = |trailers: &[Field<'_>]| Frames::head(&[GRPC]).reply().trailers(trailers);
    let only = |fields: &[Field<'_>]| Frames::only(&[&[GRPC], fields].concat());
    let details = |details: &'static [u8]| {
        let message = ("grpc-message", &b"gone"[..]);
        only(&[NOT_FOUND, message, ("grpc-status-details-bin", details)])
    };
    let long = [b'x'; 20_000];
    vec![
        case("trailers without a status", replied(&[("x", b"y")]), "UNKNOWN", "without a status"),
        case(
            "no trailers",
            Frames::head(&[GRPC]).frame(DATA, END_STREAM, &message(false, &text("hi"))),
            "UNKNOWN",
            "without a status",
        ),
        case("only headers, without a status", only(&[]), "UNKNOWN", "without a status"),
        case("only headers, OK", only(&[OK]), "UNIMPLEMENTED", "has no message")
            .unlike_grpcio(CARDINALITY),
        case("only headers", only(&[NOT_FOUND]), "NOT_FOUND", ""),
        case(
            "a status in headers that are not all",
            Frames::head(&[GRPC, NOT_FOUND]).reply().trailers(&[OK]),
            "OK",
            "hi",
        ),
        case("status 17", replied(&[("grpc-status", b"17")]), "UNKNOWN", "unknown status 17"),
        case("status -1", replied(&[("grpc-status", b"-1")]), "UNKNOWN", "unknown status -1")
            .unlike_grpcio(NUMBER),
        case("status OK", replied(&[("grpc-status", b"OK")]), "UNKNOWN", "unknown status OK")
            .unlike_grpcio(NUMBER),
        case("an empty status", replied(&[("grpc-status", b"")]), "UNKNOWN", "unknown status")
            .unlike_grpcio(NUMBER),
        case(
            "a message that is not UTF-8",
            only(&[NOT_FOUND, ("grpc-message", b"caf%E9")]),
            "NOT_FOUND",
            "caf\u{fffd}",
        ),
        case(
            "a message with raw bytes",
            only(&[NOT_FOUND, ("grpc-message", b"caf\xe9")]),
            "NOT_FOUND",
            "caf\u{fffd}",
        ),
        case("details: !!!", details(b"!!!"), "NOT_FOUND", "gone").unlike_grpcio(DETAILS),
        case("details: url-safe base64", details(b"_-_-"), "NOT_FOUND", "gone")
            .unlike_grpcio(DETAILS),
        case("details: two values", details(b"CAU,CAU"), "NOT_FOUND", "gone")
            .unlike_grpcio(DETAILS),
        case("details that are none", details(b"/w"), "NOT_FOUND", "gone"),
        case(
            "headers of 20 kB",
            Frames::head(&[GRPC, ("x", &long)]).reply().trailers(&[OK]),
            "RESOURCE_EXHAUSTED",
            "the headers of the response have 20",
        )
        .unlike_grpcio(SIZE),
        case(
            "trailers of 20 kB",
            replied(&[OK, ("x", &long)]),
            "RESOURCE_EXHAUSTED",
            "the trailers of the response have 20",
        )
        .unlike_grpcio(SIZE),
    ]
}

fn others() -> Vec<Case> {
    let page = "\n<html>\nnot for you</html>";
    let invalid = |name: &'static str, value: &'static [u8]| {
        Frames::head(&[GRPC, (name, value)]).reply().trailers(&[OK])
    };
    let breaks = "breaks the rules of HTTP/2";
    vec![
        case(
            "HTTP 200 in HTML",
            Frames::http("200", "text/html", page),
            "UNKNOWN",
            "content type text/html: <html>",
        ),
        case(
            "gRPC-Web",
            Frames::head(&[("content-type", b"application/grpc-web+proto")])
                .reply()
                .trailers(&[OK]),
            "UNKNOWN",
            "content type application/grpc-web+proto",
        )
        .unlike_grpcio("PROTOCOL-WEB.md: another protocol"),
        case("HTTP 302", Frames::http("302", "text/html", page), "UNKNOWN", "302 Found"),
        case("HTTP 404", Frames::http("404", "text/html", page), "UNIMPLEMENTED", "404 Not Found"),
        case("HTTP 431", Frames::http("431", "text/html", page), "INTERNAL", "431 Request")
            .unlike_grpcio(MAPPING),
        case(
            "HTTP 503",
            Frames::http("503", "text/html", page),
            "UNAVAILABLE",
            "503 Service Unavailable, content type text/html: <html>",
        ),
        case(
            "HTTP 503 that does not end",
            Frames::head_of("503", "text/html"),
            "UNAVAILABLE",
            "503 Service Unavailable, content type text/html",
        ),
        case(
            "a forged number of attempts",
            Frames::head(&[GRPC, ATTEMPTS]).reply().trailers(&[OK, ATTEMPTS]),
            "OK",
            "hi",
        ),
        case("an upper-case header", invalid("X", b"y"), "INTERNAL", breaks),
        case("connection: close", invalid("connection", b"close"), "INTERNAL", breaks)
            .unlike_grpcio(MALFORMED),
        case("two :status", invalid(":status", b"200"), "INTERNAL", breaks)
            .unlike_grpcio(MALFORMED),
        case(
            "data before the headers",
            Frames::default().reply().trailers(&[OK]),
            "INTERNAL",
            breaks,
        )
        .unlike_grpcio(MALFORMED),
        case("reset with CANCEL", Frames::head(&[GRPC]).reset(8), "CANCELLED", ""),
        case("reset with INTERNAL_ERROR", Frames::head(&[GRPC]).reset(2), "INTERNAL", ""),
        case(
            "reset with ENHANCE_YOUR_CALM",
            Frames::head(&[GRPC]).reset(11),
            "RESOURCE_EXHAUSTED",
            "",
        ),
        case("cut after the headers", Frames::head(&[GRPC]).cut(), "UNAVAILABLE", ""),
        case("cut after the message", Frames::head(&[GRPC]).reply().cut(), "UNAVAILABLE", ""),
    ]
}

/// Makes one call with `call`. Returns its code, its message and the number of attempts.
fn call(address: &str) -> (String, String, u64) {
    let output = run(&["call", "hello", "--json", "--timeout", "60s", "--address", address]);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    let line = event(&stdout(&output));
    let attempts = line["attempts"].as_u64().expect("a number");
    if let Some(reply) = line["response"].as_str() {
        return ("OK".to_owned(), reply.to_owned(), attempts);
    }
    let text = |name: &str| line["error"][name].as_str().expect("a text").to_owned();
    (text("code"), text("message"), attempts)
}

/// Makes one call with `load`. Returns its code.
fn load(address: &str) -> String {
    let arguments = ["--calls", "1", "--json", "--allow-errors", "--timeout", "60s"];
    let output = run(&[&["load", "--address", address], &arguments[..]].concat());
    let report = event(&stdout(&output));
    let codes: BTreeMap<String, Value> =
        serde_json::from_value(report["codes"].clone()).expect("codes");
    codes.into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_response_has_the_code_of_the_specification() {
    let cases: Vec<Case> = [messages(), statuses(), others()].into_iter().flatten().collect();
    assert!(cases.len() >= 40);
    let mut addresses = Vec::new();
    let mut rows = Vec::new();
    for Case { name, frames, expected, differs } in cases {
        addresses.push(serve(frames).await);
        rows.push((name, expected, differs));
    }
    let said: Vec<Option<Value>> = match python::script("broken.py") {
        None => rows.iter().map(|_| None).collect(),
        Some(mut script) => {
            let output = script.args(&addresses).output().expect("python runs");
            let said: Vec<_> = stdout(&output).lines().map(|line| Some(event(line))).collect();
            assert_eq!(said.len(), rows.len(), "{}", String::from_utf8_lossy(&output.stderr));
            said
        }
    };
    let mut problems = Vec::new();
    println!("| response | call | grpcio | call says | grpcio says | why they differ |");
    println!("|---|---|---|---|---|---|");
    for (((name, expected, differs), address), said) in rows.iter().zip(&addresses).zip(&said) {
        let (code, message, attempts) = call(address);
        let of_grpcio = said.as_ref().map_or("", |said| said[0].as_str().unwrap_or_default());
        let text = said.as_ref().map_or("", |said| said[1].as_str().unwrap_or_default());
        let (text, why) = (text.escape_debug(), differs.unwrap_or_default());
        println!("| {name} | {code} | {of_grpcio} | {message} | {text} | {why} |");
        if code != expected.0 || !message.contains(expected.1) {
            problems.push(format!("{name}: {code}: {message}, not {expected:?}"));
        }
        if load(address) != code {
            problems.push(format!("{name}: load says {}", load(address)));
        }
        // A call that the server has processed is not retried, but one that a proxy refused is.
        if attempts != if name.starts_with("HTTP 503") { 5 } else { 1 } {
            problems.push(format!("{name}: {attempts} attempts"));
        }
        if said.is_some() && of_grpcio != code && differs.is_none() {
            problems.push(format!("{name}: grpcio says {of_grpcio}: {text}, not {code}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}
