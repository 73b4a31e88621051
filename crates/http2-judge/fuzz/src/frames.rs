//! Frames in pieces: what the peer sees must not depend on where they are cut.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use http::Response;
use http_body_util::BodyExt;
use http2::Settings;
use http2_judge::{
    body::Outgoing,
    choices::Choices,
    frame::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PREFACE, RST_STREAM,
        SETTINGS, number,
    },
    hpack::Decoder,
    seeds::block_on,
    server::{Handler, Layer, Server, settings},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, split as split_io},
    sync::watch,
    task::yield_now,
    time::{sleep, timeout},
};

use crate::{HANG, Step, script};

/// The most bytes, so that no window is used up and all of them fit into the pipe.
const MOST: usize = 60_000;

/// The most pieces. The rest of the bytes comes at once.
const MOST_PIECES: usize = 400;

/// A type that no extension has.
const UNKNOWN: u8 = 0x77;

/// Frames and how they are cut.
#[derive(Debug)]
pub struct Case {
    bytes: Vec<u8>,
    pieces: Vec<usize>,
}

/// Returns the case that these bytes make. The first byte chooses the source of the frames, and
/// how they are cut.
pub fn case(data: &[u8]) -> Option<Case> {
    let (first, rest) = data.split_first()?;
    let mut bytes = if first & 0x80 == 0 {
        rest.to_vec()
    } else {
        let sent = script::steps(rest).into_iter().filter_map(|step| match step {
            Step::Send(bytes) => Some(bytes),
            _ => None,
        });
        sent.flatten().collect()
    };
    bytes.truncate(MOST);
    // After a GOAWAY the connection ends as soon as it has no streams, and that depends on time.
    let mut at = 0;
    let lengths: Vec<usize> = split(&bytes).map(<[u8]>::len).collect();
    for length in &lengths {
        if *length >= 9 && bytes[at + 3] == GOAWAY {
            bytes[at + 3] = UNKNOWN;
        }
        at += length;
    }
    let mut pieces: Vec<usize> = match usize::from(first & 0x7f) {
        0 => vec![1; bytes.len()],
        size @ 1..64 => vec![size; bytes.len() / size + 1],
        // Cuts each frame at the same offset.
        offset @ 64..96 => [vec![offset - 64], lengths].concat(),
        seed => {
            let mut choices = Choices::seeded(seed as u64);
            bytes.iter().map(|_| choices.within(1..=40)).collect()
        }
    };
    pieces.truncate(MOST_PIECES);
    Some(Case { bytes, pieces })
}

/// Returns the frames of these bytes. The last may not be complete.
pub fn split(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let length = bytes.get(..3).map_or(0, |length| number(length) as usize) + 9;
        let (frame, rest) = bytes.split_at(length.min(bytes.len()));
        bytes = rest;
        (!frame.is_empty()).then_some(frame)
    })
}

/// What the server has sent on a stream.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sent {
    /// Header fields, and all other frames but DATA, as text.
    parts: Vec<String>,
    data: Vec<u8>,
    is_ended: bool,
}

/// Serves a case with both kinds of calls, in one piece and in many.
///
/// # Panics
///
/// Panics if the peer does not see the same each time.
pub fn compare(case: &Case) {
    let whole = outcome(Layer::InPlace, &case.bytes, &[case.bytes.len()]);
    let in_pieces = outcome(Layer::InPlace, &case.bytes, &case.pieces);
    assert_eq!(whole, in_pieces, "in one piece (left), and in pieces");
    let in_tasks = outcome(Layer::Tasks, &case.bytes, &case.pieces);
    assert_eq!(whole, in_tasks, "in one piece (left), and in pieces with a task for each call");
}

