//! Connections that the server ended because of their peers.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use crate::{
    call::PeerAddress,
    http2::{Abuse, Reason},
    log_rate::LogRate,
};

/// The reason why the server ended the connection of a peer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Misdeed {
    /// It exceeded a limit against abuse, such as that of resets.
    Abuse(Abuse),
    /// It broke a rule of HTTP.
    Violation(Reason, &'static str),
    /// It did not acknowledge a PING in time (`keepalive.timeout`).
    Silence,
    /// It did not begin HTTP in time (`limits.handshake`).
    SlowHandshake,
    /// Its TLS handshake failed.
    Tls(String),
    /// It speaks another protocol, and only HTTP/2 is served.
    NotHttp2,
}

/// The names of all reasons, as the log and the metrics have them.
const REASONS: [&str; 15] = [
    "resets",
    "stream_errors",
    "control_frames",
    "header_block",
    "memory",
    "unread",
    "protocol_error",
    "flow_control_error",
    "frame_size_error",
    "compression_error",
    "stream_closed",
    "keepalive_timeout",
    "handshake_timeout",
    "tls",
    "not_http2",
];

impl Misdeed {
    fn reason(&self) -> &'static str {
        match self {
            Self::Abuse(abuse) => abuse.name(),
            Self::Violation(Reason::FLOW_CONTROL_ERROR, _) => "flow_control_error",
            Self::Violation(Reason::FRAME_SIZE_ERROR, _) => "frame_size_error",
            Self::Violation(Reason::COMPRESSION_ERROR, _) => "compression_error",
            Self::Violation(Reason::STREAM_CLOSED, _) => "stream_closed",
            Self::Violation(..) => "protocol_error",
            Self::Silence => "keepalive_timeout",
            Self::SlowHandshake => "handshake_timeout",
            Self::Tls(_) => "tls",
            Self::NotHttp2 => "not_http2",
        }
    }

    fn detail(&self) -> Option<&str> {
        match self {
            Self::Violation(_, rule) => Some(rule),
            Self::Tls(problem) => Some(problem),
            _ => None,
        }
    }
}

/// Counts and logs the connections that were ended.
#[derive(Debug, Default)]
pub(super) struct Abuses([Seen; REASONS.len()]);

/// The connections that were ended for one reason. Each reason has its own rate limit of log lines,
/// so that a frequent one does not hide another.
#[derive(Debug, Default)]
struct Seen {
    count: AtomicUsize,
    lines: LogRate,
}

impl Abuses {
    /// Records the end of a connection.
    pub(super) fn record(&self, peer: PeerAddress, misdeed: &Misdeed) {
        let (reason, detail) = (misdeed.reason(), misdeed.detail());
        let position = REASONS.iter().position(|at| *at == reason).expect("it has all reasons");
        let Seen { count, lines } = &self.0[position];
        count.fetch_add(1, Relaxed);
        if lines.is_line_due() {
            tracing::info!(%peer, reason, detail, "a connection was ended for what its peer did");
        } else {
            tracing::debug!(%peer, reason, detail, "a connection was ended for what its peer did");
        }
    }

    /// Returns the names of the reasons, and how many connections were ended for each.
    pub(super) fn counts(&self) -> [(&'static str, f64); REASONS.len()] {
        std::array::from_fn(|at| (REASONS[at], self.0[at].count.load(Relaxed) as f64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_misdeed_is_counted_by_its_reason() {
        let violation = |reason| Misdeed::Violation(reason, "a rule");
        let mut all: Vec<_> = Abuse::ALL.into_iter().map(Misdeed::Abuse).collect();
        all.extend([
            violation(Reason::PROTOCOL_ERROR),
            violation(Reason::FLOW_CONTROL_ERROR),
            violation(Reason::FRAME_SIZE_ERROR),
            violation(Reason::COMPRESSION_ERROR),
            violation(Reason::STREAM_CLOSED),
            Misdeed::Silence,
            Misdeed::SlowHandshake,
            Misdeed::Tls("a problem".into()),
            Misdeed::NotHttp2,
        ]);
        let abuses = Abuses::default();
        for misdeed in &all {
            abuses.record(PeerAddress::Unix { uid: 0 }, misdeed);
        }
        assert_eq!(abuses.counts(), REASONS.map(|reason| (reason, 1.0)));
    }
}
