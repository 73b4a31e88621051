//! The subchannels of a channel: one connection to each IP address of each host of the target.

use std::{future::pending, sync::Arc};

use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};
use tonic::Status;

use crate::{
    endpoints::{AddressState, Endpoints, Subchannel},
    event::EventSender,
    resolver::Resolver,
    target::Target,
};

/// The state of all connections at one time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The subchannels that accept calls, in the order of the hosts and of their addresses.
    pub(crate) ready: Vec<Subchannel>,
    /// The failures of the hosts that have failed since their last connection.
    pub(crate) causes: String,
    /// Whether all hosts have failed since their last connection.
    pub(crate) has_failed: bool,
    /// Whether a server has accepted a connection and sent nothing yet.
    pub(crate) is_silent: bool,
    pub(crate) addresses: Vec<AddressState>,
}

impl Snapshot {
    /// Returns why there is no connection, if every address has failed since it was last
    /// connected.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.has_failed.then_some(&self.causes)
    }

    /// Adds the failures of hosts to the status of a call that reached its deadline without a
    /// connection. Other hosts may still be connecting.
    pub(crate) fn with_causes(&self, status: Status) -> Status {
        if self.causes.is_empty() {
            return status;
        }
        Status::new(status.code(), format!("{}; {}", status.message(), self.causes))
    }
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
    let detection = target.outlier_detection.as_ref();
    let mut swept = Instant::now();
    loop {
        let next_sweep = async {
            match detection {
                Some(detection) => sleep_until(swept + detection.interval).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = snapshots.closed() => return,
            event = events.recv() => {
                let (index, event) = event.expect("this function holds a sender");
                hosts[index].apply(event);
            }
            () = next_sweep => {
                swept = Instant::now();
                let mut all: Vec<_> = hosts.iter_mut().flat_map(Endpoints::candidates).collect();
                if let Some(detection) = detection {
                    detection.sweep(swept, &mut all);
                }
            }
        }
        snapshots.send_replace(snapshot(&hosts));
    }
}

fn snapshot(hosts: &[Endpoints]) -> Snapshot {
    let failures = hosts.iter().filter_map(|host| Some((host.name(), host.failure()?)));
    let failures: Vec<_> = failures.collect();
    let has_failed = failures.len() == hosts.len();
    let mut ready: Vec<_> = hosts.iter().flat_map(Endpoints::ready).collect();
    // If nothing else is left, an endpoint that fails calls is better than none.
    if !ready.iter().all(|subchannel| subchannel.is_ejected) {
        ready.retain(|subchannel| !subchannel.is_ejected);
    }
    Snapshot {
        ready,
        causes: join(&failures, has_failed),
        has_failed,
        addresses: hosts.iter().flat_map(Endpoints::states).collect(),
        is_silent: hosts.iter().any(Endpoints::is_silent),
    }
}

/// Joins the failures of hosts. `are_all` says whether every host has failed.
fn join(failures: &[(&str, String)], are_all: bool) -> String {
    match failures {
        // Most often all hosts fail for the same reason.
        [(_, first), others @ ..] if are_all && others.iter().all(|(_, other)| other == first) => {
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
