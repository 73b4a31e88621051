//! Error codes.

use std::fmt;

/// An error code (RFC 9113, section 7).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason(u32);

/// Declares the codes with their names.
macro_rules! reasons {
    ($($name:ident = $code:literal, $doc:literal;)*) => {
        impl Reason {
            $(
                #[doc = $doc]
                pub const $name: Self = Self($code);
            )*

            /// Returns the name of the code in the specification, or `None` if it has none.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    NO_ERROR = 0, "There is no error: a graceful shutdown, or a request that is no longer needed.";
    PROTOCOL_ERROR = 1, "The peer broke a rule that has no code of its own.";
    INTERNAL_ERROR = 2, "This side failed.";
    FLOW_CONTROL_ERROR = 3, "The peer sent more than the window allowed.";
    SETTINGS_TIMEOUT = 4, "SETTINGS were not acknowledged in time.";
    STREAM_CLOSED = 5, "A frame came on a closed or half-closed stream.";
    FRAME_SIZE_ERROR = 6, "A frame has a length that its type cannot have.";
    REFUSED_STREAM = 7, "The request was not processed, and can be retried.";
    CANCEL = 8, "The stream is no longer needed.";
    COMPRESSION_ERROR = 9, "A header block cannot be decompressed.";
    CONNECT_ERROR = 10, "The connection of a CONNECT request failed.";
    ENHANCE_YOUR_CALM = 11, "The peer makes too much work.";
    INADEQUATE_SECURITY = 12, "The transport is not secure enough.";
    HTTP_1_1_REQUIRED = 13, "The request must be made with HTTP/1.1.";
}

impl Reason {
    /// Returns the reason with this code. A code without a name is valid (RFC 9113, section 7).
    pub fn new(code: u32) -> Self {
        Self(code)
    }

    /// Returns the number of the code.
    pub fn code(self) -> u32 {
        self.0
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error code {}", self.0),
        }
    }
}
