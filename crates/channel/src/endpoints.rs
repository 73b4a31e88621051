//! The endpoints of one host: the sockets that it stands for, and the connections to them.

use std::{collections::BTreeMap, sync::Arc};

use http::uri::Authority;
use tokio::{sync::watch, time::Instant};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    connection,
    endpoint_load::EndpointLoad,
    event::{Change, Event, EventSender},
    host::{Host, Location, Socket},
    outlier::{Candidate, Ejection},
    reconnect::keep_connected,
    resolver::Resolver,
    sender::RequestSender,
    tls::Tls,
};

/// A connection that accepts calls.
#[derive(Debug, Clone)]
pub(crate) struct Subchannel {
    pub(crate) authority: Authority,
    pub(crate) sender: RequestSender,
    /// When the server began HTTP/2 on it.
    pub(crate) since: Instant,
    pub(crate) load: Arc<EndpointLoad>,
    pub(crate) is_ejected: bool,
}

/// The state of one address of a channel.
#[derive(Debug, Clone)]
pub struct AddressState {
    /// The IP address with its port, or the Unix socket. If a name has no address yet, the name.
    pub address: String,
    /// Whether there is a connection, or has been one.
    pub reached: bool,
    /// Why the last attempt to connect failed, unless a later one succeeded.
    pub failure: Option<String>,
}

/// One socket, and the state of the connection to it.
struct Endpoint {
    /// The connection if it accepts calls, and when it began to.
    sender: Option<(RequestSender, Instant)>,
    load: Arc<EndpointLoad>,
    ejection: Ejection,
    is_reached: bool,
    is_opened: bool,
    /// Whether a connection that had worked was lost, and none has begun since.
    is_lost: bool,
    /// Why the last attempt to connect failed, unless a later one succeeded.
    failure: Option<String>,
    _task: AbortOnDropHandle<()>,
}

/// The endpoints of one host.
pub(crate) struct Endpoints {
    host: Host,
    name: String,
    tls: Option<Tls>,
    events: EventSender,
    all: BTreeMap<Socket, Endpoint>,
    /// Why the last resolution failed.
    failure: Option<String>,
    /// Whether an endpoint is lost.
    lost: watch::Sender<bool>,
    _resolving: Option<AbortOnDropHandle<()>>,
}

impl Endpoints {
    /// Starts to resolve and to connect.
    pub(crate) fn start(
        host: &Host,
        tls: Option<Tls>,
        resolver: &Arc<Resolver>,
        events: EventSender,
    ) -> Self {
        let lost = watch::Sender::new(false);
        let mut endpoints = Self {
            host: host.clone(),
            name: host.to_string(),
            tls,
            events: events.clone(),
            all: BTreeMap::new(),
            failure: None,
            lost,
            _resolving: None,
        };
        match &host.location {
            Location::Socket(socket) => endpoints.connect_to(vec![socket.clone()]),
            Location::Name(name, _) => {
                let mut resolution = resolver.follow(name, endpoints.lost.subscribe());
                let resolving = tokio::spawn(async move {
                    loop {
                        events.resolved(resolution.next().await).await;
                    }
                });
                endpoints._resolving = Some(AbortOnDropHandle::new(resolving));
            }
        }
        endpoints
    }

    pub(crate) fn apply(&mut self, event: Event) {
        match (event, &self.host.location) {
            (Event::Resolved(Err(problem)), _) => self.failure = Some(problem),
            (Event::Resolved(Ok(addresses)), Location::Name(_, port)) => {
                self.failure = None;
                let with_port = |address: &std::net::SocketAddr| {
                    let mut address = *address;
                    address.set_port(*port);
                    Socket::Ip(address)
                };
                self.connect_to(addresses.iter().map(with_port).collect());
            }
            // A socket is not resolved.
            (Event::Resolved(Ok(_)), Location::Socket(_)) => {}
            (Event::Changed(socket, change), _) => {
                // The socket may have been removed meanwhile.
                if let Some(endpoint) = self.all.get_mut(&socket) {
                    endpoint.apply(change);
                }
            }
        }
        let is_lost = self.all.values().any(|endpoint| endpoint.is_lost);
        self.lost.send_if_modified(|lost| std::mem::replace(lost, is_lost) != is_lost);
    }

