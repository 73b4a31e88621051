//! `/events`: the status as it changes.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    http1::get,
    metrics::{METRICS, wait_until},
    process::{NEVER, ServerProcess},
};

/// Reads the events of one connection.
struct Follower(BufReader<TcpStream>);

impl Follower {
    /// Follows, or returns the whole response if that is refused.
    fn start(address: &str) -> Result<Self, String> {
        let mut stream = TcpStream::connect(address).expect("a server");
        stream.set_read_timeout(Some(NEVER)).expect("a socket");
        stream.write_all(b"GET /events HTTP/1.0\r\n\r\n").expect("it is open");
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).expect("a response");
        if !line.contains(" 200 ") {
            reader.read_to_string(&mut line).expect("a response");
            return Err(line);
        }
        Ok(Self(reader))
    }

    /// Returns the status of the next event, or `None` at the end.
    fn next(&mut self) -> Option<Value> {
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).expect("it is open") == 0 {
                return None;
            }
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(serde_json::from_str(data).expect("JSON"));
            }
        }
    }
}

#[test]
fn an_event_has_the_status_of_its_moment() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let mut follower = Follower::start(&server.metrics_address).expect("a place");
    let started = |status: &Value| {
        let calls = status["calls"].as_array().expect("calls").iter();
        calls.filter_map(|call| call["started"].as_f64()).sum::<f64>()
    };
    assert_eq!(follower.next().as_ref().map(started), Some(0.0));
    assert!(server.run(&["call", "one"]).status.success());
    while follower.next().is_some_and(|status| started(&status) == 0.0) {}
}

#[test]
fn one_follower_too_many_is_refused() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let address = &server.metrics_address;
    let mut followers: Vec<_> =
        (0..8).map(|_| Follower::start(address).expect("a place")).collect();
    let refusal = Follower::start(address).err().expect("it is one too many");
    assert!(refusal.contains(" 503 ") && refusal.contains("8 clients follow"), "{refusal}");
    // Probes and scrapers are not followers, and do not displace them.
    let silent = (0..70).map(|_| TcpStream::connect(address).expect("a server"));
    let _silent: Vec<_> = silent.collect();
    assert_eq!(get(address, "/readyz").status, 200);
    assert_eq!(get(address, "/metrics").status, 200);
    for follower in &mut followers {
        for _ in 0..2 {
            assert!(follower.next().is_some());
        }
    }
    // A place is free again when its follower is gone.
    followers.pop();
    wait_until(|| Follower::start(address).is_ok());
}

#[test]
fn followers_see_the_whole_shutdown() {
    let settings = [METRICS, ("SAMPLE__SHUTDOWN__LAME_DUCK", "100ms")];
    let server = ServerProcess::with(&settings, &[]);
    let mut follower = Follower::start(&server.metrics_address).expect("a place");
    let mut states = Vec::new();
    let mut told = false;
    while let Some(status) = follower.next() {
        let state = status["state"]["name"].as_str().expect("a state").to_owned();
        if states.last() != Some(&state) {
            states.push(state);
        }
        if !told {
            server.process.signal(Signal::TERM);
            told = true;
        }
    }
    assert_eq!(states[..2], ["ready", "lame_duck"], "{states:?}");
    assert_eq!(states.last().map(String::as_str), Some("stopped"), "{states:?}");
    let (status, _) = server.process.wait();
    assert!(status.success(), "{status}");
}
