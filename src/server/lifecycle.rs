//! The life of the server, in one place.

use std::sync::Arc;

use tokio::sync::watch;

/// Where in its life the server is. It only ever goes forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    /// Not yet able to take calls.
    Starting,
    /// Calls are served, and readiness says so.
    Ready,
    /// Told to end: calls are still served, and readiness says that no more
    /// should come. Load balancers need this time to hear of it.
    LameDuck,
    /// No new connection is accepted; calls in flight finish.
    Draining,
    /// Nothing is served any more.
    Stopped,
}

impl State {
    /// In the order in which they come.
    pub(super) const ALL: [Self; 5] =
        [Self::Starting, Self::Ready, Self::LameDuck, Self::Draining, Self::Stopped];

    /// As metrics name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::LameDuck => "lame_duck",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// Owns the [`State`]; everyone else watches.
#[derive(Debug, Clone)]
pub(super) struct Lifecycle(Arc<watch::Sender<State>>);

impl Lifecycle {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(State::Starting)))
    }

    /// Goes on to a later state, and tells everyone; never back.
    pub(super) fn advance(&self, to: State) {
        self.0.send_if_modified(|state| {
            let later = to > *state;
            if later {
                *state = to;
            }
            later
        });
    }

    pub(super) fn now(&self) -> State {
        *self.0.borrow()
    }

    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    /// Waits until the state is `state` or a later one.
    pub(super) async fn reached(&self, state: State) {
        let reached = self.watch().wait_for(|now| *now >= state).await.map(|_| ());
        reached.expect("this very value holds the sender");
    }
}

#[cfg(test)]
mod tests {
    use super::{Lifecycle, State};

    #[test]
    fn begins_unready() {
        assert_eq!(*Lifecycle::new().watch().borrow(), State::Starting);
    }

    #[test]
    fn never_goes_back() {
        let lifecycle = Lifecycle::new();
        let watch = lifecycle.watch();
        for (to, state) in [
            (State::Ready, State::Ready),
            (State::Draining, State::Draining),
            (State::LameDuck, State::Draining),
            (State::Stopped, State::Stopped),
            (State::Ready, State::Stopped),
        ] {
            lifecycle.advance(to);
            assert_eq!(*watch.borrow(), state);
        }
    }
}
