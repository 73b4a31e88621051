//! Checks of a call that is over.

use h2::Reason;
use http::HeaderMap;

use crate::{
    call::{Call, Content, Ends},
    client::Outcome,
    handler::Seen,
    plan::Plan,
};

/// Returns an error if something is wrong with a call.
pub(crate) fn check(plan: &Plan, id: usize, outcome: &Outcome, seen: &Seen) -> Result<(), String> {
    let call = &plan.calls[id];
    if outcome.hangs {
        return Err(format!("it hangs; its handler saw {seen:?}"));
    }
    if let Some(head) = &seen.head {
        equal("method", &head.method, &call.method)?;
        equal("uri", &head.uri.to_string(), &format!("http://test{}", call.path))?;
        equal("request headers", &head.headers, &call.headers)?;
    }
    starts_with("request", &call.request, &seen.body)?;
    if let Some(head) = &outcome.head {
        equal("status", &head.status, &call.status)?;
        equal("response headers", &head.headers, &call.response_headers)?;
    }
    if !matches!(call.ends, Ends::Early(_)) {
        starts_with("response", &call.response, &outcome.body)?;
    }
    if call.cancel.is_some() {
        return Ok(());
    }
    let reason = outcome.error.as_ref().map(h2::Error::reason);
    match reason {
        Some(_) if plan.shut_down.is_some() && seen.head.is_none() => return Ok(()),
        Some(Some(Reason::REFUSED_STREAM)) if plan.may_refuse() && seen.head.is_none() => {
            return Ok(());
        }
        Some(Some(Reason::INTERNAL_ERROR)) if call.ends == Ends::Failing => {}
        // The request was not read to its end (RFC 9113, section 8.1).
        Some(Some(Reason::NO_ERROR)) if !call.reads_all() => check_response(call, outcome)?,
        None if call.ends != Ends::Failing => check_response(call, outcome)?,
        _ => return Err(format!("it ends with {:?}", outcome.error)),
    }
    // A response that fails ends the request as well.
    if call.reads_all() && call.ends != Ends::Failing {
        equal("error of the request", &seen.error, &None)?;
        equal("request length", &seen.body.len(), &call.request.length)?;
        equal("request trailers", &given(&seen.trailers), &given(&call.request.trailers))?;
        equal("end of the request", &seen.has_ended, &true)?;
    }
    Ok(())
}

fn check_response(call: &Call, outcome: &Outcome) -> Result<(), String> {
    match call.ends {
        Ends::Early(_) => {
            let endless = Content { length: usize::MAX, ..call.response.clone() };
            starts_with("response", &endless, &outcome.body)?;
        }
        _ => equal("response length", &outcome.body.len(), &call.response.length)?,
    }
    equal("response trailers", &given(&outcome.trailers), &given(&call.response.trailers))
}

/// Returns the trailers, or `None` if they are empty: the peer then gets an end without trailers.
fn given(trailers: &Option<HeaderMap>) -> Option<&HeaderMap> {
    trailers.as_ref().filter(|trailers| !trailers.is_empty())
}

fn starts_with(name: &str, content: &Content, got: &[u8]) -> Result<(), String> {
    if got.len() > content.length || got != content.bytes(0, got.len()) {
        return Err(format!("the {name} has other bytes, of {} bytes", got.len()));
    }
    Ok(())
}

fn equal<T: PartialEq + std::fmt::Debug>(name: &str, got: &T, sent: &T) -> Result<(), String> {
    if got == sent {
        return Ok(());
    }
    Err(format!("the {name} is {got:?} instead of {sent:?}"))
}
