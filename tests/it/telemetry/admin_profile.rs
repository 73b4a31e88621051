//! CPU profiles.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::Stdio,
    thread,
};

use flate2::read::GzDecoder;
use prost::Message;

use super::admin::{TOKEN, token};
use crate::support::{
    http1::{Reply, request},
    metrics::METRICS,
    process::{NEVER, ServerProcess, command},
};

/// The part of profile.proto that is looked at.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(int64, tag = "12")]
    period: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
}

fn ask(address: &str, query: &str) -> Reply {
    let header = format!("authorization: Bearer {TOKEN}\r\n");
    request(address, "GET", &format!("/debug/profile{query}"), &header).expect("a reply")
}

/// Returns the body, which is not text.
fn bytes(address: &str, query: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a server");
    stream.set_read_timeout(Some(NEVER)).expect("a socket");
    let head =
        format!("GET /debug/profile{query} HTTP/1.0\r\nauthorization: Bearer {TOKEN}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("it is open");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("a response");
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    response.split_off(end + 4)
}

#[test]
fn a_profile_shows_the_functions_that_run() {
    let (_folder, file) = token();
    let settings = [METRICS, ("SAMPLE__ADMIN__TOKEN", &*file), ("SAMPLE__LOG__ACCESS", "off")];
    let server = ServerProcess::with(&settings, &[]);
    let mut load = command(&["load", "--duration", "30s", "--address"])
        .arg(&server.address)
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    let svg = ask(&server.metrics_address, "?seconds=1");
    let gzip = bytes(&server.metrics_address, "?seconds=1&format=pprof");
    load.kill().expect("it runs");
    load.wait().expect("it ran");

    assert_eq!((svg.status, svg.header("content-type")), (200, Some("image/svg+xml")));
    assert!(svg.body.starts_with("<svg ") && svg.body.ends_with("</svg>\n"), "{}", svg.body);
    assert!(svg.body.contains("chassis::"), "{}", svg.body);

    let mut message = Vec::new();
    GzDecoder::new(&gzip[..]).read_to_end(&mut message).expect("it is gzip");
    let profile = Profile::decode(&message[..]).expect("a profile");
    assert!(profile.duration_nanos > 900_000_000, "{}", profile.duration_nanos);
    let name = |function: &Function| profile.string_table[function.name as usize].as_str();
    assert!(profile.function.iter().any(|function| name(function).contains("chassis::")));
    assert!(!profile.sample.is_empty());
    for sample in &profile.sample {
        assert_eq!(sample.value[1], sample.value[0] * profile.period);
        let known = 1..=profile.function.len() as u64;
        assert!(sample.location_id.iter().all(|id| known.contains(id)));
    }
    // It is served as before.
    assert!(server.run(&["call", "after"]).status.success());
}

#[test]
fn a_profile_needs_the_token_and_valid_parameters() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let reply = ask(&server.metrics_address, "?seconds=1");
    assert_eq!(reply.status, 403);
    assert!(reply.body.contains("admin.token"), "{}", reply.body);
    let (_folder, file) = token();
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__ADMIN__TOKEN", &file)], &[]);
    let without = request(&server.metrics_address, "GET", "/debug/profile", "").expect("a reply");
    assert_eq!(without.status, 401);
    for (query, named) in [("?seconds=61", "seconds=61"), ("?format=png", "format=png")] {
        let reply = ask(&server.metrics_address, query);
        assert_eq!(reply.status, 400);
        assert!(reply.body.contains(named), "{}", reply.body);
    }
}

#[test]
fn one_profile_is_made_at_a_time() {
    let (_folder, file) = token();
    let server = ServerProcess::with(&[METRICS, ("SAMPLE__ADMIN__TOKEN", &file)], &[]);
    let address = server.metrics_address.clone();
    // It goes on for longer than other responses may take.
    let first = thread::spawn(move || ask(&address, "?seconds=11"));
    server.wait_for_event("a CPU profile begins");
    let second = ask(&server.metrics_address, "?seconds=1");
    assert_eq!(second.status, 409, "{}", second.body);
    assert_eq!(first.join().expect("it ends").status, 200);
}
