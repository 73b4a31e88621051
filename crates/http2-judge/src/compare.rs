//! Compares the results of a script on two layers.

use std::{collections::BTreeSet, fmt::Debug};

use crate::{
    behaviour::{Data, Fields, Seen},
    deviations::{Class, Deviation, class},
    run::{End, Got, Report, Side, run},
    script::Script,
    server::Layer,
};

/// ENHANCE_YOUR_CALM.
const CALM: Class = Class::Other(11);

/// Runs a script on two sides, and compares the results.
///
/// # Errors
///
/// Returns an error with the first difference that is not allowed, and both reports.
pub fn compare(
    first: impl Into<Side>,
    second: impl Into<Side>,
    script: &Script,
) -> Result<(), String> {
    let (first, second) = (first.into(), second.into());
    let (first_report, second_report) = (run(first, script), run(second, script));
    for (side, report) in [(first, &first_report), (second, &second_report)] {
        if report.has_panicked {
            // Some scripts break debug assertions of h2. A release build goes on.
            return if side.layer == Layer::H2 { Ok(()) } else { Err(format!("{side:?} panics")) };
        }
    }
    let script = if (first.layer == Layer::H2) == (second.layer == Layer::H2) {
        &script.without_deviations()
    } else {
        script
    };
    differ(&first_report, &second_report, script).map_err(|difference| {
        format!("{difference}\n{first:?}\n{first_report}{second:?}\n{second_report}")
    })
}

/// Returns a difference between two reports of a script as an error.
fn differ(first: &Report, second: &Report, script: &Script) -> Result<(), String> {
    let until = same_failure(first, second, script)?;
    let ended = |report: &Report, stream: u32| report.has_ended(stream, until);
    let streams: BTreeSet<u32> = first.got.keys().chain(second.got.keys()).copied().collect();
    // Deviation::SharedWindow.
    if script.limits.is_narrow && until != usize::MAX {
        return Ok(());
    }
    for stream in streams {
        if script.is_head(stream)
            && let Some(first) = first.got.get(&stream)
            && let Some(second) = second.got.get(&stream)
            && first.status.is_some()
            && second.status.is_some()
        {
            equal(&format!("status of HEAD {stream}"), &first.status, &second.status)?;
            equal(&format!("headers of HEAD {stream}"), &first.headers, &second.headers)?;
        }
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
    let is_broken = |stream: u32| {
        script.resets(stream) || [first, second].iter().any(|report| report.is_reset(stream))
    };
    let seen = |report: &Report| {
        let seen = report.seen.iter().filter(|seen| {
            let stream = stream(seen);
            // Deviation::Path.
            let may_differ = stream == 0 && script.has(Deviation::Path);
            !may_differ
                && !script.may_differ(stream)
                && (until == usize::MAX || ended(report, stream))
        });
        let seen = seen.map(|seen| {
            let stream = stream(seen);
            let mut seen = normal(seen, until != usize::MAX, is_broken(stream));
            // Deviation::BodyKept.
            seen.is_dropped &= script.resets(stream) || ended(report, stream);
            seen
        });
        seen.collect::<Vec<_>>()
    };
    let (mut first_seen, mut second_seen) = (seen(first), seen(second));
    // Deviation::BrokenRequest.
    let is_called = |other: &[Seen], seen: &Seen| {
        !is_broken(stream(seen)) || other.iter().any(|other| other.path == seen.path)
    };
    let (all_first, all_second) = (first_seen.clone(), second_seen.clone());
    first_seen.retain(|seen| is_called(&all_second, seen));
    second_seen.retain(|seen| is_called(&all_first, seen));
    equal("requests", &first_seen.len(), &second_seen.len())?;
    for (first, second) in first_seen.iter_mut().zip(&mut second_seen) {
        if is_broken(stream(first)) {
            // Deviation::BrokenRequest.
            let length = first.body.0.len().min(second.body.0.len());
            first.body.0.truncate(length);
            second.body.0.truncate(length);
        }
        equal("request", first, second)?;
    }
    Ok(())
}

/// Compares how two connections failed. Returns the first step in which one of them failed, or
/// `usize::MAX`: from this step on, the reports are not compared.
fn same_failure(first: &Report, second: &Report, script: &Script) -> Result<usize, String> {
    let (first_failed, second_failed) = match (first.failed(script), second.failed(script)) {
        (None, None) => {
            let is_open = |report: &Report, stream| !report.has_ended(stream, usize::MAX);
            // A stream on which the layers may differ can keep one of the connections open.
            if !script.deviations().any(|(at, _)| is_open(first, at) != is_open(second, at)) {
                equal("closed", &first.closed.is_some(), &second.closed.is_some())?;
            }
            return Ok(usize::MAX);
        }
        failed => failed,
    };
    let step = |failed: Option<(Class, usize)>| failed.map_or(usize::MAX, |(_, step)| step);
    let (first_step, second_step) = (step(first_failed), step(second_failed));
    let until = first_step.min(second_step);
    let (failed, later) =
        if first_step == until { (first_failed, second) } else { (second_failed, first) };
    // Deviation::LargeHead, LargeTrailers.
    let is_large = script.has_in(until, Deviation::LargeHead)
        || script.has_in(until, Deviation::LargeTrailers);
    if is_large && failed.is_some_and(|(class, _)| [CALM, Class::Protocol].contains(&class)) {
        return Ok(until);
    }
    if first_step == second_step {
        let class = |failed: Option<(Class, usize)>| failed.map(|(class, _)| class);
        equal("error of the connection", &class(first_failed), &class(second_failed))?;
    }
    // Deviation::StreamOrConnection.
    let has_reset =
        later.resets.iter().any(|(code, step)| *step == until && class(*code) == Class::Protocol);
    // Deviation::ClosedStream, and a stream that is closed only in one of the layers.
    let is_closed = script.stream(until).is_some_and(|stream| {
        later.has_ended(stream, until) || script.resets(stream) || script.may_differ(stream)
    });
    // Deviation::AfterGoaway.
    let is_above = later.goaway.is_some_and(|(_, step)| step < until)
        && script.stream(until).is_some_and(|stream| stream > later.last_stream);
    let is_cut = script.has(Deviation::CutFrame);
    if first_step == second_step || has_reset || is_closed || is_above || is_cut {
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

/// Returns the part of a request that is compared: only its head if the connection has failed.
fn normal(seen: &Seen, has_failed: bool, is_broken: bool) -> Seen {
    let mut seen = seen.clone();
    if is_broken && seen.whole == Some(false) {
        // Deviation::BrokenRequest.
        seen.whole = None;
    }
    seen.headers = join_cookies(&seen.headers);
    if has_failed {
        (seen.body, seen.trailers) = (Data::default(), Vec::new());
        (seen.whole, seen.is_dropped) = (None, false);
    }
    seen
}

/// Joins the cookie fields into one (Deviation::Cookies).
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
