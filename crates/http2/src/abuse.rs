//! The reasons to end a connection for what its peer does.

/// What a peer did too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Abuse {
    /// It reset requests before they had a response ("rapid reset", CVE-2023-44487).
    Resets,
    /// It broke rules of streams, so that this side had to reset them (CVE-2025-8671).
    StreamErrors,
    /// It sent frames without content, such as PING, SETTINGS, PRIORITY, empty DATA and small
    /// WINDOW_UPDATEs.
    ControlFrames,
    /// It sent a header block that does not end (CVE-2024-27316).
    HeaderBlock,
    /// It held the most memory when the budget was used up.
    Memory,
    /// It took none of the bytes that waited to be written.
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

    /// Returns the name, as the log and the metrics have it.
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
