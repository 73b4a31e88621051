//! Round robin over subchannels: one connection to each IP address of each host of the target.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::{
    endpoints::{Endpoints, Subchannel},
    event::EventSender,
    resolver::Resolver,
    target::Target,
};

/// The state of all connections at one time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The subchannels that accept calls, in the order of the hosts and of their addresses.
    pub(crate) ready: Vec<Subchannel>,
    /// Why there is no connection, if every address has failed since it was last connected.
    pub(crate) failure: Option<String>,
    /// Whether a server has accepted a connection and sent nothing yet.
    pub(crate) is_silent: bool,
}

/// Keeps the connections and publishes their state, until all receivers are dropped.
pub(crate) async fn balance(
    target: Target,
    resolver: Arc<Resolver>,
    snapshots: watch::Sender<Snapshot>,
) {
    let (event_sender, mut events) = mpsc::channel(16);
    let start = |(index, host)| {
        let tls = target.tls.clone();
        Endpoints::start(host, tls, &resolver, EventSender::new(index, event_sender.clone()))
    };
    let mut hosts: Vec<_> = target.address.hosts().iter().enumerate().map(start).collect();
    loop {
        let (index, event) = tokio::select! {
            () = snapshots.closed() => return,
            event = events.recv() => event.expect("this function holds a sender"),
        };
        hosts[index].apply(event);
        snapshots.send_replace(snapshot(&hosts));
    }
}

fn snapshot(hosts: &[Endpoints]) -> Snapshot {
    let failures: Option<Vec<_>> =
        hosts.iter().map(|host| Some((host.name(), host.failure()?))).collect();
    Snapshot {
        ready: hosts.iter().flat_map(Endpoints::ready).collect(),
        failure: failures.map(|failures| join(&failures)),
        is_silent: hosts.iter().any(Endpoints::is_silent),
    }
}

/// Joins why each host failed.
fn join(failures: &[(&str, String)]) -> String {
    match failures {
        // Most often all of them fail for the same reason.
        [(_, first), others @ ..] if others.iter().all(|(_, other)| other == first) => {
            first.clone()
        }
        _ => {
            let named = |(name, failure): &(&str, String)| format!("{name}: {failure}");
            failures.iter().map(named).collect::<Vec<_>>().join("; ")
        }
    }
}

#[cfg(test)]
mod tests;