    /// Connects to these sockets, and drops the connections to all others. Calls in flight on those
    /// connections finish.
    fn connect_to(&mut self, sockets: Vec<Socket>) {
        self.all.retain(|socket, _| sockets.contains(socket));
        for socket in sockets {
            let (authority, tls) = (&self.host.authority, &self.tls);
            let events = &self.events;
            self.all
                .entry(socket)
                .or_insert_with_key(|socket| Endpoint::start(socket, authority, tls, events));
        }
    }

    /// Returns the host as people write it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns the connections that accept calls, in the order of their sockets.
    pub(crate) fn ready(&self) -> impl Iterator<Item = Subchannel> {
        self.all.values().filter_map(|endpoint| {
            let (sender, since) = endpoint.sender.clone()?;
            let (authority, load) = (self.host.authority.clone(), endpoint.load.clone());
            let is_ejected = endpoint.ejection.since.is_some();
            Some(Subchannel { authority, sender, since, load, is_ejected })
        })
    }

    /// Returns the endpoints for a sweep, and resets the counts of their calls.
    pub(crate) fn candidates(&mut self) -> impl Iterator<Item = Candidate<'_>> {
        self.all.values_mut().map(|endpoint| {
            let (succeeded, failed) = endpoint.load.take_outcomes();
            Candidate { ejection: &mut endpoint.ejection, succeeded, failed }
        })
    }

    /// Returns the state of each socket, or of the name if it has none.
    pub(crate) fn states(&self) -> Vec<AddressState> {
        let state = |(socket, endpoint): (&Socket, &Endpoint)| AddressState {
            address: socket.to_string(),
            reached: endpoint.is_reached,
            failure: endpoint.failure.clone(),
        };
        let mut states: Vec<_> = self.all.iter().map(state).collect();
        if states.is_empty() {
            let (address, failure) = (self.name.clone(), self.failure.clone());
            states.push(AddressState { address, reached: false, failure });
        }
        states
    }

    /// Returns why there is no connection, if every endpoint has failed.
    pub(crate) fn failure(&self) -> Option<String> {
        if self.all.is_empty() {
            return self.failure.clone();
        }
        let failures = self.all.values().map(|endpoint| endpoint.failure.as_deref());
        let mut failures: Vec<&str> = failures.collect::<Option<_>>()?;
        // Most often all endpoints fail for the same reason.
        failures.sort_unstable();
        failures.dedup();
        Some(failures.join("; "))
    }

    /// Returns whether a server has accepted a connection and sent nothing yet.
    pub(crate) fn is_silent(&self) -> bool {
        self.all.values().any(|endpoint| endpoint.is_opened)
    }
}

impl Endpoint {
    fn start(
        socket: &Socket,
        authority: &Authority,
        tls: &Option<Tls>,
        events: &EventSender,
    ) -> Self {
        let load = EndpointLoad::new(socket.clone());
        let (socket, authority) = (socket.clone(), authority.clone());
        let (tls, events) = (tls.clone(), events.clone());
        let connecting = keep_connected(socket.clone(), events.clone(), move || {
            let (socket, authority) = (socket.clone(), authority.clone());
            let (tls, events) = (tls.clone(), events.clone());
            async move {
                let stream = connection::open(&socket, &authority, tls.as_ref()).await?;
                events.changed(&socket, Change::Opened).await;
                connection::start(stream).await
            }
        });
        Self {
            sender: None,
            load,
            ejection: Ejection::default(),
            is_reached: false,
            is_opened: false,
            is_lost: false,
            failure: None,
            _task: AbortOnDropHandle::new(tokio::spawn(connecting)),
        }
    }

    fn apply(&mut self, change: Change) {
        self.is_opened = false;
        self.sender = None;
        match change {
            Change::Opened => self.is_opened = true,
            Change::Ready(sender) => {
                self.sender = Some((sender, Instant::now()));
                self.is_reached = true;
                self.failure = None;
                self.is_lost = false;
            }
            Change::Lost => self.is_lost = true,
            Change::Failed(problem) => self.failure = Some(problem),
        }
    }
}

#[cfg(test)]
mod tests;
