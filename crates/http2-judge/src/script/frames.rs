//! Frames without a header block.

use super::step::{MAX_DATA, State, Step};
use crate::{
    choices::Choices,
    deviations::Deviation,
    frame::{
        ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PRIORITY,
        PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, post,
    },
};

/// Returns DATA.
pub(super) fn data(choices: &mut Choices<'_>, state: &mut State) -> Step {
    let stream = state.any(choices);
    let mut payload = vec![choices.byte(); choices.size(5000)];
    let mut flags = 0;
    if choices.one_in(3) {
        flags |= END_STREAM;
        state.finish(stream);
    }
    let mut text = format!("data {stream}, {} bytes", payload.len());
    if choices.one_in(4) {
        let padding = choices.byte();
        flags |= PADDED;
        payload.insert(0, padding);
        payload.extend(vec![0; usize::from(padding)]);
        text += &format!(", {padding} of padding");
    }
    if !state.send(stream, payload.len()) {
        return ping(choices);
    }
    if flags & END_STREAM != 0 {
        text += ", its end";
    }
    Step::new(text, frame(DATA, flags, stream, &payload))
}

/// Returns DATA that exceeds a window, even if all earlier DATA was given back.
pub(super) fn exceeded(choices: &mut Choices<'_>, state: &mut State) -> Step {
    /// The size of a frame.
    const FRAME: usize = 16_384;

    let window = state.limits.window as usize;
    if window < FRAME && choices.one_in(2) {
        let stream = state.any(choices);
        if state.sent + window >= MAX_DATA {
            return ping(choices);
        }
        state.sent += window + 1;
        state.finish(stream);
        let bytes = frame(DATA, 0, stream, &vec![0; window + 1]);
        return Step::new(format!("data {stream}, beyond its window"), bytes);
    }
    let stream = state.open(false);
    let mut bytes = frame(HEADERS, END_HEADERS, stream, &post(&format!("/slow-55/{stream}"), &[]));
    for _ in 0..=65_535 / FRAME {
        bytes.extend(frame(DATA, 0, stream, &[0; FRAME]));
    }
    Step::new(format!("request {stream} with data beyond the window of the connection"), bytes)
}

/// Begins the graceful shutdown, or acknowledges its PING.
pub(super) fn shutdown(choices: &mut Choices<'_>, state: &mut State) -> Step {
    /// The payloads of the layers' PINGs. A layer ignores the payload of another.
    const PAYLOADS: [&[u8; 8]; 2] =
        [b"shutdown", &[0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54]];

    if !state.is_shutting_down {
        state.is_shutting_down = true;
        return Step { shuts_down: true, ..Step::new("shutdown", Vec::new()) };
    }
    if state.is_going {
        return ping(choices);
    }
    state.is_going = true;
    let bytes = PAYLOADS.map(|payload| frame(PING, ACK, 0, payload)).concat();
    Step::new("the PING of the shutdown is acknowledged", bytes)
}

/// Returns a valid frame that is neither a request nor DATA.
pub(super) fn control(choices: &mut Choices<'_>, state: &mut State) -> Step {
    match choices.below(8) {
        0 => ping(choices),
        1 => {
            let stream = state.any(choices);
            state.finish(stream);
            let code = *choices.pick(&[8, 0, 2, 5, 99]);
            let text = format!("reset {stream} with {code}");
            Step::new(text, frame(RST_STREAM, 0, stream, &u32::to_be_bytes(code)))
        }
        2 => {
            let stream = state.any(choices);
            let size = *choices.pick(&[1, 100, 1000, 65_535, 1_000_000]);
            let text = format!("window of {stream} by {size}");
            Step::new(text, frame(WINDOW_UPDATE, 0, stream, &u32::to_be_bytes(size)))
        }
        3 | 4 => settings(choices),
        5 => {
            let stream = state.any(choices);
            let payload = [0x80, 0, 0, choices.byte() & 0xfe, 7];
            Step::new(format!("priority {stream}"), frame(PRIORITY, 0, stream, &payload))
        }
        6 => {
            let stream = if choices.one_in(2) { state.any(choices) } else { 0 };
            let payload = vec![7; choices.size(100)];
            let kind = 10 + choices.byte() % 200;
            Step::new(
                format!("unknown frame {kind}"),
                frame(kind, choices.byte(), stream, &payload),
            )
        }
        _ => {
            let length = choices.size(20);
            let mut payload = vec![0; 8];
            payload.extend(vec![b'd'; length]);
            if choices.one_in(4) {
                state.is_going = true;
                return Step::new("goaway", frame(GOAWAY, 0, 0, &payload));
            }
            ping(choices)
        }
    }
}

