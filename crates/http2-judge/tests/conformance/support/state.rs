//! What the server has sent. Every frame is checked, in every case.

use std::collections::{BTreeMap, VecDeque};

use http2_judge::{
    frame::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PADDED, PING,
        PRIORITY_FLAG, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, number,
    },
    hpack::{Decoder, Field},
};

use super::payload::{check, parse, unpadded};

pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const ENABLE_PUSH: u16 = 2;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
pub(crate) const MAX_FRAME_SIZE: u16 = 5;
pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;

/// What the server has sent on a stream, and how much data the client has.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    /// The header blocks.
    pub(crate) blocks: Vec<Vec<Field>>,
    /// How many frames each block came in.
    pub(crate) block_frames: Vec<usize>,
    pub(crate) data: Vec<u8>,
    pub(crate) is_ended: bool,
    /// The error code of the first RST_STREAM.
    pub(crate) reset: Option<u32>,
    /// The number of RST_STREAM frames.
    pub(crate) resets: usize,
    /// The sum of the server's window increments.
    pub(crate) given: i64,
    /// The sum of the client's window increments. That of the connection includes the initial
    /// window.
    granted: i64,
    received: i64,
    /// How many bytes of DATA the client has sent, with padding.
    pub(crate) sent: i64,
}

/// What the server has sent on a connection.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) settings: Option<BTreeMap<u16, u32>>,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// The last stream identifiers and error codes of GOAWAY.
    pub(crate) goaways: Vec<(u32, u32)>,
    pub(crate) pings: Vec<Vec<u8>>,
    /// The payloads of the PING frames of the server.
    pub(crate) own_pings: Vec<Vec<u8>>,
    /// The client does not answer PING.
    pub(crate) ignores_pings: bool,
    pub(crate) is_closed: bool,
    /// Settings of the client that are not acknowledged.
    pub(crate) unacknowledged: VecDeque<Vec<(u16, u32)>>,
    pub(crate) decoder: Decoder,
    /// The connection, as if it were a stream.
    pub(crate) connection: Stream,
    initial_window: i64,
    max_frame: usize,
    block: Option<(u32, bool, Vec<u8>, usize)>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            settings: None,
            streams: BTreeMap::new(),
            goaways: Vec::new(),
            pings: Vec::new(),
            own_pings: Vec::new(),
            ignores_pings: false,
            is_closed: false,
            unacknowledged: VecDeque::new(),
            decoder: Decoder::default(),
            connection: Stream { granted: 65_535, ..Stream::default() },
            initial_window: 65_535,
            max_frame: 16_384,
            block: None,
        }
    }
}

impl State {
    /// Records a frame that the client sends.
    pub(super) fn sent(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = i64::try_from(payload.len()).expect("it is small");
        let id = id & 0x7fff_ffff;
        let stream =
            if id == 0 { &mut self.connection } else { self.streams.entry(id).or_default() };
        match kind {
            DATA => {
                stream.sent += length;
                self.connection.sent += length;
            }
            WINDOW_UPDATE => stream.granted += i64::from(number(payload)),
            SETTINGS if flags & ACK == 0 => {
                let settings = parse(payload);
                // The server may use a larger value before its acknowledgement arrives. A lower
                // value counts from the acknowledgement on.
                for (name, value) in &settings {
                    match *name {
                        INITIAL_WINDOW_SIZE => {
                            self.initial_window = self.initial_window.max(i64::from(*value));
                        }
                        MAX_FRAME_SIZE => self.max_frame = self.max_frame.max(*value as usize),
                        _ => {}
                    }
                }
                self.unacknowledged.push_back(settings);
            }
            _ => {}
        }
    }

    /// Records and checks a frame of the server. Returns what the client sends in response.
    pub(super) fn received(&mut self, frame: Frame) -> Option<Vec<u8>> {
        let Frame { kind, flags, stream: id, payload } = frame;
        assert!(payload.len() <= self.max_frame, "a frame has {} bytes", payload.len());
        if self.settings.is_none() {
            assert!(
                kind == SETTINGS && flags == 0,
                "the first frame of the server has type {kind}"
            );
        }
        if self.block.is_some() {
            assert_eq!(kind, CONTINUATION, "a header block is interrupted");
        }
        let known = match kind {
            DATA => END_STREAM | PADDED,
            HEADERS => END_STREAM | END_HEADERS | PADDED | PRIORITY_FLAG,
            SETTINGS | PING => ACK,
            CONTINUATION => END_HEADERS,
            RST_STREAM | GOAWAY | WINDOW_UPDATE => 0,
            _ => panic!("the server sends a frame of type {kind}"),
        };
        assert_eq!(flags & !known, 0, "flags {flags:x} of a frame of type {kind}");
        match kind {
            SETTINGS => return self.settings(flags, id, &payload),
            PING => return self.ping(flags, id, payload),
            GOAWAY => self.goaway(id, &payload),
            WINDOW_UPDATE => self.window_update(id, &payload),
            _ => self.stream_frame(kind, flags, id, &payload),
        }
        None
    }

