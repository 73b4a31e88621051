//! Scripts: what a peer sends, mostly valid, as steps that can be left out one by one.

mod block;
mod frames;
mod malformed;
mod request;
mod step;

use std::fmt;

use step::State;
pub use step::{Limits, Step};

use crate::{
    choices::Choices,
    deviations::Deviation,
    frame::{GOAWAY, RST_STREAM, number},
};

/// The most steps of a script.
const MAX_STEPS: usize = 30;

/// What a peer sends after the handshake.
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// The limits of the server and of the peer.
    pub limits: Limits,
    /// The steps, in order.
    pub steps: Vec<Step>,
}

impl fmt::Display for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    {:?}", self.limits)?;
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
        let limits = Limits::generate(choices);
        let mut state = State { limits, ..State::default() };
        Self { limits, steps: (0..count).map(|_| step(choices, &mut state)).collect() }
    }

    /// Returns whether the layers may differ in everything on this stream.
    pub(crate) fn may_differ(&self, stream: u32) -> bool {
        self.deviations().any(|(at, why)| at == stream && why != Deviation::LargeHead)
    }

    /// Returns whether a step may lead to this deviation.
    pub(crate) fn has(&self, deviation: Deviation) -> bool {
        self.deviations().any(|(_, why)| why == deviation)
    }

    /// Returns whether this step may lead to this deviation. Steps are counted from 1.
    pub(crate) fn has_in(&self, step: usize, deviation: Deviation) -> bool {
        let step = step.checked_sub(1).and_then(|step| self.steps.get(step));
        step.is_some_and(|step| step.may_differ.iter().any(|(_, why)| *why == deviation))
    }

    /// Returns whether the request of a stream has the method HEAD.
    pub(crate) fn is_head(&self, stream: u32) -> bool {
        self.deviations().any(|deviation| deviation == (stream, Deviation::Head))
    }

    /// Returns on which streams the layers may differ, and why.
    pub(crate) fn deviations(&self) -> impl Iterator<Item = (u32, Deviation)> {
        self.steps.iter().flat_map(|step| &step.may_differ).copied()
    }

    /// Returns the script for two modes of one layer, which must not differ at all.
    pub(crate) fn without_deviations(&self) -> Self {
        let mut script = self.clone();
        for step in &mut script.steps {
            step.may_differ.clear();
        }
        script
    }

    /// Returns the stream of this step's first frame. Steps are counted from 1.
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

fn step(choices: &mut Choices<'_>, state: &mut State) -> Step {
    if state.opened == 0 {
        return request::request(choices, state);
    }
    if choices.one_in(40) {
        return frames::broken(choices, state);
    }
    if choices.one_in(40) {
        return frames::shutdown(choices, state);
    }
    if choices.one_in(15) && state.limits.window <= 65_535 && !state.is_going {
        return frames::exceeded(choices, state);
    }
    // If only one layer resets a stream, it still counts for the stream limit of the other.
    if choices.one_in(12) && !state.is_going && !state.limits.is_low() {
        return malformed::request(choices, state);
    }
    let mut step = match choices.below(10) {
        _ if state.unfinished.is_empty() && !state.is_going && !choices.one_in(3) => {
            request::request(choices, state)
        }
        0..=3 if !state.is_going => request::request(choices, state),
        0..=6 => frames::data(choices, state),
        7 => request::trailers(choices, state),
        _ => frames::control(choices, state),
    };
    // Not with a low limit: how the frames are cut decides which stream gets the last permit.
    if choices.one_in(8) && !state.is_going && !state.limits.is_low() {
        // A request follows without a pause.
        let next = request::request(choices, state);
        step.text = format!("{} and {}", step.text, next.text);
        step.bytes.extend(next.bytes);
        step.may_differ.extend(next.may_differ);
    }
    step
}
