//! What the client and the handler of one call do.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use http2_judge::choices::Choices;
use tokio::{task::yield_now, time::sleep};

/// A time to wait: other tasks run `yields` times, then `time` passes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Pause {
    yields: usize,
    time: Duration,
}

impl Pause {
    pub(crate) fn random(choices: &mut Choices<'_>) -> Self {
        match choices.below(3) {
            0 => Self::default(),
            1 => Self { yields: choices.size(500), ..Self::default() },
            _ => Self { time: Duration::from_millis(choices.below(20) as u64), yields: 0 },
        }
    }

    pub(crate) async fn wait(self) {
        for _ in 0..self.yields {
            yield_now().await;
        }
        if !self.time.is_zero() {
            sleep(self.time).await;
        }
    }
}

/// A body and its trailers. The bytes follow from the salt and their position.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    pub(crate) salt: usize,
    pub(crate) length: usize,
    /// The length of one frame, in bytes.
    pub(crate) piece: usize,
    /// The wait after each frame.
    pub(crate) pause: Pause,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Content {
    /// Returns the bytes of the frame that begins at `start`.
    pub(crate) fn piece(&self, start: usize) -> Bytes {
        self.bytes(start, self.length.min(start + self.piece))
    }

    /// Returns the bytes from `start` to `end`.
    pub(crate) fn bytes(&self, start: usize, end: usize) -> Bytes {
        (start..end).map(|at| (at * 31 + at / 251 + self.salt) as u8).collect()
    }

    /// Returns whether there are no bytes and no trailers.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0 && self.trailers.is_none()
    }
}

/// What the handler does with the body of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Reads all of it, then responds.
    Whole,
    /// Responds, and reads it in another task.
    Beside,
    /// Reads this many frames, drops the body, then responds.
    Part(usize),
    /// Never responds.
    Forever,
}

/// How the response ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// The body is complete from its start.
    Complete,
    /// The body is a stream of frames.
    Streamed,
    /// The body is a stream which fails after its bytes.
    Failing,
    /// The body does not end; the stream does, with its trailers, when this time has passed.
    Early(Duration),
}

/// When the client cancels.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cancel {
    /// Resets the stream after this many frames of the request.
    Request(usize),
    /// Drops the call after this time.
    Call(Pause),
    /// Drops the call after this many bytes of the response.
    Response(usize),
}

/// One call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) starts: Pause,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) request: Content,
    pub(crate) reads: Reads,
    /// The wait of the handler before it does anything.
    pub(crate) thinks: Pause,
    pub(crate) status: StatusCode,
    pub(crate) response_headers: HeaderMap,
    pub(crate) response: Content,
    pub(crate) ends: Ends,
    /// The wait of the client after each frame of the response.
    pub(crate) slow: Pause,
    pub(crate) cancel: Option<Cancel>,
}

impl Call {
    /// Returns whether all of the request is sent.
    pub(crate) fn is_whole(&self) -> bool {
        self.reads_all() && self.cancel.is_none()
    }

    /// Returns whether the handler takes all of the request.
    pub(crate) fn reads_all(&self) -> bool {
        matches!(self.reads, Reads::Whole | Reads::Beside)
    }
}
