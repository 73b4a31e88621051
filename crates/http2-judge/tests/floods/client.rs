//! A client that sends any frames, and reads all or none of what comes.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http2::Settings;
use http2_judge::{
    frame::{ACK, DATA, END_STREAM, PREFACE, SETTINGS, frame},
    peer::Peer,
    server::{Layer, Server, settings},
};
use tokio::{
    io::{AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf, join, split},
    sync::watch,
    task::yield_now,
    time::{sleep, timeout},
};

use crate::{
    frames::{request, setting_frame},
    outcome::Outcome,
    seen::Seen,
    work::{ECHO, Work},
};

/// Frames are written in pieces of about this many bytes.
const PIECE: usize = 16 * 1024;
/// The virtual time after which a write counts as stalled.
const STALLED: Duration = Duration::from_secs(60);

/// A client of one connection.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) server: Server,
    pub(crate) work: Arc<Work>,
    pub(crate) seen: watch::Receiver<Seen>,
    writer: WriteHalf<DuplexStream>,
    /// The connection and its record, if the client does not read.
    unread: Option<(ReadHalf<DuplexStream>, watch::Sender<Seen>)>,
    /// The number that the last flood sent last.
    pub(crate) flooded: u32,
    /// The bytes of DATA sent by stream. Those of all streams together are under 0.
    spent: HashMap<u32, u64>,
    window: u32,
    next: u32,
}

impl Client {
    /// Connects to a server with the usual settings.
    pub(crate) async fn start(layer: Layer) -> Self {
        Self::with(layer, settings(), &[]).await
    }

    /// Connects to a server, and sends these SETTINGS.
    pub(crate) async fn with(layer: Layer, settings: Settings, own: &[(u16, u32)]) -> Self {
        let mut client = Self::connect(layer, settings, true);
        client.send(PREFACE).await;
        client.send(&setting_frame(own)).await;
        client.until(|seen| seen.settings == 1).await;
        client.send(&frame(SETTINGS, ACK, 0, &[])).await;
        client.until(|seen| seen.setting_acks == 1).await;
        client
    }

    /// Connects to a server, and reads nothing of what it sends.
    pub(crate) async fn that_reads_nothing(layer: Layer, own: &[(u16, u32)]) -> Self {
        let mut client = Self::connect(layer, settings(), false);
        client.send(PREFACE).await;
        client.send(&setting_frame(own)).await;
        client.send(&frame(SETTINGS, ACK, 0, &[])).await;
        client
    }

    /// Connects to a server, and sends nothing yet.
    pub(crate) fn connect(layer: Layer, settings: Settings, reads: bool) -> Self {
        let work = Arc::<Work>::default();
        let window = settings.window;
        let (server, near) = Server::start(layer, settings, work.handler());
        let (reader, writer) = split(near);
        let (sender, seen) = watch::channel(Seen::default());
        let unread = Some((reader, sender));
        let mut client = Self {
            server,
            work,
            seen,
            writer,
            unread,
            flooded: 0,
            spent: HashMap::new(),
            window,
            next: 1,
        };
        if reads {
            client.begin_reading();
        }
        client
    }

    /// Reads all that comes from now on.
    pub(crate) fn begin_reading(&mut self) {
        if let Some((reader, seen)) = self.unread.take() {
            tokio::spawn(read(reader, seen));
        }
    }

    /// Returns the identifier of the next stream.
    pub(crate) fn id(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _closed = self.writer.write_all(bytes).await;
    }

    /// Sends the frames of all numbers below `times`, until the server takes no more.
    pub(crate) async fn flood(
        &mut self,
        times: u32,
        mut frames: impl FnMut(u32) -> Vec<u8>,
    ) -> Outcome {
        let mut piece = Vec::new();
        for number in 0..times {
            self.flooded = number;
            piece.extend(frames(number));
            if piece.len() >= PIECE || number + 1 == times {
                if let Some(outcome) = self.write(&piece).await {
                    return outcome;
                }
                piece.clear();
            }
        }
        self.outcome().await
    }

