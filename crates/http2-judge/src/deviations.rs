//! In what two layers may differ. Sections are those of RFC 9113.

/// An allowed difference between two layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// Section 8.3.1. h2 resets a request whose authority is not one of a URI; the section only
    /// forbids user information.
    Authority,
    /// Section 8.3.1. A path that is not one of an http URI is malformed, or is passed on.
    Path,
    /// Section 8.3.1. A method or a scheme that is no token, and the form of CONNECT (section
    /// 8.5), which no handler here expects.
    MethodOrScheme,
    /// Section 8.1.1, and RFC 9110, section 8.6. An empty content-length is malformed; h2 takes it
    /// for 0.
    EmptyLength,
    /// Section 8.1.1. A malformed request in several frames is an error; h2 forgets what it found
    /// in a frame that ends in the middle of a field.
    SplitBlock,
    /// Section 8.2.1. A value with white space around it is malformed; h2 passes it on.
    WhiteSpace,
    /// Section 8.2.3. Several cookie fields are one; h2 passes each of them on.
    Cookies,
    /// Section 8.1.1, and RFC 9110, section 9.3.2. A response to HEAD has no content; h2 sends what
    /// the handler has.
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
    /// body, or is dropped before it does, or is not called at all. It never sees a whole body.
    BrokenRequest,
    /// The interface. Whether a body is dropped when its frames were taken, or when they were
    /// sent.
    BodyKept,
    /// Section 5.4. A malformed frame on a stream is an error of the stream or of the connection.
    StreamOrConnection,
    /// Section 6.8. After GOAWAY, frames on streams above its last may be discarded, even if they
    /// are an error.
    AfterGoaway,
    /// Section 5.4.1. After a frame that is cut any bytes are frames. The first frame of a header
    /// block may show the error; h2 waits for the rest of the block.
    CutFrame,
    /// Section 7. Which error code is sent, if several of one class say what was wrong.
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
