//! The headers that carry a trace.

use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::propagation::Injector;

pub(super) struct HeadersMut<'a>(pub(super) &'a mut HeaderMap);

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        // An empty `tracestate` carries no information.
        if let (false, Ok(name), Ok(value)) =
            (value.is_empty(), key.parse::<HeaderName>(), HeaderValue::try_from(value))
        {
            self.0.insert(name, value);
        }
    }
}
