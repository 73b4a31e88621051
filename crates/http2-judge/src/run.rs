//! Runs a script against a layer.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::StatusCode;
use http2::Settings;
use tokio::{
    io::{AsyncWriteExt, duplex, split},
    task::yield_now,
    time::sleep,
};

use crate::{
    behaviour::{Data, Fields, Requests, Seen, fields},
    decode::Decoder,
    deviations::{Class, class},
    frame::{CONTINUATION, WINDOW_UPDATE, frame},
    frame::{DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PADDED, RST_STREAM, number},
    peer::Peer,
    script::{Limits, Script, Step},
    seeds,
    server::{Layer, Server, settings},
};

/// The time between steps, in which the server becomes idle.
const STEP: Duration = Duration::from_millis(10);

/// The time after the last step, in which the slow handlers respond.
const END: Duration = Duration::from_millis(200);

/// A layer, and how the script is written to it.
#[derive(Debug, Clone, Copy)]
pub struct Side {
    /// The layer.
    pub layer: Layer,
    /// The seed of writes of 1 to 17 bytes, or `None` for whole writes.
    pub chunks: Option<u64>,
}

impl From<Layer> for Side {
    fn from(layer: Layer) -> Self {
        Self { layer, chunks: None }
    }
}

/// How a stream ended for the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// With END_STREAM.
    Stream,
    /// With RST_STREAM and this error code.
    Reset(u32),
}

/// What the peer got on a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Got {
    /// The status, or `None` if the block is malformed.
    pub status: Option<StatusCode>,
    /// The header fields.
    pub headers: Fields,
    /// The bytes of DATA.
    pub body: Data,
    /// The trailers.
    pub trailers: Fields,
    /// The end, and the step in which it came.
    pub end: Option<(End, usize)>,
    /// How many header blocks came.
    pub heads: usize,
}

/// The result of a script.
#[derive(Debug, Default)]
pub struct Report {
    /// What the handlers saw, by path.
    pub seen: Vec<Seen>,
    /// What the peer got, by stream.
    pub got: BTreeMap<u32, Got>,
    /// Every RST_STREAM: its code and its step.
    pub resets: Vec<(u32, usize)>,
    /// The code of the last GOAWAY, and the step in which it came.
    pub goaway: Option<(u32, usize)>,
    /// The last stream that this GOAWAY names.
    pub last_stream: u32,
    /// The step in which the server closed the connection.
    pub closed: Option<usize>,
    /// Whether the task of the connection panicked.
    pub has_panicked: bool,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for seen in &self.seen {
            writeln!(f, "  {seen:?}")?;
        }
        for (stream, got) in &self.got {
            writeln!(f, "  {stream} {got:?}")?;
        }
        writeln!(f, "  resets (code, step) {:?}", self.resets)?;
        writeln!(f, "  GOAWAY (code, step) {:?}, closed in {:?}", self.goaway, self.closed)
    }
}

impl Report {
    /// Returns whether a stream ended before this step.
    pub fn has_ended(&self, stream: u32, before: usize) -> bool {
        self.got.get(&stream).and_then(|got| got.end).is_some_and(|(_, step)| step < before)
    }

    /// Returns whether the server reset a stream before it ended.
    pub fn is_reset(&self, stream: u32) -> bool {
        let end = self.got.get(&stream).and_then(|got| got.end);
        end.is_some_and(|(end, _)| matches!(end, End::Reset(_)))
    }

    /// Returns the class of the error of the connection and its step, if it failed.
    pub fn failed(&self, script: &Script) -> Option<(Class, usize)> {
        match self.goaway {
            Some((code, step)) if code != 0 => Some((class(code), step)),
            // A connection may fail without GOAWAY. After the peer's GOAWAY, it may also close
            // without an error.
            None if !script.sends_goaway() => self.closed.map(|step| (Class::Protocol, step)),
            _ => None,
        }
    }
}

