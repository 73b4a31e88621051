//! A step of a script, and the state on which the next steps depend.

use std::{collections::BTreeMap, fmt};

use crate::{choices::Choices, deviations::Deviation};

/// The most bytes of DATA in a script: less than the initial window of a connection.
pub(super) const MAX_DATA: usize = 60_000;

/// What a peer sends at once. The server becomes idle before the next step.
#[derive(Clone)]
pub struct Step {
    /// A description for a reader.
    pub text: String,
    /// The bytes, of one or more frames.
    pub bytes: Vec<u8>,
    /// The streams on which the layers may differ from here on, and why.
    pub may_differ: Vec<(u32, Deviation)>,
    /// Whether the server begins the graceful shutdown before it reads the bytes.
    pub shuts_down: bool,
}

impl Step {
    pub(crate) fn new(text: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { text: text.into(), bytes, may_differ: Vec::new(), shuts_down: false }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.text)?;
        match self.bytes.get(..200) {
            Some(start) => write!(f, "{}... ({} bytes)", start.escape_ascii(), self.bytes.len()),
            None => write!(f, "{}", self.bytes.escape_ascii()),
        }
    }
}

/// The limits of the server and of the peer.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The stream limit.
    pub streams: u32,
    /// The receive window of a stream.
    pub window: u32,
    /// The limit for the fields of a head.
    pub header_list: u32,
    /// Whether the peer opens its window of the connection only at the end of the script.
    pub is_narrow: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { streams: 200, window: 1 << 20, header_list: 16 * 1024, is_narrow: false }
    }
}

impl Limits {
    /// Returns whether the stream limit is so low that scripts reach it.
    pub(super) fn is_low(self) -> bool {
        self.streams < 100
    }

    pub(super) fn generate(choices: &mut Choices<'_>) -> Self {
        let mut limits = Self::default();
        match choices.below(8) {
            4 => limits.streams = *choices.pick(&[1, 2, 5]),
            5 => limits.window = *choices.pick(&[1000, 10_000, 65_535]),
            6 => limits.header_list = *choices.pick(&[500, 2000]),
            7 => limits.is_narrow = true,
            _ => {}
        }
        limits
    }
}

/// What the generator knows of the connection.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) limits: Limits,
    /// How many streams were opened.
    pub(super) opened: u32,
    /// Streams whose request has not ended.
    pub(super) unfinished: Vec<u32>,
    /// The fields in the dynamic table of HPACK: whether each is a regular one, and its size.
    pub(super) indexed: Vec<(bool, usize)>,
    /// The bytes of DATA that were sent, so that no window is exceeded by chance.
    pub(super) sent: usize,
    /// The bytes of DATA that were sent on each stream.
    pub(super) sent_on: BTreeMap<u32, usize>,
    /// Whether GOAWAY was sent. The server then closes the connection as soon as it is idle
    /// (section 6.8), and that time depends on which frames arrive together.
    pub(super) is_going: bool,
    /// Whether the graceful shutdown has begun.
    pub(super) is_shutting_down: bool,
}

impl State {
    pub(super) fn open(&mut self, is_end: bool) -> u32 {
        self.opened += 1;
        let stream = self.opened * 2 - 1;
        if !is_end {
            self.unfinished.push(stream);
        }
        stream
    }

    /// Returns a stream: mostly one whose request has not ended, and never an idle one.
    pub(super) fn any(&self, choices: &mut Choices<'_>) -> u32 {
        if self.unfinished.is_empty() || choices.one_in(20) {
            let stream = choices.below(self.opened.max(1) as usize);
            return u32::try_from(stream).expect("few") * 2 + 1;
        }
        *choices.pick(&self.unfinished)
    }

    /// Counts DATA, and returns whether the windows allow it even if nothing is read.
    pub(super) fn send(&mut self, stream: u32, bytes: usize) -> bool {
        let sent = self.sent_on.entry(stream).or_default();
        if self.sent + bytes > MAX_DATA || *sent + bytes > self.limits.window as usize {
            return false;
        }
        self.sent += bytes;
        *sent += bytes;
        true
    }

    pub(super) fn finish(&mut self, stream: u32) {
        self.unfinished.retain(|unfinished| *unfinished != stream);
    }
}
