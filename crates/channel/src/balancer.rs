//! Round robin over subchannels: one connection to each IP address of the target, opened
//! again when it is lost.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use http::uri::Authority;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    address::Address, backoff::Backoff, connection, sender::RequestSender, status::innermost,
    target::Target, tls::Tls,
};

/// The time limit for a connection, with TLS and the first bytes of the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// The shortest delay between two attempts to connect to an address.
pub const MIN_RECONNECT_BACKOFF: Duration = Duration::from_millis(50);
/// The longest delay between two attempts to connect to an address.
pub(crate) const MAX_RECONNECT_BACKOFF: Duration = Duration::from_secs(1);
/// How often names are resolved while all connections work.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);
/// The shortest delay between two resolutions.
const MIN_RESOLVE_INTERVAL: Duration = Duration::from_secs(1);

/// The state of all connections at one time.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    /// The subchannels that accept calls, in the order of their addresses.
    pub(crate) ready: Vec<Subchannel>,
    /// Why there is no connection, if every address has failed since it was last connected.
    pub(crate) failure: Option<String>,
    /// Whether a server has accepted a connection and sent nothing yet.
    pub(crate) is_silent: bool,
}

/// A connection that accepts calls.
#[derive(Debug, Clone)]
pub(crate) struct Subchannel {
    pub(crate) authority: Authority,
    pub(crate) sender: RequestSender,
}

enum Event {
    Resolved(Result<BTreeMap<SocketAddr, Authority>, String>),
    Changed(SocketAddr, Change),
}

/// A change of the connection to one address.
enum Change {
    /// The server has accepted it, and has sent nothing yet.
    Opened,
    Ready(RequestSender),
    Lost,
    Failed(String),
}

/// One IP address, and the state of the connection to it.
struct Endpoint {
    authority: Authority,
    sender: Option<RequestSender>,
    is_opened: bool,
    /// Why the last attempt to connect failed, unless a later one succeeded.
    failure: Option<String>,
    _task: AbortOnDropHandle<()>,
}

/// Keeps the connections and publishes their state, until all receivers are dropped.
pub(crate) async fn balance(target: Target, snapshots: watch::Sender<Snapshot>) {
    let (event_sender, mut events) = mpsc::channel(16);
    let (lost, losses) = watch::channel(());
    let resolving = resolve(target.address, losses, event_sender.clone());
    let _resolving = AbortOnDropHandle::new(tokio::spawn(resolving));
    let mut endpoints: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
    let mut resolve_failure = None;
    loop {
        let event = tokio::select! {
            () = snapshots.closed() => return,
            event = events.recv() => event.expect("this function holds a sender"),
        };
        match event {
            Event::Resolved(Err(problem)) => resolve_failure = Some(problem),
            Event::Resolved(Ok(addresses)) => {
                resolve_failure = None;
                // Calls in flight to a removed address finish.
                endpoints.retain(|address, _| addresses.contains_key(address));
                for (address, authority) in addresses {
                    endpoints.entry(address).or_insert_with(|| {
                        let connecting = keep_connected(
                            address,
                            authority.clone(),
                            target.tls.clone(),
                            event_sender.clone(),
                        );
                        Endpoint {
                            authority,
                            sender: None,
                            is_opened: false,
                            failure: None,
                            _task: AbortOnDropHandle::new(tokio::spawn(connecting)),
                        }
                    });
                }
            }
            Event::Changed(address, change) => {
                // The address may have been removed meanwhile.
                let Some(endpoint) = endpoints.get_mut(&address) else { continue };
                if matches!(change, Change::Lost | Change::Failed(_)) {
                    lost.send_replace(());
                }
                endpoint.apply(change);
            }
        }
        snapshots.send_replace(snapshot(&endpoints, resolve_failure.as_ref()));
    }
}

impl Endpoint {
    fn apply(&mut self, change: Change) {
        self.is_opened = false;
        self.sender = None;
        match change {
            Change::Opened => self.is_opened = true,
            Change::Ready(sender) => {
                self.sender = Some(sender);
                self.failure = None;
            }
            Change::Lost => {}
            Change::Failed(problem) => self.failure = Some(problem),
        }
    }
}

fn snapshot(
    endpoints: &BTreeMap<SocketAddr, Endpoint>,
    resolve_failure: Option<&String>,
) -> Snapshot {
    let ready = |endpoint: &Endpoint| {
        let sender = endpoint.sender.clone()?;
        Some(Subchannel { authority: endpoint.authority.clone(), sender })
    };
    let failures: Option<Vec<&str>> =
        endpoints.values().map(|endpoint| endpoint.failure.as_deref()).collect();
    let failure = match failures {
        Some(failures) if failures.is_empty() => resolve_failure.cloned(),
        // Most often all addresses fail for the same reason.
        Some(mut failures) => {
            failures.sort_unstable();
            failures.dedup();
            Some(failures.join("; "))
        }
        None => None,
    };
    Snapshot {
        ready: endpoints.values().filter_map(ready).collect(),
        failure,
        is_silent: endpoints.values().any(|endpoint| endpoint.is_opened),
    }
}

/// Resolves the address now, at intervals, and soon after a connection is lost, because its
/// replacement may have another IP address.
async fn resolve(address: Address, mut losses: watch::Receiver<()>, events: mpsc::Sender<Event>) {
    loop {
        losses.mark_unchanged();
        let found = address.resolve().await.map_err(|error| innermost(&error));
        let resolved = found.is_ok();
        // Fails only if the balancer has ended, and then this task is aborted.
        let _ = events.send(Event::Resolved(found)).await;
        if address.is_literal() {
            return;
        }
        sleep(MIN_RESOLVE_INTERVAL).await;
        if resolved {
            let _ = timeout(RESOLVE_INTERVAL - MIN_RESOLVE_INTERVAL, losses.changed()).await;
        }
    }
}

/// Keeps a connection to one address, and opens it again with backoff when it is lost.
async fn keep_connected(
    address: SocketAddr,
    authority: Authority,
    tls: Option<Tls>,
    events: mpsc::Sender<Event>,
) {
    let report = async |change| {
        let _ = events.send(Event::Changed(address, change)).await;
    };
    let mut backoff = Backoff::new(MIN_RECONNECT_BACKOFF, MAX_RECONNECT_BACKOFF);
    loop {
        let start = Instant::now();
        let connecting = async {
            let stream = connection::open(address, &authority, tls.as_ref()).await?;
            report(Change::Opened).await;
            connection::start(stream).await
        };
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(sender)) => {
                backoff.reset();
                report(Change::Ready(sender.clone())).await;
                sender.closed().await;
                report(Change::Lost).await;
            }
            Ok(Err(problem)) => report(Change::Failed(problem)).await,
            Err(_elapsed) => report(Change::Failed("no response".to_owned())).await,
        }
        sleep_until(start + backoff.next()).await;
    }
}
