//! The request id of a call.

use std::array;

use http::HeaderValue;

use crate::text::cut;

const HEX: [u8; 16] = *b"0123456789abcdef";

/// The id of a call in the logs of both sides.
#[derive(Debug)]
pub(crate) enum RequestId {
    /// The caller's, from `x-request-id`.
    Given(HeaderValue),
    /// Made here, because the caller has none.
    Made(u64),
}

impl RequestId {
    /// Returns the caller's id if it is text, or makes one.
    pub(super) fn new(given: Option<HeaderValue>) -> Self {
        let given = given.filter(|id| !id.is_empty() && id.to_str().is_ok());
        given.map_or_else(|| Self::Made(fastrand::u64(..)), Self::Given)
    }

    /// Calls `take` with the text, which is not allocated.
    pub(crate) fn with_text<T>(&self, take: impl FnOnce(&str) -> T) -> T {
        match self {
            Self::Given(id) => take(cut(id.to_str().expect("`new` takes only text"))),
            Self::Made(id) => {
                let digit = |place: usize| HEX[(id >> (60 - 4 * place)) as usize & 15];
                let digits: [u8; 16] = array::from_fn(digit);
                take(str::from_utf8(&digits).expect("digits are ASCII"))
            }
        }
    }

    pub(super) fn header(&self) -> HeaderValue {
        match self {
            Self::Given(id) => id.clone(),
            Self::Made(_) => {
                self.with_text(|text| HeaderValue::from_str(text).expect("digits are a value"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_the_callers_or_made_here() {
        let id = |value: &'static [u8]| {
            let given = HeaderValue::from_bytes(value).expect("a value");
            RequestId::new(Some(given)).with_text(ToOwned::to_owned)
        };
        assert_eq!(id(b"order-7"), "order-7");
        assert_eq!(id(&[b'x'; 1000]), "x".repeat(crate::text::MAX_TEXT));
        for unusable in [&b""[..], b"\xff"] {
            let made = id(unusable);
            assert_eq!(made.len(), 16, "{made}");
            assert_ne!(made, id(unusable));
        }
    }
}