/// Serves the bytes. The handlers do nothing before the server has read all of them.
fn outcome(layer: Layer, bytes: &[u8], pieces: &[usize]) -> (BTreeMap<u32, Sent>, String) {
    let (read, ended) = block_on(async {
        let settings = Settings { streams: 20, ..settings() };
        let (go, is_going) = watch::channel(false);
        let (server, near) = Server::start(layer, settings, echo(is_going));
        let (mut reader, mut writer) = split_io(near);
        let read = Arc::new(Mutex::new(Vec::new()));
        let reading = tokio::spawn({
            let read = Arc::clone(&read);
            async move {
                let mut buffer = [0; 8192];
                while let Ok(length @ 1..) = reader.read(&mut buffer).await {
                    read.lock().expect("nothing panics").extend(&buffer[..length]);
                }
            }
        });
        let _closed = writer.write_all(PREFACE).await;
        let mut rest = bytes;
        for length in pieces {
            let (piece, after) = rest.split_at((*length).min(rest.len()));
            rest = after;
            let _closed = writer.write_all(piece).await;
            yield_now().await;
        }
        let _closed = writer.write_all(rest).await;
        sleep(Duration::from_millis(1)).await;
        let _all_gone = go.send(true);
        sleep(Duration::from_millis(1)).await;
        let _closed = writer.shutdown().await;
        let ended = timeout(HANG, server.ended).await.expect("it hangs").expect("it panics");
        reading.await.expect("it reads all");
        let read = std::mem::take(&mut *read.lock().expect("nothing panics"));
        (read, ended)
    });
    (sent(&read, bytes), format!("{ended:?}"))
}

/// Returns a handler that waits, and responds with the request as it has seen it.
fn echo(is_going: watch::Receiver<bool>) -> Handler {
    Handler::new(move |request| {
        let mut is_going = is_going.clone();
        async move {
            drop(is_going.wait_for(|is_going| *is_going).await);
            let (head, body) = request.into_parts();
            let head = format!("{head:?}\n");
            Response::new(match body.collect().await {
                Ok(body) => {
                    let trailers = body.trailers().cloned();
                    let body = [head.as_bytes(), &body.to_bytes()].concat();
                    Outgoing::complete(Bytes::from(body), trailers)
                }
                Err(error) => Outgoing::complete(format!("{head}{error}"), None),
            })
        }
    })
}

/// Returns what the server has sent on each stream. Checks that its frames are complete and valid.
fn sent(read: &[u8], request: &[u8]) -> BTreeMap<u32, Sent> {
    // The peer's SETTINGS, which are acknowledged in their order.
    let mut settings = split(request).filter(|frame| frame.len() >= 9 && frame[3] == SETTINGS);
    let mut settings = settings.by_ref().filter(|frame| frame[4] & ACK == 0);
    let mut decoder = Decoder::default();
    let mut block = Vec::new();
    let mut streams: BTreeMap<u32, Sent> = BTreeMap::new();
    for frame in split(read) {
        let length = frame.get(..3).map(|length| number(length) as usize + 9);
        assert_eq!(length, Some(frame.len()), "the last frame is not whole");
        let (kind, flags, payload) = (frame[3], frame[4], &frame[9..]);
        let id = number(&frame[5..9]);
        let stream = streams.entry(id).or_default();
        let may_follow = kind == RST_STREAM || (kind == CONTINUATION && !block.is_empty());
        assert!(!stream.is_ended || may_follow, "{frame:02x?} after the end of its stream");
        match kind {
            SETTINGS if flags & ACK != 0 => {
                let acknowledged = settings.next().expect("all ACKs have their SETTINGS");
                for setting in acknowledged[9..].chunks_exact(6) {
                    if setting[..2] == [0, 1] {
                        decoder.limit(number(&setting[2..]) as usize);
                    }
                }
                stream.parts.push("SETTINGS ACK".to_owned());
            }
            HEADERS | CONTINUATION => {
                block.extend_from_slice(payload);
                if flags & END_HEADERS != 0 {
                    let fields = decoder.decode(&std::mem::take(&mut block));
                    let fields = fields.expect("the layer's blocks are valid");
                    let text = |(name, value): &(Vec<u8>, Vec<u8>)| {
                        format!("{}: {}", name.escape_ascii(), value.escape_ascii())
                    };
                    stream.parts.extend(fields.iter().map(text));
                }
            }
            DATA => stream.data.extend(payload),
            _ => stream.parts.push(format!("{kind} {flags} {payload:02x?}")),
        }
        stream.is_ended |= matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0;
    }
    streams
}
