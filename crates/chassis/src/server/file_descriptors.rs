//! The limit of open file descriptors, and how the listeners share it.
//!
//! Clients of `server.address` must not use up the descriptors: probes and metrics need some, and
//! so do files and the connections that the service itself opens.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::registry::Registry;

/// The most connections for health alone, which are those of probes.
const HEALTH_CONNECTIONS: usize = 128;

/// The most connections to the listener of metrics: enough for every scraper and probe.
const ADMIN_CONNECTIONS: usize = 64;

/// The descriptors for files and for connections that the service itself opens, if there are
/// enough.
const OTHER: usize = 128;

/// The descriptors of listeners, and those that are opened during the start.
const LISTENERS: usize = 8;

/// The number of open descriptors if the system does not say it.
const USUALLY_OPEN: usize = 32;

/// Raises the soft limit of open descriptors to the hard one, as far as the system allows. The soft
/// one is often 1,024, because programs that use select(2) can have no more.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
    {
        tracing::debug!(%error, ?current, ?maximum, "the limit of file descriptors stays as it is");
    }
}

/// The most connections of each listener.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Shares {
    pub(super) service: usize,
    pub(super) health: usize,
    pub(super) admin: usize,
}

impl Shares {
    /// Shares the descriptors that are free in this process. Warns if these are too few for
    /// `connections` connections.
    pub(super) fn new(connections: usize) -> Self {
        let limit = getrlimit(Resource::Nofile).current;
        let limit = limit.map_or(usize::MAX, |limit| limit.try_into().unwrap_or(usize::MAX));
        let open = fs::read_dir("/proc/self/fd").map_or(USUALLY_OPEN, Iterator::count);
        let shares = Self::of(limit.saturating_sub(open + LISTENERS), connections);
        if shares.service < connections {
            tracing::warn!(
                descriptors = limit,
                connections = shares.service,
                "there are too few file descriptors for limits.connections: fewer connections \
                 are open at once"
            );
        }
        shares
    }

    fn of(free: usize, connections: usize) -> Self {
        let reserve = (free / 4).min(HEALTH_CONNECTIONS + ADMIN_CONNECTIONS + OTHER);
        Self {
            service: Registry::limit_for(free - reserve).min(connections),
            health: Registry::limit_for(reserve / 3).min(HEALTH_CONNECTIONS),
            admin: (reserve / 3).clamp(1, ADMIN_CONNECTIONS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listener_has_a_share_of_the_free_descriptors() {
        let few = Shares { service: 28, health: 1, admin: 3 };
        assert_eq!(Shares::of(42, 10_000), few);
        let many = Shares { service: 10_000, health: 94, admin: 64 };
        assert_eq!(Shares::of(1 << 20, 10_000), many);
        assert_eq!(Shares::of(usize::MAX, 10_000), many);
        assert_eq!(Shares::of(0, 10_000), Shares { service: 1, health: 1, admin: 1 });
    }

    #[test]
    fn the_shares_are_no_more_than_the_free_descriptors() {
        for free in 20..2000 {
            let Shares { service, health, admin } = Shares::of(free, usize::MAX);
            assert!(service + health + admin < free, "{service} + {health} + {admin} of {free}");
        }
    }
}
