//! A handler whose behaviour follows from the path, and a record of what it saw.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::sleep;

use crate::{
    body::{BoxError, Incoming, Outgoing},
    server::Handler,
};

/// The length of one frame of a streamed body, in bytes.
const PIECE: usize = 1000;

/// Names and values, in order.
pub type Fields = Vec<(String, String)>;

/// The bytes of a body.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Data(pub Vec<u8>);

impl fmt::Debug for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = &self.0[..self.0.len().min(20)];
        write!(f, "{} bytes, {}", self.0.len(), start.escape_ascii())
    }
}

/// What the handler saw of one request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The authority.
    pub authority: Option<String>,
    /// The header fields.
    pub headers: Fields,
    /// The bytes that it read.
    pub body: Data,
    /// The trailers.
    pub trailers: Fields,
    /// Whether the body was read to its end (true) or failed (false); `None` before.
    pub whole: Option<bool>,
    /// Whether the handler and its bodies were dropped.
    pub is_dropped: bool,
}

/// The requests that handlers saw.
#[derive(Debug, Clone, Default)]
pub struct Requests(Arc<Mutex<Vec<Seen>>>);

impl Requests {
    /// Returns what was seen, sorted by path.
    pub fn sorted(&self) -> Vec<Seen> {
        let mut seen = self.with(|seen| seen.clone());
        seen.sort_by(|first, second| first.path.cmp(&second.path));
        seen
    }

    /// Returns the handler that adds to these requests.
    pub fn handler(&self) -> Handler {
        let requests = self.clone();
        Handler::new(move |request| {
            let call = Call::new(&requests, &request);
            call.handle(request)
        })
    }

    fn with<T>(&self, of: impl FnOnce(&mut Vec<Seen>) -> T) -> T {
        of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns the fields of a map, sorted by name. The values of one name keep their order.
pub fn fields(map: &HeaderMap) -> Fields {
    let fields = map.iter().map(|(name, value)| {
        (name.as_str().to_owned(), value.as_bytes().escape_ascii().to_string())
    });
    let mut fields: Fields = fields.collect();
    fields.sort_by(|first, second| first.0.cmp(&second.0));
    fields
}

/// One call. Dropping it records that its handler and bodies were dropped.
struct Call {
    requests: Requests,
    index: usize,
}

impl Drop for Call {
    fn drop(&mut self) {
        self.see(|seen| seen.is_dropped = true);
    }
}

impl Call {
    fn new(requests: &Requests, request: &Request<Incoming>) -> Self {
        let uri = request.uri();
        let seen = Seen {
            method: request.method().to_string(),
            path: uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            authority: uri.authority().map(ToString::to_string),
            headers: fields(request.headers()),
            ..Seen::default()
        };
        let index = requests.with(|all| {
            all.push(seen);
            all.len() - 1
        });
        Self { requests: requests.clone(), index }
    }

    fn see<T>(&self, of: impl FnOnce(&mut Seen) -> T) -> T {
        self.requests.with(|seen| of(&mut seen[self.index]))
    }

    async fn handle(self, request: Request<Incoming>) -> Response<Outgoing> {
        let behaviour = request.uri().path().split('/').nth(1).unwrap_or_default().to_owned();
        let (name, number) = behaviour.split_once('-').unwrap_or((&behaviour, "0"));
        let number: usize = number.parse().unwrap_or_default();
        let body = request.into_body();
        match name {
            "echo" | "slow" => {
                sleep(Duration::from_millis(number as u64)).await;
                self.read(body).await;
                let body = self.see(|seen| seen.body.0.clone());
                self.respond(Outgoing::complete(body, Some(trailers())))
            }
            "bytes" => {
                self.read(body).await;
                self.respond(Outgoing::complete(vec![b'b'; number], None))
            }
            "stream" => self.stream(number, false, Some(body)),
            "trailers" => self.stream(0, false, Some(body)),
            "open" => self.stream(1, false, Some(body)).map(Outgoing::never_ends),
            "fail" => self.stream(number, true, None),
            "early" => {
                drop(body);
                self.respond(Outgoing::complete("early", Some(trailers())))
            }
            "forever" => {
                self.read(body).await;
                std::future::pending().await
            }
            _ => self.respond(Outgoing::empty()),
        }
    }

    /// Reads the body to its end.
    async fn read(&self, mut body: Incoming) {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                return self.see(|seen| seen.whole = Some(false));
            };
            self.see(|seen| match frame.into_data() {
                Ok(data) => seen.body.0.extend(data),
                Err(frame) => seen.trailers = frame.trailers_ref().map(fields).unwrap_or_default(),
            });
        }
        self.see(|seen| seen.whole = Some(true));
    }

    fn respond(&self, body: Outgoing) -> Response<Outgoing> {
        let mut response = Response::new(body);
        let length = self.see(|seen| seen.body.0.len());
        response.headers_mut().insert("x-read", HeaderValue::from(length));
        response
    }

    /// Responds with frames. Keeps the request's body, and does not read it.
    fn stream(self, pieces: usize, is_failing: bool, body: Option<Incoming>) -> Response<Outgoing> {
        let mut frames: Vec<Result<Frame<Bytes>, BoxError>> =
            (0..pieces).map(|_| Ok(Frame::data(Bytes::from_static(&[b's'; PIECE])))).collect();
        frames.push(if is_failing {
            Err("the body fails".into())
        } else {
            Ok(Frame::trailers(trailers()))
        });
        let mut response = self.respond(Outgoing::empty());
        let kept = (self, body);
        let frames = stream::unfold((frames.into_iter(), kept), |(mut frames, kept)| async move {
            let frame = frames.next()?;
            Some((frame, (frames, kept)))
        });
        *response.body_mut() = Outgoing::stream(StreamBody::new(frames));
        response
    }
}

fn trailers() -> HeaderMap {
    let name = HeaderName::from_static("x-status");
    HeaderMap::from_iter([(name, HeaderValue::from_static("0"))])
}
