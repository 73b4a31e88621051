//! The first bytes of a server: HTTP/2's SETTINGS frame, or another protocol.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use h2::Reason;
use tokio::{
    io::{AsyncRead, ReadBuf},
    sync::oneshot,
};

use crate::tls_problem::explain;

/// How many bytes are read at once. A server with another protocol sends fewer at first.
const CAPACITY: usize = 512;
/// How many bytes of another protocol an error shows.
const SHOWN: usize = 60;
/// The first bytes of protocols whose servers speak first, or refuse HTTP/2's preface.
const PROTOCOLS: [(&[u8], &str); 8] = [
    (b"HTTP/", "HTTP/1"),
    (b"SSH-", "SSH"),
    (b"-ERR", "Redis's protocol"),
    (b"-DENI", "Redis's protocol"),
    (b"-NOAU", "Redis's protocol"),
    (b"220", "SMTP or FTP"),
    (b"421", "SMTP or FTP"),
    (b"554", "SMTP or FTP"),
];
/// The types of frames (RFC 9113, section 6), in the order of their numbers.
const FRAMES: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;

/// Reads and checks the first bytes of a server before HTTP/2 gets them.
#[derive(Debug)]
pub(crate) struct Greeting {
    bytes: Vec<u8>,
    /// How many of the bytes were passed on to HTTP/2.
    delivered: usize,
    outcome: Option<oneshot::Sender<Result<(), String>>>,
}

impl Greeting {
    /// Returns a greeting that sends its outcome: a text for people if the server does not
    /// begin HTTP/2.
    pub(crate) fn new(outcome: oneshot::Sender<Result<(), String>>) -> Self {
        Self { bytes: Vec::new(), delivered: 0, outcome: Some(outcome) }
    }

    /// Reads as [`AsyncRead::poll_read`] does, but passes bytes on only when they are checked.
    ///
    /// # Errors
    ///
    /// Returns an error if the server does not begin HTTP/2.
    pub(crate) fn poll_read(
        &mut self,
        stream: &mut (impl AsyncRead + Unpin),
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.outcome.is_some() {
            let mut space = [0; CAPACITY];
            let mut read = ReadBuf::new(&mut space);
            let checked = match ready!(Pin::new(&mut *stream).poll_read(cx, &mut read)) {
                Err(error) => Some(Err(explain(&error))),
                Ok(()) if read.filled().is_empty() => Some(Err(ended(&self.bytes))),
                Ok(()) => {
                    self.bytes.extend_from_slice(read.filled());
                    check(&self.bytes)
                }
            };
            let Some(checked) = checked else { continue };
            let failed = checked.is_err();
            if let Some(outcome) = self.outcome.take() {
                // Fails only if the receiver has stopped waiting.
                let _ = outcome.send(checked);
            }
            if failed {
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        let rest = &self.bytes[self.delivered..];
        let delivered = rest.len().min(buffer.remaining());
        buffer.put_slice(&rest[..delivered]);
        self.delivered += delivered;
        Poll::Ready(Ok(()))
    }

    /// Returns whether all bytes that were read were passed on to HTTP/2.
    pub(crate) fn is_over(&self) -> bool {
        self.outcome.is_none() && self.delivered == self.bytes.len()
    }
}

/// Checks that the first frame is SETTINGS (RFC 9113, section 3.4). Returns `None` if more
/// bytes are needed.
fn check(bytes: &[u8]) -> Option<Result<(), String>> {
    // Five bytes tell all these protocols apart.
    let &[first, second, third, kind, flags, ref rest @ ..] = bytes else { return None };
    let problem = match (first, kind) {
        // The first byte of the length is 0, because a first frame has at most 16,384 bytes.
        (0, SETTINGS) if flags & ACK == 0 => {
            // The stream is 0. Its highest bit is reserved.
            let &[reserved, a, b, c, ..] = rest else { return None };
            match [reserved & 0x7f, a, b, c] {
                [0, 0, 0, 0] => return Some(Ok(())),
                _ => "the server begins HTTP/2 with SETTINGS of a stream".to_owned(),
            }
        }
        (0, SETTINGS) => "the server begins HTTP/2 with an acknowledgement of SETTINGS".to_owned(),
        (0, GOAWAY) => {
            // The stream, the last stream, and the reason.
            let &[_, _, _, _, _, _, _, _, a, b, c, d, ..] = rest else { return None };
            let reason = Reason::from(u32::from_be_bytes([a, b, c, d]));
            format!("the server begins HTTP/2 with GOAWAY instead of SETTINGS: {reason:?}")
        }
        (0, kind) if let Some(name) = FRAMES.get(usize::from(kind)) => {
            format!("the server begins HTTP/2 with {name} instead of SETTINGS")
        }
        // A record of TLS (RFC 8446, section 5.1): most often an alert.
        (0x14..=0x17, _) if second == 3 && third <= 4 => {
            "the server speaks TLS: pass --tls".to_owned()
        }
        // A packet of MySQL with the number 0: version 10 of the handshake, or an error.
        (_, 0) if matches!(flags, 10 | 0xff) => {
            "the server speaks MySQL's protocol, not HTTP/2".to_owned()
        }
        _ => named(bytes),
    };
    Some(Err(problem))
}

fn named(bytes: &[u8]) -> String {
    let begin = shown(bytes);
    match PROTOCOLS.iter().find(|(mark, _)| bytes.starts_with(mark)) {
        // Servers such as Go's and nginx respond with this if they expect TLS.
        Some((_, name @ "HTTP/1"))
            if bytes.get(8..).is_some_and(|rest| rest.starts_with(b" 400")) =>
        {
            format!("the server speaks {name}, not HTTP/2: {begin} (pass --tls if it expects TLS)")
        }
        Some((_, name)) => format!("the server speaks {name}, not HTTP/2: {begin}"),
        None => format!("the server does not speak HTTP/2: {begin}"),
    }
}

fn ended(bytes: &[u8]) -> String {
    let end = "the server closed the connection";
    if bytes.is_empty() { end.to_owned() } else { format!("{end} after {}", shown(bytes)) }
}

/// Returns the first line, or the beginning of it.
fn shown(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).unwrap_or(bytes.len());
    format!("\"{}\"", bytes[..end.min(SHOWN)].escape_ascii())
}

#[cfg(test)]
mod tests;
