//! A server that responds with the frames of the test.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{
    http2::{
        CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PREFACE, Peer, RST_STREAM, SETTINGS,
        frame, literal,
    },
    wire::{message, text},
};

/// A field of a header block.
pub(crate) type Field<'a> = (&'a str, &'a [u8]);

pub(crate) const GRPC: Field<'_> = ("content-type", b"application/grpc");
pub(crate) const OK: Field<'_> = ("grpc-status", b"0");
pub(crate) const NOT_FOUND: Field<'_> = ("grpc-status", b"5");
pub(crate) const UNIMPLEMENTED: Field<'_> = ("grpc-status", b"12");
/// Details at which tonic panics, because they are not base64.
pub(crate) const MALFORMED: Field<'_> = ("grpc-status-details-bin", b"!!!");
/// The indexed field `:status: 200`.
pub(crate) const STATUS_200: u8 = 0x88;

/// The frames of a response.
#[derive(Default)]
pub(crate) struct Frames {
    /// The kind, the flags and the payload of each frame.
    all: Vec<(u8, u8, Vec<u8>)>,
    /// Whether the connection ends after the frames.
    is_cut: bool,
}

impl Frames {
    pub(crate) fn head(fields: &[Field<'_>]) -> Self {
        Self::default().block(&[STATUS_200], fields, 0)
    }

    /// Returns a response of headers alone.
    pub(crate) fn only(fields: &[Field<'_>]) -> Self {
        Self::default().block(&[STATUS_200], fields, END_STREAM)
    }

    /// Returns the response of a server or proxy that speaks HTTP.
    pub(crate) fn http(status: &str, content_type: &str, body: &str) -> Self {
        Self::head_of(status, content_type).frame(DATA, END_STREAM, body.as_bytes())
    }

    /// Returns the headers of the response of a server or proxy that speaks HTTP.
    pub(crate) fn head_of(status: &str, content_type: &str) -> Self {
        let fields = [
            (":status", status.as_bytes()),
            ("content-type", content_type.as_bytes()),
            ("server", b"a proxy"),
        ];
        Self::default().block(&[], &fields, 0)
    }

    fn block(self, begin: &[u8], fields: &[Field<'_>], flags: u8) -> Self {
        let literals = fields.iter().flat_map(|(name, value)| literal(name, value));
        let block: Vec<u8> = begin.iter().copied().chain(literals).collect();
        let mut fragments = block.chunks(16_384).peekable();
        let mut frames = self;
        let mut kind = HEADERS;
        while let Some(fragment) = fragments.next() {
            let end = if fragments.peek().is_none() { END_HEADERS } else { 0 };
            let flags = if kind == HEADERS { flags | end } else { end };
            frames = frames.frame(kind, flags, fragment);
            kind = CONTINUATION;
        }
        frames
    }

    pub(crate) fn frame(mut self, kind: u8, flags: u8, payload: &[u8]) -> Self {
        self.all.push((kind, flags, payload.to_vec()));
        self
    }

    /// Returns the bytes of the response to the call on this stream.
    fn on(&self, stream: u32) -> Vec<u8> {
        self.all
            .iter()
            .flat_map(|(kind, flags, payload)| frame(*kind, *flags, stream, payload))
            .collect()
    }

    pub(crate) fn data(self, data: &[u8]) -> Self {
        data.chunks(16_384).fold(self, |frames, data| frames.frame(DATA, 0, data))
    }

    pub(crate) fn reply(self) -> Self {
        self.data(&message(false, &text("hi")))
    }

    pub(crate) fn trailers(self, fields: &[Field<'_>]) -> Self {
        self.block(&[], fields, END_STREAM)
    }

    pub(crate) fn reset(self, code: u8) -> Self {
        self.frame(RST_STREAM, 0, &[0, 0, 0, code])
    }

    /// Ends the connection.
    pub(crate) fn cut(self) -> Self {
        Self { is_cut: true, ..self }
    }
}

/// Serves the frames to every call. Returns the address.
pub(crate) async fn serve(frames: Frames) -> String {
    serve_counted(frames).await.0
}

/// Serves the frames to every call. Returns the address, and how many calls there were.
pub(crate) async fn serve_counted(frames: Frames) -> (String, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound").to_string();
    let frames = Arc::new(frames);
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (frames, count) = (frames.clone(), count.clone());
            tokio::spawn(async move {
                let mut peer = Peer(tcp);
                let mut preface = [0; PREFACE.len()];
                if peer.0.read_exact(&mut preface).await.is_err() {
                    return;
                }
                peer.send(&frame(SETTINGS, 0, 0, &[])).await;
                while let Some(request) = peer.next(HEADERS).await {
                    count.fetch_add(1, Relaxed);
                    // The client may have ended the connection.
                    let _ = peer.0.write_all(&frames.on(request.stream)).await;
                    if frames.is_cut {
                        return;
                    }
                }
            });
        }
    });
    (address, calls)
}
