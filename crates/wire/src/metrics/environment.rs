//! The variables of OpenTelemetry that say how metrics are sent
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).

use std::time::Duration;

use tonic::metadata::{Ascii, MetadataKey, MetadataMap, MetadataValue};

use crate::export::{decode, variable};

const INTERVAL: (&str, u64) = ("OTEL_METRIC_EXPORT_INTERVAL", 60_000);
const EXPORT_TIMEOUT: (&str, u64) = ("OTEL_METRIC_EXPORT_TIMEOUT", 30_000);
const OTLP_TIMEOUT: u64 = 10_000;

/// Returns the time between two exports.
pub fn interval() -> Duration {
    milliseconds(INTERVAL.0).unwrap_or(Duration::from_millis(INTERVAL.1))
}

/// Returns the longest time of an export: the shorter one of that of metrics and of that of OTLP.
pub(super) fn timeout() -> Duration {
    let otlp = milliseconds("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")
        .or_else(|| milliseconds("OTEL_EXPORTER_OTLP_TIMEOUT"))
        .unwrap_or(Duration::from_millis(OTLP_TIMEOUT));
    let export = milliseconds(EXPORT_TIMEOUT.0).unwrap_or(Duration::from_millis(EXPORT_TIMEOUT.1));
    otlp.min(export)
}

/// Returns what is sent with each export.
pub(super) fn headers() -> MetadataMap {
    let name = "OTEL_EXPORTER_OTLP_METRICS_HEADERS";
    let (name, text) = match variable(name) {
        Some(text) => (name, text),
        None => {
            let name = "OTEL_EXPORTER_OTLP_HEADERS";
            (name, variable(name).unwrap_or_default())
        }
    };
    let (headers, is_valid) = parse_headers(&text);
    if !is_valid {
        // Its values can be secrets.
        tracing::warn!(variable = name, "a part of the variable is ignored: it is not name=value");
    }
    headers
}

/// Returns the headers, and whether all parts are valid. As in the exporters of spans and log
/// records, which are OpenTelemetry's, a wrong part is left out, and a value that is not
/// percent-encoded is taken as it is.
fn parse_headers(text: &str) -> (MetadataMap, bool) {
    let (mut headers, mut is_valid) = (MetadataMap::new(), true);
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let header = part.split_once('=').and_then(|(name, value)| {
            let name: MetadataKey<Ascii> = name.trim().to_ascii_lowercase().parse().ok()?;
            let value = decode(value.trim()).unwrap_or_else(|| value.trim().to_owned());
            let value: MetadataValue<Ascii> = value.parse().ok()?;
            Some((name, value))
        });
        match header {
            Some((name, value)) => drop(headers.insert(name, value)),
            None => is_valid = false,
        }
    }
    (headers, is_valid)
}

fn milliseconds(name: &'static str) -> Option<Duration> {
    let text = variable(name)?;
    let time = parse_milliseconds(&text);
    if time.is_none() {
        let message = "the variable is ignored: it is not a number of milliseconds above 0";
        tracing::warn!(variable = name, value = text, "{message}");
    }
    time
}

fn parse_milliseconds(text: &str) -> Option<Duration> {
    // A longer time than a u32 has, 49 days, is a mistake.
    text.trim()
        .parse::<u32>()
        .ok()
        .filter(|&time| time > 0)
        .map(|time| Duration::from_millis(u64::from(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_whole_number_of_milliseconds_above_0() {
        assert_eq!(parse_milliseconds("1500"), Some(Duration::from_millis(1500)));
        for text in ["0", "-1", "1.5", "1s", "5000000000"] {
            assert_eq!(parse_milliseconds(text), None, "{text}");
        }
    }

    #[test]
    fn headers_are_percent_decoded_and_their_names_in_lower_case() {
        let (headers, is_valid) = parse_headers("Authorization=Bearer%20a%3D,x-tenant=50%off,");
        assert_eq!(headers.get("authorization").expect("it is there"), "Bearer a=");
        assert_eq!(headers.get("x-tenant").expect("it is there"), "50%off");
        assert!(is_valid);
        assert!(parse_headers("").0.is_empty());
        for text in ["a", "a b=c", "a=%0a"] {
            let (headers, is_valid) = parse_headers(&format!("{text},b=c"));
            assert_eq!((headers.len(), is_valid), (1, false), "{text}");
        }
    }
}