/// Runs a script, on a runtime of its own.
pub fn run(side: Side, script: &Script) -> Report {
    seeds::block_on(async {
        let requests = Requests::default();
        let (near, far) = duplex(1 << 20);
        let Limits { streams, window, header_list, is_narrow } = script.limits;
        let settings = Settings { streams, window, header_list, ..settings() };
        let server = Server::on(side.layer, far, settings, requests.handler());
        let (reader, mut writer) = split(Peer::handshake(near).await.0);
        let step = Arc::new(AtomicUsize::new(0));
        let reads = tokio::spawn(read(reader, Arc::clone(&step)));
        let mut chunks = side.chunks.map(fastrand::Rng::with_seed);
        // The layers may share the window of the connection between streams in any order. So it is
        // opened at the start or, if the script is narrow, at the end.
        let window = Step::new("", frame(WINDOW_UPDATE, 0, 0, &u32::to_be_bytes(1 << 30)));
        let nothing = Step::new("", Vec::new());
        let (start, end) = if is_narrow { (&nothing, &window) } else { (&window, &nothing) };
        let steps = [start].into_iter().chain(&script.steps).chain([end]);
        for (number, Step { bytes, shuts_down, .. }) in steps.enumerate() {
            step.store(number, Relaxed);
            if *shuts_down {
                server.shut_down.cancel();
            }
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let length = chunks.as_mut().map_or(rest.len(), |random| random.usize(1..=17));
                let (chunk, later) = rest.split_at(length.min(rest.len()));
                // The server may have closed the connection.
                let _closed = writer.write_all(chunk).await;
                rest = later;
                for _ in 0..chunks.as_mut().map_or(0, |random| random.usize(0..4)) {
                    yield_now().await;
                }
            }
            sleep(STEP).await;
        }
        sleep(END).await;
        let seen = requests.sorted();
        step.store(usize::MAX, Relaxed);
        server.ended.abort();
        let has_panicked = server.ended.await.is_err_and(|error| error.is_panic());
        drop(writer);
        let frames = reads.await.expect("no panic");
        Report { has_panicked, ..report(seen, frames).await }
    })
}

/// Returns the frames until the end of the connection, each with its step, and the step of the
/// end.
async fn read<I>(reader: I, step: Arc<AtomicUsize>) -> (Vec<(usize, Frame)>, usize)
where
    I: tokio::io::AsyncRead + Unpin,
{
    let mut peer = Peer(tokio::io::join(reader, tokio::io::sink()));
    let mut frames = Vec::new();
    while let Some(frame) = peer.next().await {
        frames.push((step.load(Relaxed), frame));
    }
    (frames, step.load(Relaxed))
}

async fn report(seen: Vec<Seen>, (frames, closed): (Vec<(usize, Frame)>, usize)) -> Report {
    let closed = (closed != usize::MAX).then_some(closed);
    let mut report = Report { seen, closed, ..Report::default() };
    let mut decoder = Decoder::new().await;
    let mut block = Vec::new();
    let mut block_flags = 0;
    for (step, frame) in frames {
        if step == usize::MAX {
            break;
        }
        if frame.kind == GOAWAY {
            report.goaway = Some((frame.error_code().unwrap_or(u32::MAX), step));
            report.last_stream = number(frame.payload.get(..4).unwrap_or_default());
        }
        if ![DATA, HEADERS, CONTINUATION, RST_STREAM].contains(&frame.kind) {
            continue;
        }
        let got = report.got.entry(frame.stream).or_default();
        match frame.kind {
            DATA => got.body.0.extend(unpadded(&frame)),
            RST_STREAM => {
                let code = frame.error_code().unwrap_or(u32::MAX);
                report.resets.push((code, step));
                // Deviation::AfterResponse.
                got.end.get_or_insert((End::Reset(code), step));
                continue;
            }
            _ => {
                if frame.kind == HEADERS {
                    block.clear();
                    block_flags = frame.flags;
                }
                block.extend(unpadded(&frame));
                if !frame.has(END_HEADERS) {
                    continue;
                }
                got.heads += 1;
                match decoder.decode(&block, got.heads > 1).await {
                    Some((Some(status), map)) => {
                        (got.status, got.headers) = (Some(status), fields(&map));
                    }
                    Some((None, map)) => got.trailers = fields(&map),
                    None => got.trailers.push((":malformed".to_owned(), String::new())),
                }
            }
        }
        let flags = if frame.kind == DATA { frame.flags } else { block_flags };
        if flags & END_STREAM != 0 {
            got.end = Some((End::Stream, step));
        }
    }
    report
}

/// Returns the payload without its padding.
fn unpadded(frame: &Frame) -> &[u8] {
    if frame.kind == CONTINUATION || !frame.has(PADDED) {
        return &frame.payload;
    }
    let padding = number(frame.payload.get(..1).unwrap_or_default()) as usize;
    frame.payload.get(1..frame.payload.len().saturating_sub(padding)).unwrap_or_default()
}
