//! The response of a call that the connection polls itself.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Response};

use super::core::Core;
use crate::response::ResponseSink;

/// Takes the response of the stream with this key.
pub(super) struct CoreSink<'a> {
    pub(super) core: &'a mut Core,
    pub(super) key: usize,
}

impl ResponseSink for CoreSink<'_> {
    fn head(&mut self, head: Response<()>, is_end: bool) -> bool {
        self.core.respond(self.key, &head, is_end)
    }

    fn room(&mut self) -> usize {
        self.core.room(self.key)
    }

    fn data(&mut self, data: Bytes) {
        self.core.push_data(self.key, data);
    }

    fn end(&mut self, trailers: Option<Cow<'static, HeaderMap>>) {
        self.core.end_response(self.key, trailers);
    }

    fn end_early(&mut self, trailers: HeaderMap) {
        self.core.end_response_early(self.key, trailers);
    }

    fn fail(&mut self) {
        self.core.fail_response(self.key);
    }
}
