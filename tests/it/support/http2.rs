//! An HTTP/2 peer that sends only the frames of the test (RFC 9113).

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use super::process::NEVER;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 1;
pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const ENHANCE_YOUR_CALM: u32 = 11;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// Returns the last stream and the error code of GOAWAY.
    pub(crate) fn goaway(&self) -> (u32, u32) {
        assert_eq!(self.kind, GOAWAY);
        (number(&self.payload[..4]), number(&self.payload[4..8]))
    }

    /// Returns by how much WINDOW_UPDATE makes the window larger.
    pub(crate) fn increment(&self) -> u32 {
        assert_eq!(self.kind, WINDOW_UPDATE);
        number(&self.payload)
    }

    /// Returns SETTINGS as pairs of identifier and value.
    pub(crate) fn settings(&self) -> Vec<(u16, u32)> {
        assert_eq!(self.kind, SETTINGS);
        let pair = |pair: &[u8]| (u16::from_be_bytes([pair[0], pair[1]]), number(&pair[2..]));
        self.payload.chunks_exact(6).map(pair).collect()
    }
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is small").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Returns the headers of a call of `path`, in HPACK without the dynamic table.
pub(crate) fn headers(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    post(&[&[(":path", path), (":authority", "test")], more].concat())
}

/// Returns the headers of a POST request with these fields.
pub(crate) fn post(fields: &[(&str, &str)]) -> Vec<u8> {
    // :method POST, :scheme http, and literals for the rest.
    let literals = fields.iter().flat_map(|(name, value)| literal(name, value.as_bytes()));
    [0x83, 0x86].into_iter().chain(literals).collect()
}

/// Returns a field of HPACK with its name and its value, without the dynamic table.
pub(crate) fn literal(name: &str, value: &[u8]) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name.as_bytes(), value] {
        let length = text.len();
        // An integer of HPACK: a prefix of 7 bits, then 7 bits per byte.
        if length < 127 {
            field.push(u8::try_from(length).expect("below 127"));
        } else {
            field.push(127);
            let mut rest = length - 127;
            while rest >= 128 {
                field.push(u8::try_from(rest % 128 + 128).expect("a byte"));
                rest /= 128;
            }
            field.push(u8::try_from(rest).expect("below 128"));
        }
        field.extend(text);
    }
    field
}

pub(crate) fn grpc_headers(path: &str) -> Vec<u8> {
    headers(path, &[("content-type", "application/grpc"), ("te", "trailers")])
}

pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) async fn connect(address: &str) -> Self {
        Self(TcpStream::connect(address).await.expect("a server"))
    }

    /// Connects, and sends the preface and empty SETTINGS.
    pub(crate) async fn handshake(address: &str) -> Self {
        let mut peer = Self::connect(address).await;
        peer.send(PREFACE).await;
        peer.send(&frame(SETTINGS, 0, 0, &[])).await;
        peer
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the server reads");
    }

    /// Returns the next frame, or `None` at the end of the connection.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        timeout(NEVER, self.read_frame()).await.expect("neither a frame nor the end")
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.0.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).await.ok()?;
        Some(Frame { kind: head[3], flags: head[4], stream: number(&head[5..]), payload })
    }

    /// Returns the next frame of this kind, and drops those before it.
    pub(crate) async fn next(&mut self, kind: u8) -> Option<Frame> {
        loop {
            let frame = self.frame().await?;
            if frame.kind == kind {
                return Some(frame);
            }
        }
    }

    /// Returns all bytes until the end or the reset of the connection.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let _ = timeout(NEVER, self.0.read_to_end(&mut bytes)).await.expect("it never ended");
        bytes
    }
}
