//! Metrics and probes over plain HTTP, for clients that do not speak gRPC.

mod host;

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use crate::{
    health::{HealthService, LIVENESS},
    log_rate::LogRate,
    telemetry::Metrics,
};
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
    task::AbortHandle,
    time::{sleep, timeout},
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// The time limit of a connection, which serves one request.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// The wait after an error of accepting, such as for lack of descriptors.
const BACKOFF: Duration = Duration::from_millis(100);

/// What the pages are made from.
#[derive(Debug, Clone)]
pub(crate) struct Pages {
    pub(crate) metrics: Metrics,
    pub(crate) health: HealthService,
}

/// Serves the pages for as long as it is polled.
///
/// At most `limit` connections are open at once. Over the limit the oldest is dropped: a request
/// is served in milliseconds, and a connection without one must not block others.
pub(crate) async fn serve(listener: TcpListener, pages: Pages, limit: usize) {
    let mut open = VecDeque::<AbortHandle>::new();
    let lines = LogRate::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.retain(|connection| !connection.is_finished());
                if open.len() >= limit
                    && let Some(oldest) = open.pop_front()
                {
                    oldest.abort();
                }
                // An error is ignored: a scraper that is cut off comes again.
                let response = timeout(CONNECTION_TIMEOUT, respond(stream, pages.clone()));
                open.push_back(tokio::spawn(response).abort_handle());
            }
            Err(error) => {
                if lines.is_line_due() {
                    tracing::warn!(
                        %error,
                        "no connection for metrics can be accepted at the moment"
                    );
                }
                // Perhaps it is this listener that has used up the descriptors.
                if let Some(oldest) = open.pop_front() {
                    oldest.abort();
                }
                sleep(BACKOFF).await;
            }
        }
    }
}

async fn respond(stream: TcpStream, pages: Pages) -> hyper::Result<()> {
    let service = service_fn(|request| {
        let page = pages.page(&request);
        async { Ok::<_, Infallible>(page) }
    });
    // One request each, because an idle connection would count for the limit.
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new()).keep_alive(false);
    http1.serve_connection(TokioIo::new(stream), service).await
}

impl Pages {
    fn page<B>(&self, request: &Request<B>) -> Response<Full<Bytes>> {
        if !host::is_valid(request.version(), request.headers()) {
            return text(StatusCode::BAD_REQUEST, "one valid Host header is needed\n");
        }
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
            "/livez" => self.health(LIVENESS),
            "/readyz" => self.health(""),
            _ => text(StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz\n"),
        }
    }

    fn health(&self, name: &str) -> Response<Full<Bytes>> {
        if self.health.is_serving(name) {
            text(StatusCode::OK, "SERVING\n")
        } else {
            text(StatusCode::SERVICE_UNAVAILABLE, "NOT_SERVING\n")
        }
    }
}

/// Returns whether the client accepts OpenMetrics by name. A client that accepts everything
/// (`*/*`) is a person, and gets Prometheus' text format.
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
    fn open_metrics_is_sent_only_to_clients_that_accept_it_by_name() {
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
