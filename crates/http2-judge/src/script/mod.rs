//! Scripts: what a peer sends, mostly valid, as steps that can be left out one by one.

mod block;
mod frames;
mod malformed;
mod request;

use std::fmt;

use crate::{
    choices::Choices,
    deviations::Deviation,
    frame::{GOAWAY, RST_STREAM, number},
};

/// The most steps of a script.
const MAX_STEPS: usize = 30;

/// What a peer sends at once. The server becomes idle before the next step.
#[derive(Clone)]
pub struct Step {
    /// What it is, for a reader.
    pub text: String,
    /// The bytes, of one or more frames.
    pub bytes: Vec<u8>,
    /// A stream on which the layers may differ from here on, and why.
    pub may_differ: Option<(u32, Deviation)>,
}

impl Step {
    fn new(text: impl Into<String>, bytes: Vec<u8>) -> Self {
        Self { text: text.into(), bytes, may_differ: None }
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

/// What a peer sends after the handshake.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// In order.
    pub steps: Vec<Step>,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "{number:3} {step:?}")?;
        }
        Ok(())
    }
}

impl Script {
    /// Generates a script. Fewer choices make a shorter script.
    pub fn generate(choices: &mut Choices<'_>) -> Self {
        let count = choices.within(1..=MAX_STEPS);
        let mut state = State::default();
        Self { steps: (0..count).map(|_| step(choices, &mut state)).collect() }
    }

    /// Returns whether the layers may differ in all of this stream.
    pub(crate) fn may_differ(&self, stream: u32) -> bool {
        self.steps.iter().any(|step| step.may_differ.is_some_and(|(differs, _)| differs == stream))
    }

    /// Returns the stream of the frame of this step, which are counted from 1.
    pub(crate) fn stream(&self, step: usize) -> Option<u32> {
        let bytes = &self.steps.get(step.checked_sub(1)?)?.bytes;
        Some(number(bytes.get(5..9)?))
    }

    /// Returns whether the peer sends GOAWAY.
    pub(crate) fn sends_goaway(&self) -> bool {
        self.steps.iter().any(|step| step.bytes.get(3) == Some(&GOAWAY))
    }

    /// Returns whether the peer resets this stream.
    pub(crate) fn resets(&self, stream: u32) -> bool {
        self.steps.iter().any(|step| {
            step.bytes.get(3) == Some(&RST_STREAM)
                && step.bytes.get(5..9).is_some_and(|id| number(id) == stream)
        })
    }
}

/// What the generator knows of the connection.
#[derive(Debug, Default)]
struct State {
    /// How many streams were opened.
    opened: u32,
    /// Streams whose request has not ended.
    unfinished: Vec<u32>,
    /// The fields in the dynamic table of HPACK: whether each is a regular one.
    indexed: Vec<bool>,
    /// The bytes of DATA that were sent, so that no window is exceeded by chance.
    sent: usize,
    /// Whether GOAWAY was sent. Then the server closes the connection when it is idle, and when
    /// that is depends on what comes together (section 6.8).
    is_going: bool,
}

impl State {
    fn open(&mut self, is_end: bool) -> u32 {
        self.opened += 1;
        let stream = self.opened * 2 - 1;
        if !is_end {
            self.unfinished.push(stream);
        }
        stream
    }

    /// Returns a stream: mostly one that takes more of its request, and never an idle one.
    fn any(&self, choices: &mut Choices<'_>) -> u32 {
        if self.unfinished.is_empty() || choices.one_in(20) {
            let stream = choices.below(self.opened.max(1) as usize);
            return u32::try_from(stream).expect("few") * 2 + 1;
        }
        *choices.pick(&self.unfinished)
    }

    fn finish(&mut self, stream: u32) {
        self.unfinished.retain(|unfinished| *unfinished != stream);
    }
}

fn step(choices: &mut Choices<'_>, state: &mut State) -> Step {
    if state.opened == 0 {
        return request::request(choices, state);
    }
    if choices.one_in(40) {
        return frames::broken(choices, state);
    }
    if choices.one_in(12) && !state.is_going {
        return malformed::request(choices, state);
    }
    let step = match choices.below(10) {
        _ if state.unfinished.is_empty() && !state.is_going && !choices.one_in(3) => {
            request::request(choices, state)
        }
        0..=3 if !state.is_going => request::request(choices, state),
        0..=6 => frames::data(choices, state),
        7 => request::trailers(choices, state),
        _ => frames::control(choices, state),
    };
    if choices.one_in(8) && !state.is_going {
        // Without a time between them.
        let next = request::request(choices, state);
        let bytes = [step.bytes, next.bytes].concat();
        let text = format!("{} and {}", step.text, next.text);
        return Step { text, bytes, may_differ: step.may_differ.or(next.may_differ) };
    }
    step
}
