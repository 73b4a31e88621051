//! Metrics and probes on plain HTTP, for those that do not speak gRPC.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
    time::{sleep, timeout},
};
use tonic_health::pb::health_check_response::ServingStatus;

use super::{State, health::status};
use crate::telemetry::Metrics;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// Enough for every scraper and probe together. Where there are more, the oldest is
/// dropped: who asks is answered in milliseconds, and who does not must keep nobody
/// else from an answer.
const CONNECTIONS: usize = 64;
/// How long one connection, which is one request, may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait where none can be accepted, such as for want of descriptors.
const BACKOFF: Duration = Duration::from_millis(100);

/// What is answered.
#[derive(Debug, Clone)]
pub(super) struct Pages {
    pub(super) metrics: Metrics,
    pub(super) state: watch::Receiver<State>,
}

/// Answers for as long as it is polled.
pub(super) async fn serve(listener: TcpListener, pages: Pages) {
    let mut open = VecDeque::<AbortHandle>::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_finished());
                if open.len() == CONNECTIONS {
                    open.pop_front().expect("it is full").abort();
                }
                // A scraper that went away, or is too slow, comes again.
                let answer = timeout(PATIENCE, answer(stream, pages.clone()));
                open.push_back(tokio::spawn(answer).abort_handle());
            }
            Err(error) => {
                tracing::warn!(%error, "no connection for metrics can be accepted at the moment");
                sleep(BACKOFF).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, pages: Pages) -> hyper::Result<()> {
    let service = service_fn(|request| {
        let page = pages.page(&request);
        async { Ok::<_, Infallible>(page) }
    });
    // One request each: a connection that is kept would take a place while idle.
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new()).keep_alive(false);
    http1.serve_connection(TokioIo::new(stream), service).await
}

impl Pages {
    fn page<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "GET or HEAD\n");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        match request.uri().path() {
            "/metrics" if wants_open_metrics(request) => {
                response(StatusCode::OK, OPEN_METRICS, self.metrics.open_metrics())
            }
            "/metrics" => response(StatusCode::OK, PROMETHEUS_TEXT, self.metrics.prometheus_text()),
            "/livez" => self.health("liveness"),
            "/readyz" => self.health(""),
            _ => text(StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz\n"),
        }
    }

    fn health(&self, name: &str) -> Response<Full<Bytes>> {
        match status(name, *self.state.borrow()) {
            Some(ServingStatus::Serving) => text(StatusCode::OK, "SERVING\n"),
            _ => text(StatusCode::SERVICE_UNAVAILABLE, "NOT_SERVING\n"),
        }
    }
}

/// Whether the client takes OpenMetrics. Those that do prefer it; one that takes
/// everything (`*/*`) is a person, and gets what people read.
fn wants_open_metrics<B>(request: &Request<B>) -> bool {
    let accepted = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let refused = |part: &str| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0));
        parts.next() == Some("application/openmetrics-text") && !parts.any(refused)
    })
}

fn text(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    response(status, PLAIN_TEXT, body)
}

fn response(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_metrics_is_for_those_that_ask_for_it() {
        for (accept, expected) in [
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1", true),
            ("text/plain, application/openmetrics-text; version=0.0.1; q=0.2", true),
            ("application/openmetrics-text;q=0, text/plain", false),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", false),
            ("*/*", false),
        ] {
            let request = Request::get("/metrics").header(ACCEPT, accept).body(());
            assert_eq!(wants_open_metrics(&request.expect("a request")), expected, "{accept}");
        }
        assert!(!wants_open_metrics(&Request::new(())));
    }
}
