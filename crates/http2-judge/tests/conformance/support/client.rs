//! A client that sends the frames of a script.

use std::time::Duration;

use http2_judge::{
    frame::{
        DATA, END_HEADERS, END_STREAM, Frame, HEADERS, PADDED, PREFACE, SETTINGS, WINDOW_UPDATE,
        frame, post,
    },
    peer::Peer,
    server::{Layer, Server},
};
use tokio::{
    io::{AsyncWriteExt, DuplexStream, Join, ReadHalf, WriteHalf, empty, join, split},
    sync::mpsc::{UnboundedReceiver, error::TryRecvError, unbounded_channel},
    time::{sleep, timeout},
};

use super::{calls::Calls, state::State};

/// A client of a server.
pub(crate) struct Client {
    pub(super) layer: Layer,
    out: WriteHalf<DuplexStream>,
    frames: UnboundedReceiver<Frame>,
    pub(crate) server: Server,
    pub(crate) calls: Calls,
    pub(crate) state: State,
}

impl Client {
    pub(super) fn new(layer: Layer, server: Server, io: DuplexStream, calls: Calls) -> Self {
        let (read, out) = split(io);
        let (sender, frames) = unbounded_channel();
        // The server must never wait until the script reads.
        tokio::spawn(async move {
            let mut peer: Peer<Join<ReadHalf<DuplexStream>, _>> = Peer(join(read, empty()));
            while let Some(frame) = peer.next().await {
                if sender.send(frame).is_err() {
                    return;
                }
            }
        });
        Self { layer, out, frames, server, calls, state: State::default() }
    }

    /// Exchanges SETTINGS.
    pub(super) async fn greet(&mut self, settings: &[(u16, u32)]) {
        self.raw(PREFACE).await;
        self.settings(settings).await;
        self.until("SETTINGS are exchanged", |state| {
            state.settings.is_some() && state.unacknowledged.is_empty()
        })
        .await;
    }

    /// Sends bytes. The server may have closed the connection.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) {
        let _closed = self.out.write_all(bytes).await;
        let _closed = self.out.flush().await;
    }

    /// Sends a frame.
    pub(crate) async fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        self.state.sent(kind, flags, id, payload);
        self.raw(&frame(kind, flags, id, payload)).await;
    }

    /// Sends SETTINGS.
    pub(crate) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.send(SETTINGS, 0, 0, &payload).await;
    }

    /// Sends a request without a body.
    pub(crate) async fn request(&mut self, id: u32, block: &[u8]) {
        self.send(HEADERS, END_HEADERS | END_STREAM, id, block).await;
    }

    /// Sends the headers of a request, or its trailers without END_STREAM.
    pub(crate) async fn headers(&mut self, id: u32, block: &[u8]) {
        self.send(HEADERS, END_HEADERS, id, block).await;
    }

    /// Sends the headers of a valid request.
    pub(crate) async fn post(&mut self, id: u32) {
        self.headers(id, &post("/", &[])).await;
    }

    /// Sends a valid request without a body.
    pub(crate) async fn get(&mut self, id: u32) {
        self.request(id, &post("/", &[])).await;
    }

    /// Sends a part of the body of a request.
    pub(crate) async fn data(&mut self, id: u32, data: &[u8]) {
        self.send(DATA, 0, id, data).await;
    }

    /// Sends the last part of the body of a request.
    pub(crate) async fn end(&mut self, id: u32, data: &[u8]) {
        self.send(DATA, END_STREAM, id, data).await;
    }

    /// Sends this many bytes of the body of a request, as the windows allow, in frames with this
    /// many bytes of data and of padding.
    pub(crate) async fn upload(&mut self, id: u32, total: usize, data: usize, padding: Option<u8>) {
        let mut rest = total;
        while rest > 0 {
            let data = data.min(rest);
            let padding =
                padding.map(|length| [vec![length], vec![0; usize::from(length)]].concat());
            let (flags, padding) = padding.map_or((0, Vec::new()), |padding| (PADDED, padding));
            let (length, zeros) = padding.split_at(padding.len().min(1));
            let payload = [length, &vec![7; data], zeros].concat();
            let size = i64::try_from(payload.len()).expect("it is small");
            self.until("a window opens", |state| state.room(id) >= size).await;
            self.send(DATA, flags, id, &payload).await;
            rest -= data;
        }
    }

    /// Sends WINDOW_UPDATE.
    pub(crate) async fn window_update(&mut self, id: u32, more: u32) {
        self.send(WINDOW_UPDATE, 0, id, &more.to_be_bytes()).await;
    }

    /// Closes the client's side of the connection.
    pub(crate) async fn close(&mut self) {
        let _closed = self.out.shutdown().await;
    }

    /// Returns a stream identifier that was not used.
    pub(crate) fn fresh(&self) -> u32 {
        let last = self.state.streams.last_key_value().map_or(0, |(id, _)| *id);
        (last + 1) | 1
    }

    /// Reads until the condition is true. Panics if the connection ends before, or after 30 seconds
    /// without a frame.
    pub(crate) async fn until(&mut self, what: &str, is_true: impl Fn(&State) -> bool) {
        while !is_true(&self.state) {
            let state = &self.state;
            assert!(!state.is_closed, "closed before: {what}; GOAWAY {:?}", state.goaways);
            match timeout(Duration::from_secs(30), self.frames.recv()).await {
                Ok(frame) => self.received(frame).await,
                Err(_) => panic!("did not happen: {what}; GOAWAY {:?}", self.state.goaways),
            }
        }
    }

    /// Reads until the server has nothing more to do. A millisecond passes only when every task
    /// waits.
    pub(crate) async fn settle(&mut self) {
        loop {
            sleep(Duration::from_millis(1)).await;
            match self.frames.try_recv() {
                Ok(frame) => self.received(Some(frame)).await,
                Err(TryRecvError::Disconnected) => return self.received(None).await,
                Err(TryRecvError::Empty) => return,
            }
        }
    }

    async fn received(&mut self, frame: Option<Frame>) {
        match frame.map(|frame| self.state.received(frame)) {
            Some(Some(response)) => self.raw(&response).await,
            Some(None) => {}
            None => self.state.is_closed = true,
        }
    }
}
