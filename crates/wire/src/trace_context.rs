//! The headers of a trace: `traceparent` and `tracestate` (W3C Trace Context).

use http::HeaderMap;
use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    propagation::Extractor,
    trace::{SpanContext, TraceState},
};

/// The maximum number of members of `tracestate` (section 3.3.1). Further ones are left out.
const MAX_MEMBERS: usize = 32;

/// Returns the trace id of a `traceparent` of version 00, or of a later version, which may only
/// add fields at the end. Returns `None` if the header is not valid.
pub fn trace_id(header: &[u8]) -> Option<&str> {
    parts(header).map(|[trace, _, _]| trace)
}

/// Returns the span that a `traceparent` names, without its state. Returns `None` if the header
/// is not valid.
pub fn remote_span(header: &[u8]) -> Option<SpanContext> {
    let [trace, parent, flags] = parts(header)?;
    let trace = TraceId::from_hex(trace).ok()?;
    let parent = SpanId::from_hex(parent).ok()?;
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    Some(SpanContext::new(trace, parent, flags, true, TraceState::NONE))
}

/// Returns the ids of the trace and of the parent and the flags, if a `traceparent` is valid.
fn parts(header: &[u8]) -> Option<[&str; 3]> {
    let text = str::from_utf8(header).ok()?;
    let mut parts = text.split('-');
    let mut hex = |length| {
        let part = parts.next()?;
        let lower_hex = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (part.len() == length && part.bytes().all(lower_hex)).then_some(part)
    };
    let (version, trace, parent, flags) = (hex(2)?, hex(32)?, hex(16)?, hex(2)?);
    let is_zero = |part: &str| part.bytes().all(|byte| byte == b'0');
    let valid = version != "ff"
        && (version != "00" || parts.next().is_none())
        && !is_zero(trace)
        && !is_zero(parent);
    valid.then_some([trace, parent, flags])
}

/// The headers of an incoming call, as the propagator of OpenTelemetry reads them.
///
/// A call without exactly one valid `traceparent` begins a new trace, and its `tracestate` is
/// ignored.
pub(crate) struct IncomingTrace<'a> {
    parent: Option<&'a str>,
    state: Option<String>,
}

impl<'a> IncomingTrace<'a> {
    pub(crate) fn of(headers: &'a HeaderMap) -> Self {
        let parent = parent(headers);
        Self { parent, state: parent.and_then(|_| state(headers)) }
    }
}

impl Extractor for IncomingTrace<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.parent,
            "tracestate" => self.state.as_deref(),
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

fn parent(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all("traceparent").iter();
    let header = values.next()?;
    if values.next().is_some() {
        return None;
    }
    trace_id(header.as_bytes()).and_then(|_| header.to_str().ok())
}

/// Returns the members of all headers as one list, or `None` if a header is not text.
fn state(headers: &HeaderMap) -> Option<String> {
    let texts = headers.get_all("tracestate").iter().map(|value| value.to_str().ok());
    let texts: Vec<_> = texts.collect::<Option<_>>()?;
    let members = texts.iter().flat_map(|text| text.split(','));
    let members = members.map(|member| member.trim_matches([' ', '\t']));
    let members: Vec<_> = members.filter(|member| !member.is_empty()).take(MAX_MEMBERS).collect();
    (!members.is_empty()).then(|| members.join(","))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_a_valid_traceparent_has_a_trace_id() {
        const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
        for (text, valid) in [
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", true),
            ("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", true),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-later", false),
            ("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", false),
            ("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01", false),
            ("00-00000000000000000000000000000000-b7ad6b7169203331-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", false),
            ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331", false),
            ("", false),
        ] {
            assert_eq!(trace_id(text.as_bytes()), valid.then_some(TRACE), "{text}");
        }
    }

    #[test]
    fn several_tracestates_are_one_list_of_at_most_32_members() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append("tracestate", HeaderValue::from_static(value));
            }
            state(&headers)
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&["a=1"]).as_deref(), Some("a=1"));
        assert_eq!(of(&["a=1,b=2", "c=3"]).as_deref(), Some("a=1,b=2,c=3"));
        assert_eq!(of(&["a=1 ,\t b=2", "", ",", "c=3,"]).as_deref(), Some("a=1,b=2,c=3"));
        let many: Vec<_> = (0..40).map(|member| format!("m{member}=1")).collect();
        let mut headers = HeaderMap::new();
        for part in many.chunks(7) {
            headers.append("tracestate", part.join(",").parse().expect("a value"));
        }
        assert_eq!(state(&headers), Some(many[..32].join(",")));
        headers.append("tracestate", HeaderValue::from_bytes(b"b=\xff").expect("a value"));
        assert_eq!(state(&headers), None, "one of them is no text");
    }

    #[test]
    fn only_exactly_one_valid_traceparent_continues_a_trace() {
        const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (parents, continues) in [
            (&[][..], false),
            (&[VALID], true),
            (&[VALID, VALID], false),
            (&["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more"], false),
            (&["+0-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"], false),
            (&["nonsense"], false),
        ] {
            let mut headers = HeaderMap::new();
            headers.append("tracestate", HeaderValue::from_static("a=1"));
            for parent in parents {
                headers.append("traceparent", HeaderValue::from_static(parent));
            }
            let trace = IncomingTrace::of(&headers);
            assert_eq!(trace.get("traceparent").is_some(), continues, "{parents:?}");
            assert_eq!(trace.get("tracestate").is_some(), continues, "{parents:?}");
        }
    }
}
