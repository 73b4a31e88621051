//! What a client has read of a connection.

use std::collections::{HashMap, HashSet};

use http2_judge::frame::{
    ACK, DATA, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, WINDOW_UPDATE,
    number,
};

/// The first byte of a header block that begins with `:status: 200` of the static table.
const STATUS_200: u8 = 0x88;

/// What a client has read of a connection.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// The number of SETTINGS frames of the server.
    pub(crate) settings: u32,
    pub(crate) setting_acks: u32,
    pub(crate) ping_acks: u32,
    pub(crate) data_frames: u64,
    /// The bytes of DATA by stream.
    pub(crate) data: HashMap<u32, u64>,
    /// The bytes of all frames.
    pub(crate) bytes: u64,
    /// The sum of WINDOW_UPDATE by stream, without streams that have ended.
    pub(crate) credit: HashMap<u32, u64>,
    /// The streams whose response has status 200.
    pub(crate) ok: HashSet<u32>,
    /// The streams that the server has ended, with a response or with RST_STREAM.
    pub(crate) ended: HashSet<u32>,
    /// The error code of RST_STREAM by stream.
    pub(crate) resets: HashMap<u32, u32>,
    /// The error code of the last GOAWAY.
    pub(crate) goaway: Option<u32>,
    /// Whether the server has closed the connection.
    pub(crate) closed: bool,
}

impl Seen {
    /// Counts a frame.
    pub(crate) fn add(&mut self, frame: &Frame) {
        let Frame { kind, stream, payload, .. } = frame;
        self.bytes += 9 + payload.len() as u64;
        match *kind {
            SETTINGS if frame.has(ACK) => self.setting_acks += 1,
            SETTINGS => self.settings += 1,
            PING if frame.has(ACK) => self.ping_acks += 1,
            WINDOW_UPDATE if !self.ended.contains(stream) => {
                *self.credit.entry(*stream).or_default() += u64::from(number(payload));
            }
            GOAWAY => self.goaway = frame.error_code(),
            RST_STREAM => {
                self.resets.insert(*stream, frame.error_code().expect("it has a code"));
                self.ended.insert(*stream);
            }
            HEADERS if is_200(payload) => drop(self.ok.insert(*stream)),
            DATA => {
                self.data_frames += 1;
                *self.data.entry(*stream).or_default() += payload.len() as u64;
            }
            _ => {}
        }
        if matches!(*kind, HEADERS | DATA) && frame.has(END_STREAM) {
            self.ended.insert(*stream);
        }
    }

    /// Returns whether the connection has ended, or is about to because of an error. A flood goes
    /// on after a graceful GOAWAY.
    pub(crate) fn is_over(&self) -> bool {
        self.closed || matches!(self.goaway, Some(1..))
    }

    /// Returns whether the call has ended with status 200.
    pub(crate) fn is_ok(&self, stream: u32) -> bool {
        self.ok.contains(&stream)
            && self.ended.contains(&stream)
            && self.resets.get(&stream).is_none_or(|code| *code == 0)
    }
}

fn is_200(block: &[u8]) -> bool {
    // Changes of the size of the dynamic table come first.
    let field = block.iter().find(|byte| **byte & 0xe0 != 0x20);
    field == Some(&STATUS_200)
}
