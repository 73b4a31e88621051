//! The admin page in a browser.

use std::process::Stdio;

use rustix::process::Signal;
use tonic::Code;

use crate::support::{
    browser::Browser,
    http1::get,
    metrics::{METRICS, scrape},
    process::{ServerProcess, command},
    wire::{Caller, message},
};

fn open(server: &ServerProcess) -> Option<Browser> {
    let mut browser = Browser::open(&format!("http://{}/", server.metrics_address))?;
    browser.wait_until("document.getElementById('connection')?.innerText === 'Live'");
    Some(browser)
}

#[test]
fn the_page_shows_the_numbers_of_the_metrics_under_load() {
    let server =
        ServerProcess::with(&[METRICS, ("SAMPLE__LOG__ACCESS", "off")], &["--work", "5ms"]);
    let Some(mut browser) = open(&server) else { return };
    let mut load = command(&["load", "--duration", "3s", "--connections", "2", "--address"])
        .arg(&server.address)
        .stdout(Stdio::null())
        .spawn()
        .expect("it runs");
    // It follows while the load runs.
    browser.wait_until(
        "[...document.querySelectorAll('#calls tr')].some(row => \
         row.cells[0].innerText === '/SampleService/Call' && +row.cells[1].innerText > 1 && \
         +row.cells[2].innerText > 1 && +row.cells[3].innerText > 1)",
    );
    assert!(load.wait().expect("it runs").success());
    let series = scrape(&server.metrics_address);
    let labels = "grpc_type=\"unary\",grpc_service=\"SampleService\",grpc_method=\"Call\"";
    let started = series[&format!("grpc_server_started_total{{{labels}}}")];
    assert!(started > 1.0, "{started}");
    browser.wait_until(&format!(
        "[...document.querySelectorAll('#calls tr')].some(row => \
         row.cells[5].innerText.replaceAll(',', '') === '{started}')"
    ));
    let workers = browser.text("workers");
    assert!(workers.contains("0 of 5") && workers.contains("0 of 100"), "{workers}");
    let refused = browser.text("refused");
    assert!(refused.contains("Calls: queue full"), "{refused}");
    let settings = browser.text("settings");
    assert!(settings.contains("service.work\t\"5ms\"\t--work"), "{settings}");
    assert!(browser.errors.is_empty(), "{:?}", browser.errors);
}

#[test]
fn the_page_says_that_the_server_is_gone() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let Some(mut browser) = open(&server) else { return };
    server.process.signal(Signal::KILL);
    browser.wait_until(
        "document.getElementById('connection').innerText.startsWith('The server does not answer')",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn text_of_callers_is_never_markup() {
    const ID: &str = "<img src=x onerror=alert(1)>";
    let server = ServerProcess::with(&[METRICS], &[]);
    let Some(mut browser) = open(&server) else { return };
    let mut caller = Caller::connect(&server.address).await;
    let id = [("x-request-id", ID)];
    let response = caller.call_at("/no.Such/Method", &id, message(false, b"")).await;
    assert_eq!(response.code(), Code::Unimplemented);
    browser.wait_until("document.querySelectorAll('#failed tr').length === 1");
    assert!(browser.text("failed").contains(ID), "{}", browser.text("failed"));
    assert_eq!(browser.evaluate("document.querySelectorAll('img').length"), 0);
}

#[test]
fn the_page_is_usable_with_keyboard_and_screen_reader() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let Some(mut browser) = open(&server) else { return };
    // Every table has a caption, every meter a label, every region a name.
    for (what, wrong) in [
        ("tables", "[...document.querySelectorAll('table')].filter(t => !t.caption)"),
        ("meters", "[...document.querySelectorAll('meter')].filter(m => !m.labels.length)"),
        (
            "sections",
            "[...document.querySelectorAll('section')].filter(s => \
             !document.getElementById(s.getAttribute('aria-labelledby')))",
        ),
        // What scrolls can be reached by the keyboard.
        ("scrollers", "[...document.querySelectorAll('.wide')].filter(w => w.tabIndex !== 0)"),
    ] {
        assert_eq!(browser.evaluate(&format!("{wrong}.length")), 0, "{what}");
    }
    assert_eq!(browser.evaluate("document.documentElement.lang"), "en");
    assert_eq!(browser.evaluate("document.getElementById('connection').role"), "status");
}

#[test]
fn the_page_is_light_or_dark_as_the_reader_wants() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let Some(mut browser) = open(&server) else { return };
    let mut backs = Vec::new();
    for scheme in ["light", "dark"] {
        let feature = serde_json::json!([{"name": "prefers-color-scheme", "value": scheme}]);
        let media = serde_json::json!({ "features": feature });
        browser.command("Emulation.setEmulatedMedia", &media);
        backs.push(browser.evaluate("getComputedStyle(document.body).backgroundColor"));
    }
    assert_eq!(backs, ["rgb(246, 247, 249)", "rgb(20, 23, 28)"]);
}

#[test]
fn the_page_can_load_nothing_from_elsewhere() {
    let server = ServerProcess::with(&[METRICS], &[]);
    let page = get(&server.metrics_address, "/");
    let policy = page.header("content-security-policy").expect("a policy");
    for directive in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(directive), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
}
