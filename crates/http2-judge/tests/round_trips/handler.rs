//! The handler of the calls of a plan.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, request};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use http2_judge::{
    body::{BoxError, Incoming, Outgoing},
    server::Handler,
};
use tokio::time::sleep;

use crate::call::{Call, Content, Ends, Reads};

/// The length of an "endless" body in bytes. It has an end, so that a test that fails ends too.
const ENDLESS: usize = 1024 * 1024;

/// What the handler got of a request.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) head: Option<request::Parts>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) has_ended: bool,
    pub(crate) error: Option<String>,
}

/// The handlers and bodies that are alive, by the numbers of their calls.
#[derive(Debug, Default, Clone)]
pub(crate) struct Alive(Arc<Mutex<Vec<usize>>>);

impl Alive {
    /// Returns the calls, once for each handler or body.
    pub(crate) fn calls(&self) -> Vec<usize> {
        self.with(|calls| calls.clone())
    }

    fn guard(&self, id: usize) -> Guard {
        self.with(|calls| calls.push(id));
        Guard(self.clone(), id)
    }

    fn with<T>(&self, of: impl FnOnce(&mut Vec<usize>) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Guard(Alive, usize);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.with(|calls| {
            if let Some(at) = calls.iter().position(|id| *id == self.1) {
                calls.swap_remove(at);
            }
        });
    }
}

/// What the handlers got, by call.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    seen: Arc<[Mutex<Seen>]>,
    pub(crate) alive: Alive,
}

impl Requests {
    pub(crate) fn new(count: usize) -> Self {
        let seen = (0..count).map(|_| Mutex::default()).collect();
        Self { seen, alive: Alive::default() }
    }

    pub(crate) fn with<T>(&self, id: usize, of: impl FnOnce(&mut Seen) -> T) -> T {
        of(&mut self.seen[id].lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Reads at most `frames` frames.
    async fn read(self, id: usize, mut body: Incoming, frames: usize) {
        let _guard = self.alive.guard(id);
        for _ in 0..frames {
            match body.frame().await {
                Some(Ok(frame)) => self.with(id, |seen| match frame.into_data() {
                    Ok(data) => seen.body.extend(data),
                    Err(frame) => seen.trailers = frame.into_trailers().ok(),
                }),
                Some(Err(error)) => {
                    return self.with(id, |seen| seen.error = Some(error.to_string()));
                }
                None => return self.with(id, |seen| seen.has_ended = true),
            }
        }
    }
}

/// Returns the handler of these calls.
pub(crate) fn handler(calls: &[Call], requests: &Requests) -> Handler {
    let calls: Arc<[Call]> = calls.into();
    let requests = requests.clone();
    Handler::new(move |request| {
        let id = id(request.uri().path());
        let (call, requests) = (calls[id].clone(), requests.clone());
        let guard = requests.alive.guard(id);
        async move {
            let response = handle(call, id, request, requests).await;
            drop(guard);
            response
        }
    })
}

fn id(path: &str) -> usize {
    path[1..].split('/').next().and_then(|id| id.parse().ok()).expect("each path has the number")
}

async fn handle(
    call: Call,
    id: usize,
    request: Request<Incoming>,
    requests: Requests,
) -> Response<Outgoing> {
    let (head, body) = request.into_parts();
    requests.with(id, |seen| seen.head = Some(head));
    call.thinks.wait().await;
    match call.reads {
        Reads::Whole => requests.clone().read(id, body, usize::MAX).await,
        Reads::Beside => drop(tokio::spawn(requests.clone().read(id, body, usize::MAX))),
        Reads::Part(frames) => requests.clone().read(id, body, frames).await,
        Reads::Forever => std::future::pending().await,
    }
    let mut response = Response::new(outgoing(&call, requests.alive.guard(id)));
    *response.status_mut() = call.status;
    *response.headers_mut() = call.response_headers;
    response
}

fn outgoing(call: &Call, guard: Guard) -> Outgoing {
    let content = call.response.clone();
    match call.ends {
        Ends::Complete => Outgoing::complete(content.bytes(0, content.length), content.trailers),
        Ends::Streamed => Outgoing::stream(StreamBody::new(frames(content, false, guard))),
        Ends::Failing => Outgoing::stream(StreamBody::new(frames(content, true, guard))),
        Ends::Early(time) => {
            let trailers = content.trailers.clone().unwrap_or_default();
            let endless = Content { length: ENDLESS, trailers: None, ..content };
            Outgoing::stream(StreamBody::new(frames(endless, false, guard))).ends_early(
                async move {
                    sleep(time).await;
                    trailers
                },
            )
        }
    }
}

/// Returns the frames of a body that is a stream.
fn frames(
    content: Content,
    is_failing: bool,
    guard: Guard,
) -> impl stream::Stream<Item = Result<Frame<Bytes>, BoxError>> + Send {
    stream::unfold((content, 0, guard), move |(mut content, sent, guard)| async move {
        let frame = if sent < content.length {
            if sent > 0 {
                content.pause.wait().await;
            }
            Ok(Frame::data(content.piece(sent)))
        } else if is_failing && sent < usize::MAX {
            Err("the body fails".into())
        } else {
            Ok(Frame::trailers(content.trailers.take()?))
        };
        let sent = match frame.as_ref().ok().and_then(Frame::data_ref) {
            Some(data) => sent + data.len(),
            None => usize::MAX,
        };
        Some((frame, (content, sent, guard)))
    })
}
