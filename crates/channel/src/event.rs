//! Events that tell the balancer how its hosts change.

use tokio::sync::mpsc;

use crate::{host::Socket, resolver::Addresses, sender::RequestSender};

/// A change of a host: of its IP addresses, or of the connection to one of them.
#[derive(Debug)]
pub(crate) enum Event {
    Resolved(Addresses),
    Changed(Socket, Change),
}

/// A change of the connection to one socket.
#[derive(Debug)]
pub(crate) enum Change {
    /// The server has accepted the connection, and has sent nothing yet.
    Opened,
    Ready(RequestSender),
    /// A connection that had worked was lost.
    Lost,
    /// The connection could not be opened, or was closed before it had worked. With a text for
    /// people.
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
