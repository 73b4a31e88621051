//! A random plan: the settings of both sides, the pipe, and the calls.

use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, header::CONTENT_LENGTH};
use http2::Settings;
use http2_judge::{choices::Choices, server::settings};

use crate::{
    call::{Call, Cancel, Content, Ends, Pause, Reads},
    fields,
};

/// The largest body.
const LARGEST: usize = 300 * 1024;

/// About the most bytes of a plan, so that it ends soon.
const BUDGET: usize = 2 * 1024 * 1024;

/// About the most bytes of a plan with a slow pipe.
const SLOW_BUDGET: usize = 48 * 1024;

/// The settings of h2's client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    pub(crate) stream: u32,
    pub(crate) connection: u32,
    pub(crate) max_frame_size: u32,
    pub(crate) header_table: u32,
}

/// A connection and its calls.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) settings: Settings,
    pub(crate) windows: Windows,
    /// The seeds of both ends of the pipe, if they pass a few bytes at a time.
    pub(crate) trickle: Option<[u64; 2]>,
    /// The bytes that the pipe holds.
    pub(crate) pipe: usize,
    pub(crate) calls: Vec<Call>,
    /// The stream windows that the client announces later.
    pub(crate) resizes: Vec<(Pause, u32)>,
    pub(crate) shut_down: Option<Pause>,
}

impl Plan {
    pub(crate) fn random(choices: &mut Choices<'_>) -> Self {
        let window = window(choices);
        let windows = Windows {
            stream: window_size(choices),
            connection: window_size(choices),
            max_frame_size: *choices.pick(&[16_384, 16_385, 100_000]),
            header_table: *choices.pick(&[4096, 0, 100, 65_536]),
        };
        let trickle = choices.one_in(3).then(|| [choices.seed(), choices.seed()]);
        let count = if choices.one_in(4) { choices.within(1..=50) } else { choices.within(1..=6) };
        let header_list = *choices.pick(&[16 * 1024, 64 * 1024]);
        let resizes: Vec<_> =
            (0..choices.below(4)).map(|_| (Pause::random(choices), window_size(choices))).collect();
        // With a window of a few bytes, each of them costs two frames: DATA and WINDOW_UPDATE.
        let narrowest = resizes.iter().map(|(_, size)| *size).min().unwrap_or(u32::MAX);
        let narrowest = narrowest.min(windows.stream).min(windows.connection).min(window);
        let narrowest = narrowest.max(1) as usize;
        let pipe = *choices.pick(&[64 * 1024, 1, 100, 10_000]);
        let budget = if trickle.is_some() || pipe < 1000 { SLOW_BUDGET } else { BUDGET };
        let largest = LARGEST.min(budget * 2 / count).min(narrowest * 300);
        let headers = (header_list - 2000).min(budget / count);
        // A server may close a connection for many small frames that no handler has read yet.
        let pieces = 40.min(90 / count);
        let calls = (0..count).map(|id| call(choices, id, largest, headers, pieces)).collect();
        Self {
            settings: Settings {
                streams: if choices.one_in(2) { choices.within(1..=5) as u32 } else { 200 },
                header_list: header_list as u32,
                window,
                ..settings()
            },
            windows,
            trickle,
            pipe,
            calls,
            resizes,
            shut_down: choices.one_in(4).then(|| Pause::random(choices)),
        }
    }
}

impl Plan {
    /// Returns whether a request may be over the stream limit: h2's client sends it before the
    /// reset of the stream whose slot it takes.
    pub(crate) fn may_refuse(&self) -> bool {
        let resets = self.calls.iter().any(|call| !call.is_whole() || call.ends == Ends::Failing);
        resets && (self.settings.streams as usize) < self.calls.len()
    }
}

/// Returns a window between 1 byte and 64 KiB.
fn window(choices: &mut Choices<'_>) -> u32 {
    *choices.pick(&[65_535, 1, 2, 10, 1000, 16_384, 65_536])
}

fn window_size(choices: &mut Choices<'_>) -> u32 {
    if choices.one_in(4) { choices.within(1..=65_536) as u32 } else { window(choices) }
}

fn call(
    choices: &mut Choices<'_>,
    id: usize,
    largest: usize,
    headers: usize,
    pieces: usize,
) -> Call {
    let is_head = choices.one_in(12);
    let mut call = Call {
        starts: Pause::random(choices),
        method: if is_head {
            Method::HEAD
        } else {
            choices.pick(&[Method::POST, Method::PUT]).clone()
        },
        path: format!("/{id}{}", choices.pick(&["", "/more", "?query=1", "/%20?a&b"])),
        headers: fields::random(choices, headers),
        request: content(choices, id, largest, headers, pieces),
        reads: match choices.below(4) {
            0 | 1 => Reads::Whole,
            2 => Reads::Beside,
            _ => Reads::Part(choices.below(4)),
        },
        thinks: Pause::random(choices),
        status: StatusCode::from_u16(*choices.pick(&[200, 201, 404, 503, 299])).expect("valid"),
        response_headers: fields::random(choices, headers),
        response: content(choices, id + 100, largest, headers, 40),
        ends: match choices.below(10) {
            0..=3 => Ends::Complete,
            4..=7 => Ends::Streamed,
            8 => Ends::Failing,
            _ => Ends::Early(Duration::from_millis(choices.below(100) as u64)),
        },
        slow: Pause::random(choices),
        cancel: choices.one_in(4).then(|| match choices.below(3) {
            0 => Cancel::Request(choices.below(5)),
            1 => Cancel::Call(Pause::random(choices)),
            _ => Cancel::Response(choices.size(largest)),
        }),
    };
    if let Ends::Early(_) = call.ends {
        // The client must never wait for the handler's body, so that its windows are used up.
        (call.response.piece, call.response.pause) = (10_000, Pause::default());
    }
    if let Some(Cancel::Call(_)) = call.cancel
        && choices.one_in(3)
    {
        call.reads = Reads::Forever;
    }
    if choices.one_in(3) {
        call.headers.insert(CONTENT_LENGTH, HeaderValue::from(call.request.length));
    }
    // A response to HEAD has the length of a body that it does not have.
    if is_head || call.ends == Ends::Complete && choices.one_in(3) {
        call.response_headers.insert(CONTENT_LENGTH, HeaderValue::from(call.response.length));
    }
    if is_head {
        (call.ends, call.response.length, call.response.trailers) = (Ends::Complete, 0, None);
    }
    call
}

fn content(
    choices: &mut Choices<'_>,
    salt: usize,
    largest: usize,
    headers: usize,
    pieces: usize,
) -> Content {
    let length = choices.size(largest);
    Content {
        salt,
        length,
        piece: choices.within(length / pieces + 1..=length + 1),
        pause: Pause::random(choices),
        trailers: choices.one_in(2).then(|| fields::random(choices, headers)),
    }
}
