//! The first bytes of a connection: is this HTTP/2?
//!
//! h2 would wait for them for ever, and answers HTTP/1 with nothing that its clients can
//! read.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What an HTTP/2 client sends first (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much of a request is read that will not be served.
const MOST_READ: u64 = 64 * 1024;

/// What an HTTP/1 client can read (RFC 9110, section 15.6.6).
const HTTP1_REFUSAL: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
    content-type: text/plain\r\ncontent-length: 36\r\nconnection: close\r\n\r\n\
    this server speaks gRPC over HTTP/2\n";

/// Reads the preface.
///
/// A peer that says something else is told that this is HTTP/2.
///
/// # Errors
///
/// Where the peer said something else, or went away.
pub(super) async fn read<I>(io: &mut I) -> io::Result<()>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut bytes = [0; PREFACE.len()];
    let mut length = 0;
    while length < PREFACE.len() {
        let read = io.read(&mut bytes[length..]).await?;
        length += read;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if bytes[..length] != PREFACE[..length] {
            io.write_all(HTTP1_REFUSAL).await?;
            io.shutdown().await?;
            // Closing with bytes unread would reset the connection, and the
            // refusal could be lost with it.
            tokio::io::copy(&mut io.take(MOST_READ), &mut tokio::io::sink()).await?;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "the peer does not speak HTTP/2",
            ));
        }
    }
    Ok(())
}
