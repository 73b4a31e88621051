//! Metrics and probes over plain HTTP, for clients that do not speak gRPC, and the admin page.

mod calls;
mod events;
mod exchange;
mod format;
mod log;
mod page;
mod profile;
mod query;
mod reply;
mod series;
mod status;
mod time;
mod token;

use std::{collections::VecDeque, convert::Infallible, pin::pin, sync::Arc, time::Duration};

use bytes::Bytes;
use hyper::{
    Method, Request, StatusCode,
    header::{ALLOW, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time::sleep,
};

use crate::{
    health::{HealthService, LIVENESS},
    host,
    lifecycle::Lifecycle,
    log_rate::LogRate,
    telemetry::{Metrics, Telemetry},
};
use events::Followers;
use exchange::Exchange;
use format::Format;
use profile::Profiles;
use reply::{Reply, json, reply, text};
use status::Status;

pub(crate) use status::About;
pub(crate) use token::Token;

/// The wait after no connection could be accepted, such as for lack of file descriptors.
const BACKOFF: Duration = Duration::from_millis(100);

/// The parts from which the pages are made.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) about: About,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) telemetry: Telemetry,
    pub(crate) metrics: Metrics,
    pub(crate) health: HealthService,
    pub(crate) token: Option<Token>,
}

/// The pages. Clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct Pages(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    telemetry: Telemetry,
    metrics: Metrics,
    health: HealthService,
    token: Option<Token>,
    status: Arc<Status>,
    followers: Followers,
    profiles: Profiles,
}

/// Serves the pages for as long as it is polled.
///
/// At most `limit` connections are open at once. Over the limit, a new connection displaces the
/// oldest one whose response does not take long. Most requests are served in milliseconds, and a
/// connection without a request must not block others.
pub(crate) async fn serve(listener: TcpListener, pages: Pages, limit: usize) {
    let mut open = VecDeque::<(AbortHandle, Arc<Exchange>)>::new();
    let lines = LogRate::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                open.retain(|(connection, _)| !connection.is_finished());
                if open.len() >= limit {
                    drop_oldest(&mut open);
                }
                let exchange = Arc::new(Exchange::default());
                let response = respond(stream, pages.clone(), Arc::clone(&exchange));
                open.push_back((tokio::spawn(response).abort_handle(), exchange));
            }
            Err(error) => {
                if lines.is_line_due() {
                    tracing::warn!(
                        %error,
                        "no connection for metrics can be accepted at the moment"
                    );
                }
                // Perhaps this listener has used up the file descriptors.
                drop_oldest(&mut open);
                sleep(BACKOFF).await;
            }
        }
    }
}

/// Drops the oldest connection whose response does not take long, or the oldest of all if there is
/// none.
fn drop_oldest(open: &mut VecDeque<(AbortHandle, Arc<Exchange>)>) {
    let short = open.iter().position(|(_, exchange)| !exchange.lasts());
    if let Some((oldest, _)) = open.remove(short.unwrap_or(0)) {
        oldest.abort();
    }
}

async fn respond(stream: TcpStream, pages: Pages, exchange: Arc<Exchange>) {
    let service = service_fn(|request| {
        let (pages, exchange) = (pages.clone(), Arc::clone(&exchange));
        async move { Ok::<_, Infallible>(pages.page(&request, &exchange).await) }
    });
    // One request per connection, because an idle connection would count towards the limit.
    let mut http1 = http1::Builder::new();
    http1.timer(TokioTimer::new()).keep_alive(false);
    let connection = pin!(http1.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // An error is ignored: a scraper that is cut off comes again.
        _ = connection => {}
        () = exchange.stalled() => {}
    }
}

impl Pages {
    /// Returns the pages of a listener with at most `connections` connections.
    pub(crate) fn new(parts: Parts, connections: usize) -> Self {
        let Parts { about, lifecycle, telemetry, metrics, health, token } = parts;
        let status = Status::new(&about, lifecycle, telemetry.clone(), metrics.clone());
        Self(Arc::new(Inner {
            telemetry,
            metrics,
            health,
            token,
            status: Arc::new(status),
            followers: Followers::new(connections),
            profiles: Profiles::default(),
        }))
    }

    /// Waits until the followers have the last event, after the server has stopped.
    pub(crate) async fn followers_ended(&self) {
        self.0.followers.ended().await;
    }

    async fn page<B>(&self, request: &Request<B>, exchange: &Arc<Exchange>) -> Reply {
        if !host::is_valid(request.version(), request.headers()) {
            return text(StatusCode::BAD_REQUEST, "one valid Host header is needed\n");
        }
        let path = request.uri().path();
        let is_change = path == "/log" && request.method() == Method::PUT;
        if !is_change && !matches!(*request.method(), Method::GET | Method::HEAD) {
            let (body, allowed) = match path {
                "/log" => ("GET, HEAD or PUT\n", "GET, HEAD, PUT"),
                _ => ("GET or HEAD\n", "GET, HEAD"),
            };
            let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, body);
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
            return refusal;
        }
        let Inner { metrics, .. } = &*self.0;
        match path {
            "/metrics" => {
                let format = Format::wanted(request.headers());
                let body: Bytes = match format {
                    Format::Protobuf => metrics.protobuf().into(),
                    Format::OpenMetrics => metrics.open_metrics().into(),
                    Format::Prometheus => metrics.prometheus_text().into(),
                };
                reply(StatusCode::OK, format.content_type(), body)
            }
            "/livez" => self.health(LIVENESS),
            "/readyz" => self.health(""),
            _ => self.admin_page(request, exchange).await,
        }
    }

    /// Responds to the paths that are for people, and not for scrapers and probes.
    async fn admin_page<B>(&self, request: &Request<B>, exchange: &Arc<Exchange>) -> Reply {
        let (path, headers) = (request.uri().path(), request.headers());
        let Inner { telemetry, token, status, followers, profiles, .. } = &*self.0;
        if !matches!(path, "/" | "/status" | "/events" | "/log" | "/debug/profile") {
            return text(
                StatusCode::NOT_FOUND,
                "there are /, /status, /events, /log, /debug/profile, /metrics, /livez and /readyz\n",
            );
        }
        if !host::is_private(headers) {
            return text(
                StatusCode::MISDIRECTED_REQUEST,
                "this page is served by IP address, as localhost, or by a name of the cluster: \
                 the name in the Host header is one that anyone can register\n",
            );
        }
        if host::is_foreign(headers) {
            return text(StatusCode::FORBIDDEN, "pages of other sites are refused\n");
        }
        match (path, telemetry.log_filter()) {
            ("/", _) => page::page(),
            ("/status", _) => json(status.now()),
            ("/events", _) => followers.follow(status, exchange),
            // A profile costs CPU time, so it needs the token, as a change does.
            ("/debug/profile", _) => match token::check(token.as_ref(), headers).await {
                Ok(()) => profiles.get(request, exchange).await,
                Err(refusal) => *refusal,
            },
            (_, Some(filter)) if request.method() == Method::PUT => {
                match token::check(token.as_ref(), headers).await {
                    Ok(()) => log::put(filter, request),
                    Err(refusal) => *refusal,
                }
            }
            (_, Some(filter)) => log::get(filter),
            (_, None) => text(StatusCode::NOT_FOUND, "this server has no log\n"),
        }
    }

    fn health(&self, name: &str) -> Reply {
        if self.0.health.is_serving(name) {
            text(StatusCode::OK, "SERVING\n")
        } else {
            text(StatusCode::SERVICE_UNAVAILABLE, "NOT_SERVING\n")
        }
    }
}
