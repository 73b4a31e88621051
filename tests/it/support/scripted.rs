//! A server that responds to each call as its script says, and records the calls.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Instant,
};

use h2::{Ping, Reason};
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;

use super::wire::{message, text};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Reaction {
    Reply,
    /// A response of trailers alone, with this pushback.
    Status(Code, Option<&'static str>),
    /// RST_STREAM with this reason.
    Reset(Reason),
    /// The end of the whole connection.
    Break,
    /// GOAWAY that names the call's stream as the last, and then the end of the connection.
    GoAway(Reason),
    /// The head of a response, and then the end of the connection.
    BreakAfterHead,
    /// The head of a response, and nothing after it.
    HeadAlone,
    /// A status of HTTP, as from a proxy.
    Http(u16),
}

/// A call that has arrived.
pub(crate) struct Seen {
    pub(crate) at: Instant,
    pub(crate) headers: HeaderMap,
}

#[derive(Clone, Default)]
struct Shared {
    script: Arc<Mutex<VecDeque<Reaction>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

pub(crate) struct Scripted {
    pub(crate) address: String,
    shared: Shared,
}

impl Scripted {
    /// Starts a server that reacts to calls as the script says, and replies to all later ones.
    pub(crate) async fn start(script: &[Reaction]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let shared = Shared::default();
        shared.script.lock().expect("no panic").extend(script);
        tokio::spawn({
            let shared = shared.clone();
            async move {
                while let Ok((tcp, _)) = listener.accept().await {
                    tokio::spawn(serve(tcp, shared.clone()));
                }
            }
        });
        Self { address, shared }
    }

    /// Returns the calls that have arrived since the last time.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut self.shared.seen.lock().expect("no panic"))
    }
}

impl Shared {
    fn record<T>(&self, request: &Request<T>) -> Reaction {
        let seen = Seen { at: Instant::now(), headers: request.headers().clone() };
        self.seen.lock().expect("no panic").push(seen);
        self.script.lock().expect("no panic").pop_front().unwrap_or(Reaction::Reply)
    }
}

async fn serve(tcp: TcpStream, shared: Shared) {
    let Ok(mut connection) = h2::server::handshake(tcp).await else { return };
    let mut ping = connection.ping_pong().expect("it was not taken before");
    let mut open = Vec::new();
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let response = shared.record(&request);
        // The body is kept, because dropping it would reset the stream.
        let body = match response {
            Reaction::Break => return,
            Reaction::GoAway(reason) => {
                connection.abrupt_shutdown(reason);
                None
            }
            Reaction::Reset(reason) => {
                respond.send_reset(reason);
                None
            }
            Reaction::Reply => {
                let mut body = respond.send_response(head(200, &[]), false).expect("sent");
                body.send_data(message(false, &text("scripted")), false).expect("sent");
                let trailers = head(200, &[("grpc-status", "0")]).headers().clone();
                body.send_trailers(trailers).expect("sent");
                None
            }
            Reaction::Status(code, pushback) => {
                let code = (code as i32).to_string();
                let mut headers = vec![("grpc-status", code.as_str())];
                headers.extend(pushback.map(|pushback| ("grpc-retry-pushback-ms", pushback)));
                respond.send_response(head(200, &headers), true).expect("sent");
                None
            }
            Reaction::Http(status) => {
                respond.send_response(head(status, &[]), true).expect("sent");
                None
            }
            Reaction::HeadAlone | Reaction::BreakAfterHead => {
                Some(respond.send_response(head(200, &[]), false).expect("sent"))
            }
        };
        open.push((request, body));
        if matches!(response, Reaction::BreakAfterHead) {
            // The second acknowledged PING shows that everything before the first has arrived.
            for _ in 0..2 {
                tokio::select! {
                    pong = ping.ping(Ping::opaque()) => { pong.expect("a pong"); }
                    _ = connection.accept() => panic!("another call"),
                }
            }
            return;
        }
    }
}

fn head(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let mut head = Response::builder().status(status).header("content-type", "application/grpc");
    for (name, value) in headers {
        head = head.header(*name, *value);
    }
    head.body(()).expect("a response")
}
