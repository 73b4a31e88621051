//! `/log`: shows the log filter, and changes it for a limited time.

use std::time::Duration;

use hyper::{Request, StatusCode};
use serde_json::{Value, json};
use wire::duration::parse_timeout;

use super::{
    query::parameters,
    reply::{Reply, json, text},
    time::shown,
};
use crate::telemetry::LogFilter;

/// How long a change lasts if the request has no `for`.
const USUAL: Duration = Duration::from_secs(10 * 60);

/// The longest time of a change. For a longer time, there is the setting `log.level`.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn get(filter: &LogFilter) -> Reply {
    json(format!("{:#}\n", in_force(filter)))
}

/// Returns the filter in force, and the configured one.
pub(super) fn in_force(filter: &LogFilter) -> Value {
    let now = filter.in_force();
    json!({
        "filter": now.directives,
        "until": now.until.map(shown),
        "configured": filter.configured(),
    })
}

/// Changes the filter as the query says.
pub(super) fn put<B>(filter: &LogFilter, request: &Request<B>) -> Reply {
    match change(filter, request.uri().query()) {
        Ok(()) => get(filter),
        Err(problem) => text(StatusCode::BAD_REQUEST, format!("{problem}\n")),
    }
}

fn change(filter: &LogFilter, query: Option<&str>) -> Result<(), String> {
    let [directives, time] = parameters(query, ["filter", "for"])?;
    let directives = directives.ok_or("filter is missing: PUT /log?filter=debug&for=10m")?;
    let time = time.map_or(Ok(USUAL), |time| match parse_timeout(&time) {
        Ok(time) if time > LONGEST => Err("for is more than 24h: set log.level instead".to_owned()),
        Ok(time) => Ok(time),
        Err(_) => Err(format!("for={time}: expected a duration up to 24h, such as 10m or 1h")),
    })?;
    filter.change(&directives, time).map_err(|problem| format!("filter: {problem}"))?;
    Ok(())
}
