//! Kinds of abuse, each a reason to close a connection.

/// A kind of abuse by a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Abuse {
    /// It reset requests before they had a response ("rapid reset", CVE-2023-44487).
    Resets,
    /// It made this side reset streams by breaking their rules ("MadeYouReset", CVE-2025-8671).
    StreamErrors,
    /// It sent too many frames without content, such as PING, SETTINGS, PRIORITY, empty DATA and
    /// small WINDOW_UPDATEs.
    ControlFrames,
    /// It sent a header block that is too long, or in too many small frames (CVE-2024-27316).
    HeaderBlock,
    /// It held the most memory when the budget was used up.
    Memory,
    /// It read none of the bytes that waited to be written, for too long.
    Unread,
}

impl Abuse {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Resets,
        Self::StreamErrors,
        Self::ControlFrames,
        Self::HeaderBlock,
        Self::Memory,
        Self::Unread,
    ];

    /// Returns the name in the log and the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::StreamErrors => "stream_errors",
            Self::ControlFrames => "control_frames",
            Self::HeaderBlock => "header_block",
            Self::Memory => "memory",
            Self::Unread => "unread",
        }
    }
}
