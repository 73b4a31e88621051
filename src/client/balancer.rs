//! Which connections there are: one to each address that the names stand for,
//! made again where it is lost.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use http::uri::Authority;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    Target, address::Address, backoff::Backoff, connection, innermost, sender::Sender, tls::Tls,
};

/// How long a connection may take, with TLS and the server's first word.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// The first and the longest time from one attempt to connect to the next.
pub(super) const FIRST_BACKOFF: Duration = Duration::from_millis(50);
pub(super) const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// How often names are resolved while nothing is wrong.
const RESOLVE_EVERY: Duration = Duration::from_secs(30);
/// How often at most.
const RESOLVE_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The connections as they are.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Those that calls can be sent on, in the order of their addresses.
    pub(super) ready: Vec<Ready>,
    /// Why there is none: every address has failed, and none has been reached since.
    pub(super) failure: Option<String>,
    /// Whether there is a server that accepts connections and says nothing.
    pub(super) silent: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Ready {
    pub(super) authority: Authority,
    pub(super) sender: Sender,
}

/// What the tasks tell.
enum Event {
    Resolved(Result<BTreeMap<SocketAddr, Authority>, String>),
    Endpoint(SocketAddr, Change),
}

enum Change {
    /// It accepts the connection, and has said nothing yet.
    Opened,
    Ready(Sender),
    Lost,
    Failed(String),
}

/// One address.
struct Endpoint {
    authority: Authority,
    sender: Option<Sender>,
    opened: bool,
    /// Why it failed last, unless it has been reached since.
    failure: Option<String>,
    _task: AbortOnDropHandle<()>,
}

/// Keeps `state` true for as long as somebody looks at it.
pub(super) async fn balance(target: Target, state: watch::Sender<State>) {
    let (events, mut told) = mpsc::channel(16);
    let (lost, losses) = watch::channel(());
    let resolving = resolve(target.address, losses, events.clone());
    let _resolving = AbortOnDropHandle::new(tokio::spawn(resolving));
    let mut endpoints: BTreeMap<SocketAddr, Endpoint> = BTreeMap::new();
    let mut unresolved = None;
    loop {
        let event = tokio::select! {
            () = state.closed() => return,
            event = told.recv() => event.expect("this function has a sender too"),
        };
        match event {
            Event::Resolved(Err(problem)) => unresolved = Some(problem),
            Event::Resolved(Ok(addresses)) => {
                unresolved = None;
                // Its calls in flight finish all the same.
                endpoints.retain(|address, _| addresses.contains_key(address));
                for (address, authority) in addresses {
                    endpoints.entry(address).or_insert_with(|| {
                        let (authority_, tls) = (authority.clone(), target.tls.clone());
                        let task = maintain(address, authority_, tls, events.clone());
                        let _task = AbortOnDropHandle::new(tokio::spawn(task));
                        Endpoint { authority, sender: None, opened: false, failure: None, _task }
                    });
                }
            }
            Event::Endpoint(address, change) => {
                let Some(endpoint) = endpoints.get_mut(&address) else { continue };
                if matches!(change, Change::Lost | Change::Failed(_)) {
                    lost.send_replace(());
                }
                endpoint.apply(change);
            }
        }
        state.send_replace(picture(&endpoints, unresolved.as_ref()));
    }
}

impl Endpoint {
    fn apply(&mut self, change: Change) {
        self.opened = false;
        self.sender = None;
        match change {
            Change::Opened => self.opened = true,
            Change::Ready(sender) => {
                self.sender = Some(sender);
                self.failure = None;
            }
            Change::Lost => {}
            Change::Failed(problem) => self.failure = Some(problem),
        }
    }
}

fn picture(endpoints: &BTreeMap<SocketAddr, Endpoint>, unresolved: Option<&String>) -> State {
    let ready = |endpoint: &Endpoint| {
        let sender = endpoint.sender.clone()?;
        Some(Ready { authority: endpoint.authority.clone(), sender })
    };
    let failures: Option<Vec<&str>> =
        endpoints.values().map(|endpoint| endpoint.failure.as_deref()).collect();
    let failure = match failures {
        Some(failures) if failures.is_empty() => unresolved.cloned(),
        // Most often all of them say the same.
        Some(mut failures) => {
            failures.sort_unstable();
            failures.dedup();
            Some(failures.join("; "))
        }
        None => None,
    };
    State {
        ready: endpoints.values().filter_map(ready).collect(),
        failure,
        silent: endpoints.values().any(|endpoint| endpoint.opened),
    }
}

/// Resolves now, every so often, and soon after a connection is lost: whoever
/// took its place may have another address.
async fn resolve(address: Address, mut losses: watch::Receiver<()>, events: mpsc::Sender<Event>) {
    loop {
        losses.mark_unchanged();
        let found = address.resolve().await.map_err(|error| innermost(&error));
        let resolved = found.is_ok();
        // Where nobody is told any more, this task is at its end too.
        let _ = events.send(Event::Resolved(found)).await;
        if address.is_literal() {
            return;
        }
        sleep(RESOLVE_AT_MOST_EVERY).await;
        if resolved {
            let _ = timeout(RESOLVE_EVERY - RESOLVE_AT_MOST_EVERY, losses.changed()).await;
        }
    }
}

/// Connects to one address, again and again.
async fn maintain(
    address: SocketAddr,
    authority: Authority,
    tls: Option<Tls>,
    events: mpsc::Sender<Event>,
) {
    let tell = async |change| {
        let _ = events.send(Event::Endpoint(address, change)).await;
    };
    let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
    loop {
        let begun = Instant::now();
        let connecting = async {
            let stream = connection::open(address, &authority, tls.as_ref()).await?;
            tell(Change::Opened).await;
            connection::begin(stream).await
        };
        match timeout(CONNECT_TIMEOUT, connecting).await {
            Ok(Ok(sender)) => {
                backoff.reset();
                tell(Change::Ready(sender.clone())).await;
                sender.closed().await;
                tell(Change::Lost).await;
            }
            Ok(Err(problem)) => tell(Change::Failed(problem)).await,
            Err(_late) => tell(Change::Failed("no answer".to_owned())).await,
        }
        sleep_until(begun + backoff.next()).await;
    }
}
