//! A peer that sends the bytes of a test, and reads frames.

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::frame::{ACK, Frame, PREFACE, SETTINGS, frame, number};

/// A peer on one end of a pipe.
#[derive(Debug)]
pub struct Peer<I>(pub I);

impl<I: AsyncRead + AsyncWrite + Unpin> Peer<I> {
    /// Sends the preface and empty SETTINGS, acknowledges those of the server, and reads until
    /// its own are acknowledged.
    pub async fn handshake(io: I) -> Self {
        let mut peer = Self(io);
        peer.send(PREFACE).await;
        peer.send(&frame(SETTINGS, 0, 0, &[])).await;
        loop {
            let read = peer.next().await.expect("the server sends its SETTINGS");
            if read.kind == SETTINGS && read.has(ACK) {
                return peer;
            }
            if read.kind == SETTINGS {
                peer.send(&frame(SETTINGS, ACK, 0, &[])).await;
            }
        }
    }

    /// Sends bytes. The server may have closed the connection already.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _closed = self.0.write_all(bytes).await;
        let _closed = self.0.flush().await;
    }

    /// Returns the next frame, or `None` at the end of the connection.
    pub async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let mut payload = vec![0; number(&head[..3]) as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = number(&head[5..]) & 0x7fff_ffff;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }
}
