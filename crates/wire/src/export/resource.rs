//! The resource of everything that is exported: which service it is of.

use std::{env, sync::OnceLock};

use opentelemetry::{KeyValue, Value};
use opentelemetry_sdk::{Resource, resource::TelemetryResourceDetector};

const SERVICE_NAME: &str = "service.name";
const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";

/// Returns the resource of the process. OpenTelemetry's variables win over `name`, not over
/// `version`.
pub(crate) fn resource(name: &'static str, version: &'static str) -> Resource {
    // Once, so that a wrong variable is one warning.
    static RESOURCE: OnceLock<Resource> = OnceLock::new();
    RESOURCE.get_or_init(|| read(name, version)).clone()
}

fn read(name: &'static str, version: &'static str) -> Resource {
    let attributes = variable(ATTRIBUTES).and_then(|text| {
        let attributes = parse(&text);
        if attributes.is_none() {
            let message = "OTEL_RESOURCE_ATTRIBUTES is ignored: it is not key=value,… with \
                           percent-encoded values";
            tracing::warn!(value = text, "{message}");
        }
        attributes
    });
    let attributes = attributes.unwrap_or_default();
    let of_attributes = attributes.iter().rev().find(|(key, _)| key == SERVICE_NAME);
    let of_attributes = of_attributes.map(|(_, value)| value.clone());
    let named = variable("OTEL_SERVICE_NAME").or(of_attributes.filter(|name| !name.is_empty()));
    let name = named.map_or(Value::from(name), Value::from);
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(attributes.into_iter().map(|(key, value)| KeyValue::new(key, value)))
        .with_attribute(KeyValue::new("service.version", version))
        .with_attribute(KeyValue::new(SERVICE_NAME, name))
        .build()
}

/// Parses `key=value,…`. Returns `None` if any part is malformed: the specification discards
/// the whole variable then
/// (<https://opentelemetry.io/docs/specs/otel/resource/sdk/#specifying-resource-information-via-an-environment-variable>).
fn parse(text: &str) -> Option<Vec<(String, String)>> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let entries = entries.map(|entry| {
        let (key, value) = entry.split_once('=')?;
        let (key, value) = (decode(key.trim())?, decode(value.trim())?);
        (!key.is_empty()).then_some((key, value))
    });
    entries.collect()
}

/// Decodes `%2C` and the like. Returns `None` if the text is not percent-encoded.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let mut digit = || char::from(rest.next()?).to_digit(16);
            bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Returns a variable of the environment. OpenTelemetry defines that an empty one is not set.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_percent_decoded() {
        let parsed =
            parse("team=a%2Cb%3dc, region = eu west ,note=50%25,empty=,gr=gr%C3%BC%C3%9F,");
        let expected = [
            ("team", "a,b=c"),
            ("region", "eu west"),
            ("note", "50%"),
            ("empty", ""),
            ("gr", "grüß"),
        ];
        let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(parsed, Some(expected.to_vec()));
    }

    #[test]
    fn a_malformed_part_discards_the_whole() {
        for text in ["a=1,b", "=1", "a=50%", "a=%2", "a=%zz", "a=%+1", "a=%ff", "a=1,b=%"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
