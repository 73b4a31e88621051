//! Decodes the header blocks of a server, with the client of the h2 crate.

use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Request, StatusCode};
use tokio::{
    io::{AsyncWriteExt, DuplexStream, duplex},
    time::sleep,
};

use crate::frame::{ACK, END_HEADERS, END_STREAM, HEADERS, SETTINGS, frame};

/// `:status: 200` (RFC 7541, appendix A).
const OK: &[u8] = &[0x88];

/// A decoded header block: a response, or trailers (without a status). `None` if it is malformed.
pub type Head = Option<(Option<StatusCode>, HeaderMap)>;

/// A decoder of the header blocks of one connection, in their order.
#[derive(Debug)]
pub struct Decoder {
    requests: SendRequest<Bytes>,
    server: DuplexStream,
    next: u32,
}

impl Decoder {
    /// Returns a decoder for blocks with a dynamic table of at most 64 KiB.
    pub async fn new() -> Self {
        let (near, mut server) = duplex(1 << 24);
        let (requests, connection) = Builder::new()
            .header_table_size(1 << 16)
            .max_frame_size((1 << 24) - 1)
            .handshake(near)
            .await
            .expect("nothing can go wrong yet");
        tokio::spawn(connection);
        for flags in [0, ACK] {
            server.write_all(&frame(SETTINGS, flags, 0, &[])).await.expect("it is open");
        }
        Self { requests, server, next: 1 }
    }

    /// Decodes a block. `is_trailers` says that it is not the first of its stream.
    pub async fn decode(&mut self, block: &[u8], is_trailers: bool) -> Head {
        let request = Request::get("http://test/").body(()).expect("a valid request");
        let mut requests = self.requests.clone().ready().await.ok()?;
        let (response, _) = requests.send_request(request, true).ok()?;
        // The client knows the stream only when it has sent the request.
        sleep(Duration::from_millis(1)).await;
        let stream = self.next;
        self.next += 2;
        let mut bytes = Vec::new();
        if is_trailers {
            bytes.extend(frame(HEADERS, END_HEADERS, stream, OK));
        }
        bytes.extend(frame(HEADERS, END_HEADERS | END_STREAM, stream, block));
        self.server.write_all(&bytes).await.ok()?;
        let (head, mut body) = response.await.ok()?.into_parts();
        if !is_trailers {
            return Some((Some(head.status), head.headers));
        }
        if body.data().await.is_some() {
            return None;
        }
        Some((None, body.trailers().await.ok()??))
    }
}
