//! Requests that HTTP/2 refuses, as one connection reports them.

use crate::{
    call::PeerAddress,
    http2,
    telemetry::{Refused, Telemetry},
};

/// Counts and logs the requests of one connection that are refused.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) telemetry: Telemetry,
    pub(super) peer: PeerAddress,
}

impl http2::Observer for Observer {
    fn refused(&self, why: http2::Refused) {
        let why = match why {
            http2::Refused::HeaderList => Refused::HeaderList,
            http2::Refused::Protocol => Refused::Protocol,
            http2::Refused::Streams => Refused::Streams,
            http2::Refused::Version => Refused::HttpVersion,
        };
        self.telemetry.refused(why, Some(self.peer));
    }
}
