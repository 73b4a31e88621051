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
    /// Section 8.2.1. A value with white space around it is malformed; h2 passes it on.
    WhiteSpace,
    /// Section 8.2.3. Several cookie fields are one; h2 passes each of them on.
    Cookies,
    /// Section 8.1. After a whole response the stream may be reset, or the rest of the request
    /// discarded.
    AfterResponse,
    /// Section 5.1. A frame on a closed stream is an error of the stream or of the connection, or
    /// is ignored.
    ClosedStream,
    /// The interface. Whether a body is dropped when its frames were taken, or when they were
    /// sent.
    BodyKept,
    /// Section 5.4. A malformed frame on a stream is an error of the stream or of the connection.
    StreamOrConnection,
    /// Section 7. Which error code is sent, if several of one class say what was wrong.
    Code,
    /// Section 5.4.1. What was received and sent just before an error of the connection.
    BeforeGoaway,
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