fn ping(choices: &mut Choices<'_>) -> Step {
    // Without ACK, so that it is answered.
    Step::new("ping", frame(PING, choices.byte() & 0xfe, 0, &[choices.byte(); 8]))
}

fn settings(choices: &mut Choices<'_>) -> Step {
    let (mut payload, mut text) = (Vec::new(), "settings".to_owned());
    for _ in 0..choices.within(0..=3) {
        let (id, value): (u16, u32) = *choices.pick(&[
            (1, 0),
            (1, 100),
            (1, 4096),
            (1, 65_536),
            (2, 0),
            (3, 0),
            (3, 10),
            (4, 0),
            (4, 1),
            (4, 1000),
            (4, 65_535),
            (4, 1_000_000),
            (5, 16_384),
            (5, 100_000),
            (6, 100_000),
            (99, 7),
        ]);
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
        text += &format!(" {id}={value}");
    }
    Step::new(text, frame(SETTINGS, 0, 0, &payload))
}

/// Returns a frame that is an error, mostly of the connection.
pub(super) fn broken(choices: &mut Choices<'_>, state: &mut State) -> Step {
    let stream = state.any(choices);
    let cases: &[(&str, Vec<u8>)] = &[
        ("window by 0", frame(WINDOW_UPDATE, 0, stream, &[0; 4])),
        ("window of the connection by 0", frame(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("window by too much", frame(WINDOW_UPDATE, 0, stream, &[0x7f, 0xff, 0xff, 0xff])),
        (
            "window of the connection by too much",
            frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        ),
        ("window of 3 bytes", frame(WINDOW_UPDATE, 0, stream, &[1; 3])),
        ("ping of 7 bytes", frame(PING, 0, 0, &[1; 7])),
        ("ping of a stream", frame(PING, 0, stream, &[1; 8])),
        ("settings of a stream", frame(SETTINGS, 0, stream, &[])),
        ("settings of 5 bytes", frame(SETTINGS, 0, 0, &[0; 5])),
        ("settings with ACK and a payload", frame(SETTINGS, ACK, 0, &[0; 6])),
        ("settings with a window above 2^31-1", frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])),
        ("settings with a frame size of 1", frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])),
        ("settings with push of 2", frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])),
        ("reset of 3 bytes", frame(RST_STREAM, 0, stream, &[0; 3])),
        ("reset of the connection", frame(RST_STREAM, 0, 0, &[0; 4])),
        ("reset of an idle stream", frame(RST_STREAM, 0, 2001, &[0; 4])),
        ("data of the connection", frame(DATA, 0, 0, b"data")),
        ("data of an idle stream", frame(DATA, 0, 2001, b"data")),
        ("data with too much padding", frame(DATA, PADDED, stream, &[9, 1, 1])),
        ("data without its padding length", frame(DATA, PADDED, stream, &[])),
        ("headers of the connection", frame(HEADERS, END_HEADERS, 0, &[0x82])),
        ("headers of an even stream", frame(HEADERS, END_HEADERS | END_STREAM, 2000, &[0x82])),
        ("headers without their end", frame(HEADERS, 0, 3001, &[0x82])),
        ("headers with too much padding", frame(HEADERS, PADDED | END_HEADERS, 3001, &[9, 1])),
        ("continuation alone", frame(CONTINUATION, END_HEADERS, stream, &[])),
        ("push promise", frame(PUSH_PROMISE, END_HEADERS, stream, &[0, 0, 0, 2, 0x82])),
        ("priority of 4 bytes", frame(PRIORITY, 0, stream, &[0; 4])),
        ("priority of the connection", frame(PRIORITY, 0, 0, &[0; 5])),
        ("goaway of 7 bytes", frame(GOAWAY, 0, 0, &[0; 7])),
        ("goaway of a stream", frame(GOAWAY, 0, stream, &[0; 8])),
        ("data above the frame size", frame(DATA, 0, stream, &[0; 16_385])),
        ("a cut frame", frame(PING, 0, 0, &[1; 8])[..12].to_vec()),
        ("a frame without a payload", vec![0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1]),
    ];
    let (text, bytes) = choices.pick(cases);
    let mut step = Step::new(format!("{text} ({stream})"), bytes.clone());
    if *text == "a cut frame" {
        step.may_differ.push((0, Deviation::CutFrame));
    }
    step
}