    /// As [`flood`](Self::flood), but lets the server do all that it can between two numbers.
    pub(crate) async fn flood_slowly(
        &mut self,
        times: u32,
        mut frames: impl FnMut(u32) -> Vec<u8>,
    ) -> Outcome {
        for number in 0..times {
            self.flooded = number;
            if let Some(outcome) = self.write(&frames(number)).await {
                return outcome;
            }
            idle().await;
        }
        self.outcome().await
    }

    /// Sends bytes, and returns the state of the connection.
    pub(crate) async fn piece(&mut self, bytes: &[u8]) -> Outcome {
        self.write(bytes).await.unwrap_or(Outcome::Lives)
    }

    async fn write(&mut self, bytes: &[u8]) -> Option<Outcome> {
        let written = timeout(STALLED, self.writer.write_all(bytes)).await;
        yield_now().await;
        let is_over = self.seen.borrow().is_over() || self.server.ended.is_finished();
        match written {
            _ if is_over => Some(self.outcome().await),
            Err(_elapsed) => Some(Outcome::Stalled),
            Ok(Err(_closed)) => Some(self.outcome().await),
            Ok(Ok(())) => None,
        }
    }

    /// Returns whether the connection lives after the server has done all that it can.
    pub(crate) async fn outcome(&mut self) -> Outcome {
        sleep(STALLED).await;
        let seen = self.seen.borrow();
        if seen.is_over() || seen.goaway.is_some() || self.server.ended.is_finished() {
            return Outcome::Ended(seen.goaway);
        }
        Outcome::Lives
    }

    /// Waits until `holds` returns true, or the connection ends. Returns the result of `holds`.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Seen) -> bool) -> bool {
        match self.seen.wait_for(|seen| seen.closed || holds(seen)).await {
            Ok(seen) => holds(&seen),
            Err(_closed) => false,
        }
    }

    /// Waits for the end of the response, and returns whether its status is 200.
    pub(crate) async fn is_ok(&mut self, stream: u32) -> bool {
        self.until(|seen| seen.ended.contains(&stream)).await && self.seen.borrow().is_ok(stream)
    }

    /// Makes a call without a body, and returns whether it succeeds.
    pub(crate) async fn call(&mut self) -> bool {
        let id = self.id();
        self.send(&request(id, ECHO, END_STREAM)).await;
        self.is_ok(id).await
    }

    /// Waits until the windows of the stream and of the connection have room for this many bytes,
    /// and takes it. Returns false if the stream has ended.
    pub(crate) async fn take_window(&mut self, stream: u32, bytes: u64) -> bool {
        let on_stream = self.spent.get(&stream).copied().unwrap_or_default() + bytes;
        let on_all = self.spent.get(&0).copied().unwrap_or_default() + bytes;
        let window = u64::from(self.window);
        let room = |seen: &Seen, of: u32, initial: u64| {
            initial + seen.credit.get(&of).copied().unwrap_or_default()
        };
        let has_room = |seen: &Seen| {
            room(seen, stream, window) >= on_stream && room(seen, 0, 65_535) >= on_all
        };
        let ended = |seen: &Seen| seen.is_over() || seen.ended.contains(&stream);
        self.until(|seen| ended(seen) || has_room(seen)).await;
        self.spent.insert(stream, on_stream);
        self.spent.insert(0, on_all);
        !ended(&self.seen.borrow())
    }

    /// Sends a DATA frame of this many bytes when the windows have room. Returns false if the
    /// stream has ended.
    pub(crate) async fn data(&mut self, stream: u32, bytes: usize) -> bool {
        let has_room = self.take_window(stream, bytes as u64).await;
        if has_room {
            self.send(&frame(DATA, 0, stream, &vec![0; bytes])).await;
        }
        has_room
    }
}

/// Waits until the tasks have done what they can, in no virtual time.
pub(crate) async fn idle() {
    for _ in 0..16 {
        yield_now().await;
    }
}

async fn read(reader: ReadHalf<DuplexStream>, seen: watch::Sender<Seen>) {
    let mut peer = Peer(join(BufReader::new(reader), tokio::io::sink()));
    while let Some(frame) = peer.next().await {
        seen.send_modify(|seen| seen.add(&frame));
    }
    seen.send_modify(|seen| seen.closed = true);
}