    fn settings(&mut self, flags: u8, id: u32, payload: &[u8]) -> Option<Vec<u8>> {
        assert_eq!(id, 0, "SETTINGS is on a stream");
        if flags & ACK != 0 {
            assert!(payload.is_empty(), "SETTINGS with ACK has a payload");
            let settings = self.unacknowledged.pop_front().expect("SETTINGS that were sent");
            for (name, value) in settings {
                match name {
                    HEADER_TABLE_SIZE => self.decoder.limit(value as usize),
                    INITIAL_WINDOW_SIZE => self.initial_window = i64::from(value),
                    MAX_FRAME_SIZE => self.max_frame = value as usize,
                    _ => {}
                }
            }
            return None;
        }
        assert_eq!(payload.len() % 6, 0, "the length of SETTINGS");
        let settings = parse(payload);
        for (name, value) in &settings {
            match *name {
                ENABLE_PUSH => assert_eq!(*value, 0, "a server sends ENABLE_PUSH"),
                INITIAL_WINDOW_SIZE => assert!(*value < 1 << 31, "INITIAL_WINDOW_SIZE {value}"),
                MAX_FRAME_SIZE => assert!((1 << 14..1 << 24).contains(value), "MAX_FRAME_SIZE"),
                _ => {}
            }
        }
        self.settings.get_or_insert_default().extend(settings);
        Some(frame(SETTINGS, ACK, 0, &[]))
    }

    fn ping(&mut self, flags: u8, id: u32, payload: Vec<u8>) -> Option<Vec<u8>> {
        assert_eq!((id, payload.len()), (0, 8), "the stream and the length of PING");
        if flags & ACK == 0 {
            let response = frame(PING, ACK, 0, &payload);
            self.own_pings.push(payload);
            return (!self.ignores_pings).then_some(response);
        }
        self.pings.push(payload);
        None
    }

    fn goaway(&mut self, id: u32, payload: &[u8]) {
        assert!(id == 0 && payload.len() >= 8, "the stream and the length of GOAWAY");
        let last = number(&payload[..4]);
        let before = self.goaways.last().map_or(u32::MAX, |before| before.0);
        assert!(last <= before, "the last stream of GOAWAY goes from {before} to {last}");
        self.goaways.push((last, number(&payload[4..8])));
    }

    fn window_update(&mut self, id: u32, payload: &[u8]) {
        assert!(payload.len() == 4, "the length of WINDOW_UPDATE");
        let more = i64::from(number(payload));
        assert!((1..1 << 31).contains(&more), "the increment {more}");
        let initial = if id == 0 { 65_535 } else { self.initial_receive_window() };
        let stream = self.stream(id);
        assert!(stream.reset.is_none(), "WINDOW_UPDATE after RST_STREAM on {id}");
        stream.given += more;
        let window = initial + stream.given - stream.sent;
        assert!(window < 1 << 31, "the window of {id} is {window}");
    }

    /// Returns the stream, or the connection for 0.
    fn stream(&mut self, id: u32) -> &mut Stream {
        if id == 0 {
            return &mut self.connection;
        }
        self.streams.get_mut(&id).unwrap_or_else(|| panic!("a frame on the idle stream {id}"))
    }

    /// Returns how much the client may send on a stream.
    pub(crate) fn room(&self, id: u32) -> i64 {
        let stream = &self.streams[&id];
        let of_stream = self.initial_receive_window() + stream.given - stream.sent;
        of_stream.min(self.connection_room())
    }

    /// Returns how much the client may send on all streams.
    pub(crate) fn connection_room(&self) -> i64 {
        65_535 + self.connection.given - self.connection.sent
    }

    /// Returns SETTINGS_INITIAL_WINDOW_SIZE of the server.
    pub(crate) fn initial_receive_window(&self) -> i64 {
        let settings = self.settings.as_ref().expect("the first frame is SETTINGS");
        settings.get(&INITIAL_WINDOW_SIZE).map_or(65_535, |window| i64::from(*window))
    }

    fn stream_frame(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        assert_ne!(id, 0, "a frame of type {kind} is on stream 0");
        let initial_window = self.initial_window;
        let stream = self.stream(id);
        if kind == RST_STREAM {
            assert_eq!(payload.len(), 4, "the length of RST_STREAM");
            stream.reset.get_or_insert(number(payload));
            stream.resets += 1;
            return;
        }
        assert!(stream.reset.is_none(), "a frame of type {kind} after RST_STREAM on {id}");
        let is_continued = kind == CONTINUATION;
        assert!(is_continued || !stream.is_ended, "type {kind} after END_STREAM on {id}");
        let is_end = kind != CONTINUATION && flags & END_STREAM != 0;
        stream.is_ended |= is_end;
        match kind {
            DATA => {
                assert_eq!(stream.blocks.len(), 1, "DATA is between headers and trailers");
                let length = i64::try_from(payload.len()).expect("it is small");
                stream.received += length;
                stream.data.extend(unpadded(flags, payload));
                let window = initial_window + stream.granted - stream.received;
                assert!(length == 0 || window >= 0, "the window of {id} is {window}");
                self.connection.received += length;
                let window = self.connection.granted - self.connection.received;
                assert!(length == 0 || window >= 0, "the window of the connection is {window}");
            }
            HEADERS => {
                let skipped = if flags & PRIORITY_FLAG != 0 { 5 } else { 0 };
                let part = unpadded(flags, payload)[skipped..].to_vec();
                self.block = Some((id, is_end, part, 1));
            }
            _ => {
                let (of, _, block, frames) = self.block.as_mut().expect("a block to continue");
                assert_eq!(*of, id, "CONTINUATION is on another stream");
                block.extend(payload);
                *frames += 1;
            }
        }
        if kind != DATA && flags & END_HEADERS != 0 {
            let (_, is_end, block, frames) = self.block.take().expect("it has begun");
            let fields = self.decoder.decode(&block).expect("the encoder is right");
            let stream = self.stream(id);
            check(&fields, stream.blocks.is_empty(), is_end);
            stream.blocks.push(fields);
            stream.block_frames.push(frames);
        }
    }
}
