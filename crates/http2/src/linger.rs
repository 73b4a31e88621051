//! The end of a connection's transport.

use std::time::Duration;

/// The time that a peer has to close a connection after this side has closed it. It is shorter
/// than the half second that the server leaves to connections after the bound of its drain, so
/// that an idle connection does not count as cut.
pub(crate) const MAX_LINGER: Duration = Duration::from_millis(400);
