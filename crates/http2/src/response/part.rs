//! What a call hands to its connection.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderMap, Response};

/// A part of a response.
#[derive(Debug)]
pub(crate) enum ResponsePart {
    /// The head, and whether the response ends with it.
    Head(Box<Response<()>>, bool),
    Data(Bytes),
    /// The end, with trailers or without.
    End(Option<Cow<'static, HeaderMap>>),
    /// Trailers that replace what has not been sent yet.
    EarlyEnd(HeaderMap),
    /// The response cannot be completed.
    Failed,
}

/// Takes the response of a call.
pub(crate) trait ResponseSink {
    /// Takes the head. Returns whether a body can follow.
    fn head(&mut self, head: Response<()>, is_end: bool) -> bool;

    /// Returns how many bytes of data are accepted now. If 0, the call is polled again when there
    /// is room.
    fn room(&mut self) -> usize;

    /// Takes data, even if it is more than there is room for.
    fn data(&mut self, data: Bytes);

    /// Ends the response.
    fn end(&mut self, trailers: Option<Cow<'static, HeaderMap>>);

    /// Ends the response with these trailers instead of the data that has not been sent.
    fn end_early(&mut self, trailers: HeaderMap);

    /// Resets the stream.
    fn fail(&mut self);
}
