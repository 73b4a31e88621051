//! Compares what comes of a script on two layers.

use std::{collections::BTreeSet, fmt::Debug};

use crate::{
    behaviour::{Data, Fields, Seen},
    deviations::{Class, class},
    run::{End, Got, Report, Side, run},
    script::Script,
    server::Layer,
};

/// Returns the first difference between two layers that is not allowed.
///
/// # Errors
///
/// Returns an error that shows the difference and both reports.
pub fn compare(
    first: impl Into<Side>,
    second: impl Into<Side>,
    script: &Script,
) -> Result<(), String> {
    let (first, second) = (first.into(), second.into());
    let (first_report, second_report) = (run(first, script), run(second, script));
    for (side, report) in [(first, &first_report), (second, &second_report)] {
        if report.has_panicked {
            // h2 has assertions of debug builds that some scripts break. A release build goes on.
            return if side.layer == Layer::H2 { Ok(()) } else { Err(format!("{side:?} panics")) };
        }
    }
    differ(&first_report, &second_report, script).map_err(|difference| {
        format!("{difference}\n{first:?}\n{first_report}{second:?}\n{second_report}")
    })
}

/// Returns a difference between two reports of a script as an error.
fn differ(first: &Report, second: &Report, script: &Script) -> Result<(), String> {
    let until = same_failure(first, second, script)?;
    let ended = |report: &Report, stream: u32| report.has_ended(stream, until);
    let streams: BTreeSet<u32> = first.got.keys().chain(second.got.keys()).copied().collect();
    for stream in streams {
        if script.may_differ(stream) {
            continue;
        }
        // Deviation::BeforeGoaway.
        let has_ended = [ended(first, stream), ended(second, stream)];
        if until != usize::MAX && has_ended == [false, false] {
            continue;
        }
        // Deviation::ClosedStream.
        if !script.resets(stream) {
            equal(&format!("stream {stream} has ended"), &has_ended[0], &has_ended[1])?;
        }
        let empty = Got::default();
        let first = first.got.get(&stream).unwrap_or(&empty);
        let second = second.got.get(&stream).unwrap_or(&empty);
        same_response(stream, first, second, script.resets(stream))?;
    }
    let seen = |report: &Report| {
        let seen = report.seen.iter().filter(|seen| {
            let stream = stream(seen);
            !script.may_differ(stream) && (until == usize::MAX || ended(report, stream))
        });
        let seen = seen.map(|seen| {
            let stream = stream(seen);
            let mut seen = normal(seen, until != usize::MAX);
            // Deviation::BodyKept.
            seen.is_dropped &= script.resets(stream) || ended(report, stream);
            seen
        });
        seen.collect::<Vec<_>>()
    };
    let (first_seen, second_seen) = (seen(first), seen(second));
    equal("requests", &first_seen.len(), &second_seen.len())?;
    for (first, second) in first_seen.iter().zip(&second_seen) {
        equal("request", first, second)?;
    }
    Ok(())
}

/// Compares the ends of two connections, and returns the first step that is not compared.
fn same_failure(first: &Report, second: &Report, script: &Script) -> Result<usize, String> {
    let (first_step, second_step) = match (first.failed(script), second.failed(script)) {
        (None, None) => {
            equal("closed", &first.closed.is_some(), &second.closed.is_some())?;
            return Ok(usize::MAX);
        }
        (Some((first, first_step)), Some((second, second_step))) => {
            equal("error of the connection", &first, &second)?;
            (first_step, second_step)
        }
        (Some((_, step)), None) => (step, usize::MAX),
        (None, Some((_, step))) => (usize::MAX, step),
    };
    // Deviation::StreamOrConnection.
    let until = first_step.min(second_step);
    let later = if first_step == until { second } else { first };
    let has_reset =
        later.resets.iter().any(|(code, step)| *step == until && class(*code) == Class::Protocol);
    // Deviation::ClosedStream, and a stream that is closed only in one of the layers.
    let is_closed = script.stream(until).is_some_and(|stream| {
        later.has_ended(stream, until) || script.resets(stream) || script.may_differ(stream)
    });
    if first_step == second_step || has_reset || is_closed {
        return Ok(until);
    }
    Err(format!("the connection fails in step {first_step} and in step {second_step}"))
}

fn same_response(stream: u32, first: &Got, second: &Got, is_reset: bool) -> Result<(), String> {
    let of = |what: &str| format!("{what} of stream {stream}");
    // Deviation::Code.
    let end = |got: &Got| {
        got.end.map(|(end, _)| match end {
            End::Stream => None,
            End::Reset(code) => Some(class(code)),
        })
    };
    // Deviation::ClosedStream.
    if !is_reset {
        equal(&of("end"), &end(first), &end(second))?;
    }
    let is_whole = [first, second].map(|got| matches!(got.end, Some((End::Stream, _))));
    if is_whole == [true, true] || first.end.is_none() && !is_reset {
        equal(&of("status"), &first.status, &second.status)?;
        equal(&of("headers"), &first.headers, &second.headers)?;
        equal(&of("body length"), &first.body.0.len(), &second.body.0.len())?;
        equal(&of("trailers"), &first.trailers, &second.trailers)?;
    }
    // Deviation::BeforeReset.
    let length = first.body.0.len().min(second.body.0.len());
    equal(&of("body"), &&first.body.0[..length], &&second.body.0[..length])
}

/// Returns the stream of a request, which is in its path.
fn stream(seen: &Seen) -> u32 {
    let number = seen.path.split(['/', '?']).nth(2).and_then(|number| number.parse().ok());
    number.unwrap_or(0)
}

/// Returns what is compared of a request, of a connection that fails only its head.
fn normal(seen: &Seen, has_failed: bool) -> Seen {
    let mut seen = seen.clone();
    seen.headers = join_cookies(&seen.headers);
    if has_failed {
        (seen.body, seen.trailers) = (Data::default(), Vec::new());
        (seen.whole, seen.is_dropped) = (None, false);
    }
    seen
}

/// Deviation::Cookies.
fn join_cookies(headers: &Fields) -> Fields {
    let (cookies, mut others): (Fields, Fields) =
        headers.iter().cloned().partition(|(name, _)| name == "cookie");
    if !cookies.is_empty() {
        let values: Vec<String> = cookies.into_iter().map(|(_, value)| value).collect();
        others.push(("cookie".to_owned(), values.join("; ")));
    }
    others
}

fn equal<T: PartialEq + Debug>(what: &str, first: &T, second: &T) -> Result<(), String> {
    if first == second {
        return Ok(());
    }
    Err(format!("{what}: {first:?} and {second:?}"))
}
