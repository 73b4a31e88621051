//! Chromium calls the service from a page of another origin.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use serde_json::{Value, json};

use crate::support::{browser::Browser, web_service::start};

/// Opens the page of the origin in a browser. Returns what it has seen, or `None` if this machine
/// has no Chromium.
fn seen(origin: &str, service: &str) -> Option<Value> {
    let mut browser = Browser::open(&format!("{origin}/?service=http://{service}"))?;
    browser.wait_until("window.seen !== undefined");
    Some(browser.evaluate("window.seen"))
}

/// Serves the page. Returns its origin.
fn serve_page() -> String {
    let address = listen(|mut tcp| {
        let mut lines = BufReader::new(tcp.try_clone()?).lines();
        while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
        let page = include_str!("page.html");
        let head = "HTTP/1.0 200 OK\r\ncontent-type: text/html";
        write!(tcp, "{head}\r\ncontent-length: {}\r\n\r\n{page}", page.len())
    });
    format!("http://{address}")
}

/// Handles each connection on a thread of its own. Returns the address.
fn listen(handle: impl Fn(TcpStream) -> io::Result<()> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let handle = Arc::new(handle);
    thread::spawn(move || {
        for tcp in listener.incoming().map_while(Result::ok) {
            let handle = Arc::clone(&handle);
            thread::spawn(move || handle(tcp));
        }
    });
    address
}

/// Forwards connections to the service, and counts the preflights. Returns the address.
fn count_preflights(service: &str) -> (String, Arc<AtomicUsize>) {
    let preflights = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&preflights);
    let service = service.to_owned();
    let address = listen(move |mut browser| {
        let mut server = TcpStream::connect(&service)?;
        let (mut back, mut to_browser) = (server.try_clone()?, browser.try_clone()?);
        thread::spawn(move || io::copy(&mut back, &mut to_browser));
        let mut bytes = [0; 16 * 1024];
        loop {
            // Each request begins a read, because a browser waits for the response before it sends
            // the next request on a connection.
            let length = browser.read(&mut bytes)?;
            if length == 0 {
                return Ok(());
            }
            count.fetch_add(usize::from(bytes.starts_with(b"OPTIONS ")), Relaxed);
            server.write_all(&bytes[..length])?;
        }
    });
    (address, preflights)
}

#[test]
fn a_page_of_an_allowed_origin_calls_in_each_protocol() {
    let page = serve_page();
    let server = start(&[("SAMPLE__CORS__ORIGINS", &page)]);
    let (service, preflights) = count_preflights(&server.address);
    let Some(seen) = seen(&page, &service) else { return };
    let detail = json!({ "type": "google.protobuf.Duration", "value": "CAE" });
    let error = json!({ "code": "not_found", "message": "none", "details": [detail] });
    let end = "x-trail: c";
    assert_eq!(seen["connect"], json!([{ "text": "reply for hi" }, "a", "b"]), "{seen}");
    assert_eq!(seen["again"], json!([{ "text": "reply for again" }]), "{seen}");
    assert_eq!(seen["error"], json!([404, error]), "{seen}");
    assert_eq!(seen["get"], json!([{ "text": "reply for by GET" }]), "{seen}");
    let replies = json!([[0, "{\"text\":\"a 1\"}"], [0, "{\"text\":\"a 2\"}"], [2, "{}"]]);
    assert_eq!(seen["stream"], replies, "{seen}");
    assert_eq!(seen["grpcWeb"][0], json!([0, "\n\u{c}reply for hi"]), "{seen}");
    assert_eq!(seen["grpcWeb"][1][0], 0x80, "{seen}");
    let trailers = seen["grpcWeb"][1][1].as_str().unwrap_or_default();
    let lines: Vec<_> = trailers.lines().collect();
    assert!(lines.contains(&"grpc-status: 0") && lines.contains(&end), "{seen}");
    assert_eq!(seen["grpcWebText"][0], seen["grpcWeb"][0], "{seen}");
    assert_eq!(seen["grpcWebText"][1], json!([0x80, "grpc-status: 0\r\n"]), "{seen}");
    assert_eq!(seen["grpcWebError"], json!(["5"]), "{seen}");
    // One preflight for the headers of each kind of request at each path. A GET has none, and a
    // second call with the same headers has none either.
    assert_eq!(preflights.load(Relaxed), 3, "{seen}");
}

#[test]
fn a_page_of_another_origin_reads_nothing() {
    let (page, other) = (serve_page(), serve_page());
    let server = start(&[("SAMPLE__CORS__ORIGINS", &other)]);
    let Some(seen) = seen(&page, &server.address) else { return };
    let all = seen.as_object().expect("an object");
    assert_eq!(all.len(), 8, "{seen}");
    for (name, outcome) in all {
        assert_eq!(outcome, "TypeError: Failed to fetch", "{name}: {seen}");
    }
}
