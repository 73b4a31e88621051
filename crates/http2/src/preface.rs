//! The connection preface, which tells HTTP/2 from other protocols.
//!
//! A client of HTTP/1 gets a response that it can read. These functions have no timeout: the
//! caller sets one.

use std::io;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{refused::Refused, settings::Settings};

/// The client connection preface (RFC 9113, section 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The most bytes of a refused request that are read and discarded.
const MAX_DISCARDED: u64 = 64 * 1024;

/// The response to an HTTP/1 client (RFC 9110, section 15.6.6).
const HTTP1_REFUSAL: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
    content-type: text/plain\r\ncontent-length: 36\r\nconnection: close\r\n\r\n\
    this server speaks gRPC over HTTP/2\n";

/// The first bytes of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// The preface of HTTP/2.
    Http2,
    /// Something else: the bytes that were read.
    Other(Bytes),
}

/// Reads until the bytes are the preface, or differ from it: at most 24 bytes. Has no timeout.
///
/// # Errors
///
/// Returns an error if the peer goes away.
pub async fn open<I: AsyncRead + Unpin>(io: &mut I) -> io::Result<Opening> {
    let mut bytes = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() {
        let read = io.read(&mut bytes[length..]).await?;
        length += read;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes[..length] != PREFACE[..length] {
            return Ok(Opening::Other(Bytes::copy_from_slice(&bytes[..length])));
        }
    }
    Ok(Opening::Http2)
}

/// Reads the preface. A peer that sends something else gets an HTTP/1 response that says that
/// this server speaks HTTP/2.
///
/// # Errors
///
/// Returns an error if the peer sends something else, or goes away.
pub(crate) async fn read<I>(io: &mut I, settings: &Settings) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    if open(io).await? == Opening::Http2 {
        return Ok(());
    }
    settings.report(Refused::Version);
    io.write_all(HTTP1_REFUSAL).await?;
    io.shutdown().await?;
    // Closing a socket with unread bytes resets the connection, and the response could be lost.
    tokio::io::copy(&mut io.take(MAX_DISCARDED), &mut tokio::io::sink()).await?;
    Err(io::Error::new(io::ErrorKind::InvalidData, "the peer does not speak HTTP/2"))
}
