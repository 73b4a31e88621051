//! The trailers of a request, from their fields (RFC 9113, section 8.1).

use http::HeaderMap;

use super::head::{HeadLimits, Refusal};
use crate::hpack::{Entry, Field};

/// Collects the fields of trailers.
#[derive(Debug)]
pub(crate) struct TrailersBuilder {
    limits: HeadLimits,
    size: usize,
    fields: usize,
    is_malformed: bool,
    trailers: HeaderMap,
}

impl TrailersBuilder {
    pub(crate) fn new(limits: HeadLimits) -> Self {
        Self { limits, size: 0, fields: 0, is_malformed: false, trailers: HeaderMap::new() }
    }

    fn is_too_large(&self) -> bool {
        self.size > self.limits.size || self.fields > self.limits.fields
    }

    /// Adds a field. Of trailers that are malformed or too large nothing is kept.
    pub(crate) fn add(&mut self, entry: &Entry) {
        self.size += entry.size();
        self.fields += 1;
        // Trailers have no pseudo-header fields.
        let Field::Header(name, Some(value)) = &entry.field else {
            self.is_malformed = true;
            return;
        };
        if self.is_too_large() || self.trailers.try_append(name.clone(), value.clone()).is_err() {
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
        if self.is_too_large() { Err(Refusal::TooLarge) } else { Ok(self.trailers) }
    }
}
