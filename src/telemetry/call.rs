//! One call, as log, metrics and traces see it.

use std::{array, borrow::Cow, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::time::Instant;
use tonic::{Code, Status};

use super::{Method, Progress, Telemetry, trace::CallSpan};

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Peer {
    pub(super) address: SocketAddr,
    /// The address as text: all of its calls are logged with it.
    pub(super) text: String,
    pub(super) subject: Option<Arc<str>>,
}

impl Peer {
    /// With the name that its certificate proves, where it had to show one.
    pub fn new(address: SocketAddr, subject: Option<Arc<str>>) -> Self {
        Self { address, text: address.to_string(), subject }
    }
}

// As constants they are parsed once, and not for each call.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids, and longer paths of methods that there are not, are cut: they are
/// what a stranger chose to write into the log.
const LONGEST: usize = 128;
const HEX: [u8; 16] = *b"0123456789abcdef";

/// A call that has begun. When it is dropped it has ended, and is reported.
#[derive(Debug)]
pub struct Call {
    telemetry: Telemetry,
    pub(super) method: Method,
    path: Cow<'static, str>,
    pub(super) peer: Option<Arc<Peer>>,
    pub(super) request_id: RequestId,
    traceparent: Option<HeaderValue>,
    pub(super) span: Option<CallSpan>,
    pub(super) progress: Arc<Progress>,
    pub(super) bytes_out: u64,
    pub(super) code: Code,
}

impl Call {
    pub(super) fn begin(
        telemetry: Telemetry,
        path: &str,
        headers: &HeaderMap,
        peer: Option<Arc<Peer>>,
    ) -> Self {
        let start = Instant::now();
        let method = Method::at(path);
        let path =
            if method.is_known() { method.path().into() } else { cut(path).to_owned().into() };
        Self {
            span: telemetry.begin_span(method, headers, peer.as_deref()),
            telemetry,
            method,
            path,
            peer,
            request_id: RequestId::of(headers),
            traceparent: headers.get(&TRACEPARENT).cloned(),
            progress: Arc::new(Progress::since(start)),
            bytes_out: 0,
            // What a call ends with that nobody waits for any more.
            code: Code::Cancelled,
        }
    }

    /// Where the layers within say how far the call has come.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// The span of the call, where there is one.
    pub fn span(&self) -> Option<&CallSpan> {
        self.span.as_ref()
    }

    /// So many bytes of messages have been sent.
    pub fn sent(&mut self, bytes: usize) {
        self.bytes_out += bytes as u64;
    }

    /// The status stands in the trailers, or in the headers of a response
    /// that has nothing else ("Trailers-Only" in the gRPC HTTP/2 protocol).
    pub fn read_status(&mut self, headers: &HeaderMap) {
        if let Some(code) = headers.get(&Status::GRPC_STATUS) {
            self.code = Code::from_bytes(code.as_bytes());
        }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.progress.start().elapsed()
    }

    /// The trace that the call is part of: its caller's, or the one that began here.
    pub(super) fn trace_id(&self) -> Option<String> {
        match &self.span {
            Some(span) => Some(span.trace_id()),
            None => trace_id(self.traceparent.as_ref()?.as_bytes()).map(ToOwned::to_owned),
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // Out of `self`, which it reads.
        let telemetry = self.telemetry.clone();
        telemetry.ended(self);
    }
}

/// What one call is called, in every log that it comes by.
#[derive(Debug)]
pub(super) enum RequestId {
    /// By its caller, in `x-request-id`.
    Given(HeaderValue),
    Made(u64),
}

impl RequestId {
    fn of(headers: &HeaderMap) -> Self {
        let given = headers.get(&REQUEST_ID).filter(|id| !id.is_empty() && id.to_str().is_ok());
        given.map_or_else(|| Self::Made(fastrand::u64(..)), |id| Self::Given(id.clone()))
    }

    pub(super) fn with_text(&self, take: impl FnOnce(&str)) {
        match self {
            Self::Given(id) => take(cut(id.to_str().expect("it was when it was taken"))),
            Self::Made(id) => {
                let digit = |place: usize| HEX[(id >> (60 - 4 * place)) as usize & 15];
                let digits: [u8; 16] = array::from_fn(digit);
                take(str::from_utf8(&digits).expect("digits are ASCII"));
            }
        }
    }
}

fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LONGEST)]
}

/// The trace id of a `traceparent` (W3C Trace Context, version 00, of which later
/// versions may only be longer).
fn trace_id(traceparent: &[u8]) -> Option<&str> {
    let text = str::from_utf8(traceparent).ok()?;
    let mut parts = text.split('-');
    let mut hex = |length| {
        let part = parts.next()?;
        let lower_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (part.len() == length && part.bytes().all(lower_hex)).then_some(part)
    };
    let (version, trace, parent, _flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let valid = version != "ff"
        && (version != "00" || parts.next().is_none())
        && !is_zero(trace)
        && !is_zero(parent);
    valid.then_some(trace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_id_is_taken_from_a_valid_traceparent_alone() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        for (text, valid) in [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
            ("", false),
        ] {
            assert_eq!(trace_id(text.as_bytes()), valid.then_some(TRACE), "{text}");
        }
    }

    #[test]
    fn a_request_id_is_its_callers_or_made() {
        let id = |value: &'static [u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("x-request-id", HeaderValue::from_bytes(value).expect("a value"));
            let mut text = String::new();
            RequestId::of(&headers).with_text(|id| text.push_str(id));
            text
        };
        assert_eq!(id(b"order-7"), "order-7");
        assert_eq!(id(&[b'x'; 1000]), "x".repeat(LONGEST));
        for unusable in [&b""[..], b"\xff"] {
            let made = id(unusable);
            assert_eq!(made.len(), 16, "{made}");
            assert_ne!(made, id(unusable));
        }
    }
}
