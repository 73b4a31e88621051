//! Frames as a peer sends and reads them (RFC 9113, sections 4 and 6).

/// DATA (section 6.1).
pub const DATA: u8 = 0;
/// HEADERS (section 6.2).
pub const HEADERS: u8 = 1;
/// PRIORITY (section 6.3).
pub const PRIORITY: u8 = 2;
/// RST_STREAM (section 6.4).
pub const RST_STREAM: u8 = 3;
/// SETTINGS (section 6.5).
pub const SETTINGS: u8 = 4;
/// PUSH_PROMISE (section 6.6).
pub const PUSH_PROMISE: u8 = 5;
/// PING (section 6.7).
pub const PING: u8 = 6;
/// GOAWAY (section 6.8).
pub const GOAWAY: u8 = 7;
/// WINDOW_UPDATE (section 6.9).
pub const WINDOW_UPDATE: u8 = 8;
/// CONTINUATION (section 6.10).
pub const CONTINUATION: u8 = 9;

/// The flag of SETTINGS and PING.
pub const ACK: u8 = 1;
/// The flag of DATA and HEADERS.
pub const END_STREAM: u8 = 1;
/// The flag of HEADERS, PUSH_PROMISE and CONTINUATION.
pub const END_HEADERS: u8 = 4;
/// The flag of DATA, HEADERS and PUSH_PROMISE.
pub const PADDED: u8 = 8;
/// The flag of HEADERS.
pub const PRIORITY_FLAG: u8 = 32;

/// The client connection preface (section 3.4).
pub const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The stream identifier.
    pub stream: u32,
    /// The payload.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Returns the error code of RST_STREAM or GOAWAY, or `None` for another frame.
    pub fn error_code(&self) -> Option<u32> {
        let code = match self.kind {
            RST_STREAM => self.payload.get(..4)?,
            GOAWAY => self.payload.get(4..8)?,
            _ => return None,
        };
        Some(number(code))
    }

    /// Returns whether the frame has this flag.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Returns the number of up to four bytes in network order.
pub fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

/// Returns the bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is small").to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Returns a field as an HPACK literal without indexing and with a literal name (RFC 7541,
/// section 6.2.2).
pub fn literal(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name.as_ref(), value.as_ref()] {
        integer(&mut bytes, 0, 7, text.len());
        bytes.extend(text);
    }
    bytes
}

/// Adds an HPACK integer: `first` has the bits before the prefix of `bits` bits (RFC 7541,
/// section 5.1).
pub fn integer(bytes: &mut Vec<u8>, first: u8, bits: u32, value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        bytes.push(first | u8::try_from(value).expect("it is below the prefix"));
        return;
    }
    bytes.push(first | u8::try_from(most).expect("a prefix has at most 8 bits"));
    let mut rest = value - most;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128 + 128).expect("below 256"));
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("below 128"));
}

/// Returns the header block of a POST to `path` with more fields, as literals.
pub fn post(path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let pseudo =
        [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "test")];
    pseudo.iter().chain(more).flat_map(|(name, value)| literal(name, value)).collect()
}
