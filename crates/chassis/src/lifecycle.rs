//! The life cycle of the server, and whether its dependencies are ready.

use std::{sync::Arc, time::SystemTime};

use tokio::sync::watch;

/// A state of the life cycle. States only advance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// The dependencies are not ready yet: calls are refused, health is served.
    Starting,
    /// Calls are served, and readiness is SERVING.
    Ready,
    /// A shutdown has begun: calls are still served, and readiness is NOT_SERVING, so that
    /// load balancers stop sending new ones.
    LameDuck,
    /// No new connection is accepted; calls in flight finish.
    Draining,
    /// Nothing is served any more.
    Stopped,
}

impl State {
    pub(crate) const ALL: [Self; 5] =
        [Self::Starting, Self::Ready, Self::LameDuck, Self::Draining, Self::Stopped];

    /// Returns the name of the state in metrics and logs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::LameDuck => "lame_duck",
            Self::Draining => "draining",
            Self::Stopped => "stopped",
        }
    }
}

/// The state, and how many dependencies are not ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) state: State,
    /// When the state began.
    pub(crate) since: SystemTime,
    pub(crate) unready: usize,
}

impl Condition {
    /// Returns whether readiness is SERVING.
    pub(crate) fn is_ready(self) -> bool {
        self.state == State::Ready && self.unready == 0
    }
}

/// Owns the [`Condition`]; everything else watches it. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Lifecycle(Arc<watch::Sender<Condition>>);

impl Lifecycle {
    pub(crate) fn new() -> Self {
        let since = SystemTime::now();
        let starting = Condition { state: State::Starting, since, unready: 0 };
        Self(Arc::new(watch::Sender::new(starting)))
    }

    /// Advances to a later state. An earlier state changes nothing.
    pub(crate) fn advance(&self, to: State) {
        self.0.send_if_modified(|condition| {
            let later = to > condition.state;
            if later {
                condition.state = to;
                condition.since = SystemTime::now();
            }
            later
        });
    }

    pub(crate) fn now(&self) -> State {
        self.condition().state
    }

    pub(crate) fn condition(&self) -> Condition {
        *self.0.borrow()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Condition> {
        self.0.subscribe()
    }

    /// Waits until the state is `state` or a later one.
    pub(crate) async fn reached(&self, state: State) {
        self.wait_for(|condition| condition.state >= state).await;
    }

    /// Waits until every dependency is ready.
    pub(crate) async fn dependencies_ready(&self) {
        self.wait_for(|condition| condition.unready == 0).await;
    }

    async fn wait_for(&self, condition: impl FnMut(&Condition) -> bool) {
        let waited = self.watch().wait_for(condition).await.map(drop);
        waited.expect("this value holds the sender");
    }

    /// Adds a dependency, which is not ready yet.
    pub(crate) fn add_dependency(&self, name: &'static str) -> Readiness {
        self.0.send_modify(|condition| condition.unready += 1);
        let ready = std::sync::Mutex::new(false);
        Readiness(Arc::new(Dependency { name, ready, lifecycle: self.clone() }))
    }
}

/// Reports whether one dependency is ready. Clones report for the same dependency.
///
/// The service is ready only while every dependency is. Liveness does not depend on dependencies.
#[derive(Debug, Clone)]
pub struct Readiness(Arc<Dependency>);

#[derive(Debug)]
struct Dependency {
    name: &'static str,
    ready: std::sync::Mutex<bool>,
    lifecycle: Lifecycle,
}

impl Readiness {
    /// Reports that the dependency is ready.
    pub fn ready(&self) {
        if self.set(true) {
            tracing::info!(dependency = self.0.name, "a dependency is ready");
        }
    }

    /// Reports that the dependency is not ready, and why.
    pub fn not_ready(&self, reason: impl std::fmt::Display) {
        if self.set(false) {
            tracing::warn!(dependency = self.0.name, %reason, "a dependency is not ready");
        }
    }

    /// Returns whether this changed anything.
    fn set(&self, to: bool) -> bool {
        let mut ready = self.0.ready.lock().expect("nothing panics while it holds the lock");
        let changed = *ready != to;
        if changed {
            *ready = to;
            self.0.lifecycle.0.send_modify(|condition| match to {
                true => condition.unready -= 1,
                false => condition.unready += 1,
            });
        }
        changed
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_life_cycle_begins_with_starting() {
        assert_eq!(Lifecycle::new().now(), State::Starting);
    }

    #[test]
    fn the_state_never_goes_back() {
        let lifecycle = Lifecycle::new();
        for (to, state) in [
            (State::Ready, State::Ready),
            (State::Draining, State::Draining),
            (State::LameDuck, State::Draining),
            (State::Stopped, State::Stopped),
            (State::Ready, State::Stopped),
        ] {
            lifecycle.advance(to);
            assert_eq!(lifecycle.now(), state);
        }
    }

    #[test]
    fn readiness_needs_every_dependency_and_follows_each_change() {
        let lifecycle = Lifecycle::new();
        let is_ready = || lifecycle.watch().borrow().is_ready();
        let (database, queue) =
            (lifecycle.add_dependency("database"), lifecycle.add_dependency("queue"));
        lifecycle.advance(State::Ready);
        database.ready();
        database.ready();
        assert!(!is_ready());
        queue.ready();
        assert!(is_ready());
        database.not_ready("it went away");
        assert!(!is_ready());
        database.ready();
        assert!(is_ready());
    }

    #[test]
    fn an_advance_to_the_same_state_is_no_change() {
        let lifecycle = Lifecycle::new();
        let mut changes = lifecycle.watch();
        lifecycle.advance(State::Ready);
        assert!(changes.has_changed().expect("it lives"));
        let since = changes.borrow_and_update().since;
        lifecycle.advance(State::Ready);
        assert!(!changes.has_changed().expect("it lives"));
        assert_eq!(lifecycle.condition().since, since);
    }

    #[test]
    fn a_state_is_reached_by_it_and_by_later_ones() {
        let lifecycle = Lifecycle::new();
        let reached = || lifecycle.reached(State::LameDuck).now_or_never();
        lifecycle.advance(State::Ready);
        assert_eq!(reached(), None);
        lifecycle.advance(State::LameDuck);
        assert_eq!(reached(), Some(()));
        lifecycle.advance(State::Draining);
        assert_eq!(reached(), Some(()));
    }

    #[test]
    fn dependencies_are_ready_once_each_of_them_is() {
        let lifecycle = Lifecycle::new();
        let ready = || lifecycle.dependencies_ready().now_or_never();
        assert_eq!(ready(), Some(()), "there are none");
        let (database, queue) =
            (lifecycle.add_dependency("database"), lifecycle.add_dependency("queue"));
        database.ready();
        assert_eq!(ready(), None);
        queue.ready();
        assert_eq!(ready(), Some(()));
    }

    #[test]
    fn each_state_has_its_name_in_metrics_and_logs() {
        let names = ["starting", "ready", "lame_duck", "draining", "stopped"];
        assert_eq!(State::ALL.map(State::name), names);
    }
}
