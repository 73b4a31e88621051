//! What tells the balancer of the changes of its hosts.

use tokio::sync::mpsc;

use crate::{host::Socket, resolver::Addresses, sender::RequestSender};

/// What happens to a host.
#[derive(Debug)]
pub(crate) enum Event {
    Resolved(Addresses),
    Changed(Socket, Change),
}

/// A change of the connection to one socket.
#[derive(Debug)]
pub(crate) enum Change {
    /// The server has accepted it, and has sent nothing yet.
    Opened,
    Ready(RequestSender),
    /// A connection that had worked was lost.
    Lost,
    /// There was no connection, or it was closed before it had worked. With a text for people.
    Failed(String),
}

/// Sends the events of one host, with its index.
#[derive(Debug, Clone)]
pub(crate) struct EventSender {
    index: usize,
    events: mpsc::Sender<(usize, Event)>,
}

impl EventSender {
    pub(crate) fn new(index: usize, events: mpsc::Sender<(usize, Event)>) -> Self {
        Self { index, events }
    }

    pub(crate) async fn resolved(&self, addresses: Addresses) {
        self.send(Event::Resolved(addresses)).await;
    }

    pub(crate) async fn changed(&self, socket: &Socket, change: Change) {
        self.send(Event::Changed(socket.clone(), change)).await;
    }

    async fn send(&self, event: Event) {
        // Fails only if the balancer has ended, and then the sending task is aborted.
        let _ = self.events.send((self.index, event)).await;
    }
}
