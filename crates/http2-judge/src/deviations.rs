//! Differences between two layers that are allowed. Sections are those of RFC 9113.

/// An allowed difference between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// Section 8.3.1. h2 resets a request whose authority is not valid in a URI; the section only
    /// forbids user information.
    Authority,
    /// Section 8.3.1. A path that is not valid in an http URI is malformed, or is passed on.
    Path,
    /// Section 8.3.1. A method or a scheme that is not valid, or CONNECT with the fields of another
    /// method (section 8.5), is malformed, or is passed on.
    MethodOrScheme,
    /// Section 8.1.1, and RFC 9110, section 8.6. An empty content-length is malformed; h2 reads it
    /// as 0.
    EmptyLength,
    /// Section 8.1.1. A malformed request in several frames is an error; h2 forgets an error that
    /// it found in a frame that ends in the middle of a field.
    SplitBlock,
    /// Section 8.2.1. A value with white space around it is malformed; h2 passes it on.
    WhiteSpace,
    /// Section 8.2.3. Several cookie fields are joined into one; h2 passes each of them on.
    Cookies,
    /// Section 8.1.1, and RFC 9110, section 9.3.2. A response to HEAD has no content; h2 sends the
    /// handler's.
    Head,
    /// Section 10.5.1. A head over the limit gets status 431; if it is far over it, h2 ends the
    /// connection with ENHANCE_YOUR_CALM or COMPRESSION_ERROR.
    LargeHead,
    /// Section 6.5.2. A head of exactly the limit is within it; h2 refuses it with status 431.
    FullHead,
    /// Section 10.5.1. Trailers over the limit reset the stream; h2 passes on a part of them.
    LargeTrailers,
    /// Section 8.1. After a whole response the stream may be reset, or the rest of the request
    /// discarded.
    AfterResponse,
    /// Section 5.1. A frame on a closed stream is an error of the stream or of the connection, or
    /// is ignored.
    ClosedStream,
    /// Section 5.4.2. The handler of a stream that was reset reads an error after a part of the
    /// body, or is dropped before that, or is not called. It never sees a whole body.
    BrokenRequest,
    /// Not in the RFC. A body is dropped when its frames were taken, or when they were sent.
    BodyKept,
    /// Section 5.4. A malformed frame on a stream is an error of the stream or of the connection.
    StreamOrConnection,
    /// Section 6.8. After GOAWAY, frames on streams above its last may be discarded, even if they
    /// are an error.
    AfterGoaway,
    /// Section 5.4.1. After a frame that is cut, the next bytes are read as other frames. If a
    /// header block begins, its first frame may show the error; h2 waits for the rest of the block.
    CutFrame,
    /// Section 7. Which error code is sent, if several of one class describe the error.
    Code,
    /// Section 5.4.1. What was received and sent just before an error of the connection.
    BeforeGoaway,
    /// Section 5.2. How the window of the connection is shared by the streams, if it is used up.
    SharedWindow,
    /// Section 5.4.2. How much of a body was sent before its stream was reset.
    BeforeReset,
}

/// A class of error codes (section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `NO_ERROR`.
    None,
    /// The peer broke the protocol ([`Deviation::Code`]).
    Protocol,
    /// Any other code.
    Other(u32),
}

/// Returns the class of an error code.
pub fn class(code: u32) -> Class {
    match code {
        0 => Class::None,
        // PROTOCOL_ERROR, FLOW_CONTROL_ERROR, STREAM_CLOSED, FRAME_SIZE_ERROR and
        // COMPRESSION_ERROR.
        1 | 3 | 5 | 6 | 9 => Class::Protocol,
        code => Class::Other(code),
    }
}
