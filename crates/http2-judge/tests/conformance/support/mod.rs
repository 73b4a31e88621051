//! A case is a script that is run with every layer.

mod calls;
mod client;
mod expect;
mod payload;
mod state;
mod tests;

use std::{
    any::{Any, type_name},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use http2::{Budget, Settings};
use http2_judge::{
    frame::literal,
    server::{Layer, Server, no_limit, settings},
};
use tokio::{
    io::{DuplexStream, duplex},
    runtime::Builder,
    time::timeout,
};

pub(crate) use calls::Calls;
pub(crate) use client::Client;
pub(crate) use state::{
    ENABLE_PUSH, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, MAX_FRAME_SIZE,
    MAX_HEADER_LIST_SIZE,
};

use crate::deviations::DEVIATIONS;

pub(crate) const NO_ERROR: u32 = 0;
pub(crate) const PROTOCOL_ERROR: u32 = 1;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 3;
pub(crate) const STREAM_CLOSED: u32 = 5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 6;
pub(crate) const REFUSED_STREAM: u32 = 7;
pub(crate) const CANCEL: u32 = 8;
pub(crate) const COMPRESSION_ERROR: u32 = 9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

/// Runs a case of RFC 9113.
pub(crate) fn rfc9113<F: AsyncFn(Start)>(section: &str, script: F) {
    run(&format!("RFC 9113, section {section}"), script);
}

/// Runs a case of RFC 7541.
pub(crate) fn rfc7541<F: AsyncFn(Start)>(section: &str, script: F) {
    run(&format!("RFC 7541, section {section}"), script);
}

/// Runs a case of a rule that no RFC has.
pub(crate) fn own_rule<F: AsyncFn(Start)>(rule: &str, script: F) {
    run(rule, script);
}

fn run<F: AsyncFn(Start)>(rule: &str, script: F) {
    let (_crate, case) = type_name::<F>().split_once("::").expect("it is in this crate");
    let case = case.trim_end_matches("::{{closure}}");
    let mut failures = Vec::new();
    for layer in Layer::ALL {
        let deviation =
            DEVIATIONS.iter().find(|known| known.layer == layer && known.cases.contains(&case));
        let deviates =
            |message: &str| deviation.is_some_and(|known| message.contains(known.fails_with));
        match result(layer, &script) {
            Err(message) if deviates(&message) => {}
            Err(message) => failures.push(format!("{case}, {layer:?}, {rule}: {message}")),
            Ok(()) => failures.extend(deviation.map(|known| {
                format!(
                    "{case}, {layer:?}, {rule}: passes, so take it off the list: {}",
                    known.reason
                )
            })),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs the script with one layer, and returns the message of its panic.
fn result<F: AsyncFn(Start)>(layer: Layer, script: &F) -> Result<(), String> {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.expect("a runtime");
    let start = Start { layer, settings: settings(), budget: no_limit() };
    let run = || {
        runtime.block_on(async {
            let case = Box::pin(script(start));
            timeout(Duration::from_secs(600), case).await.expect("the case ends");
        });
    };
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| message(&*panic))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message").to_owned()
}

/// A server that is not started yet.
#[derive(Clone)]
pub(crate) struct Start {
    layer: Layer,
    settings: Settings,
    budget: Arc<Budget>,
}

impl Start {
    /// Changes the settings of the server.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// Limits the memory of the server.
    pub(crate) fn within(self, budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), ..self }
    }

    /// Starts the server, and returns a client that has exchanged SETTINGS with it.
    pub(crate) async fn open(self) -> Client {
        self.open_with(&[]).await
    }

    /// As [`open`](Self::open), but the client sends these SETTINGS.
    pub(crate) async fn open_with(self, settings: &[(u16, u32)]) -> Client {
        let mut client = self.connect();
        client.greet(settings).await;
        client
    }

    /// Starts the server, and returns a client that has sent nothing.
    pub(crate) fn connect(self) -> Client {
        let calls = Calls::default();
        let (near, far) = duplex(64 * 1024);
        let handler = calls.handler();
        let server = Server::within(&self.budget, self.layer, far, self.settings, handler);
        Client::new(self.layer, server, near, calls)
    }

    /// Starts the server, and returns it and a bare pipe.
    pub(crate) fn connect_raw(self) -> (Server, DuplexStream) {
        Server::start(self.layer, self.settings, Calls::default().handler())
    }
}

/// Returns a header block of literals.
pub(crate) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}
