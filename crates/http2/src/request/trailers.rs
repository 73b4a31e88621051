//! The trailers of a request, from their fields (RFC 9113, section 8.1).

use http::HeaderMap;

use super::{
    head::Refusal,
    list_size::{HeadLimits, ListSize},
};
use crate::hpack::{Entry, Field};

/// Collects the fields of trailers.
#[derive(Debug)]
pub(crate) struct TrailersBuilder {
    list: ListSize,
    is_malformed: bool,
    trailers: HeaderMap,
}

impl TrailersBuilder {
    pub(crate) fn new(limits: HeadLimits) -> Self {
        Self { list: ListSize::new(limits), is_malformed: false, trailers: HeaderMap::new() }
    }

    /// Adds a field. Drops all fields if the trailers are too large.
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.list.add(entry);
        // Trailers have no pseudo-header fields.
        let Field::Header(name, Some(value)) = &entry.field else {
            self.is_malformed = true;
            return;
        };
        if self.list.is_too_large()
            || self.trailers.try_append(name.clone(), value.clone()).is_err()
        {
            self.trailers = HeaderMap::new();
        }
    }

    /// Returns the trailers.
    ///
    /// # Errors
    ///
    /// Returns an error if they are too large or malformed.
    pub(crate) fn finish(self) -> Result<HeaderMap, Refusal> {
        if self.is_malformed {
            return Err(Refusal::Malformed);
        }
        if self.list.is_too_large() { Err(Refusal::TooLarge) } else { Ok(self.trailers) }
    }
}
