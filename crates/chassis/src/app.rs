//! The parts of the running program that a service can use.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use wire::trace::Tracing;

use crate::{
    config::Settings,
    lifecycle::{Lifecycle, Readiness, State},
    package::Package,
    telemetry::Telemetry,
};

/// The running program, as the closures of a [`Service`](crate::Service) see it: the settings `S`,
/// and the dependencies `D` that the service's own start has returned. Clones are cheap.
#[derive(Debug)]
pub struct App<S, D = ()> {
    inner: Arc<Inner<S>>,
    dependencies: Arc<D>,
}

impl<S, D> Clone for App<S, D> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), dependencies: Arc::clone(&self.dependencies) }
    }
}

#[derive(Debug)]
pub(crate) struct Inner<S> {
    pub(crate) package: Package,
    pub(crate) settings: S,
    pub(crate) chassis: Arc<Settings>,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) telemetry: Telemetry,
    pub(crate) calls: Handle,
    pub(crate) tasks: TaskTracker,
}

impl<S> App<S, ()> {
    pub(crate) fn new(inner: Inner<S>) -> Self {
        Self { inner: Arc::new(inner), dependencies: Arc::new(()) }
    }

    pub(crate) fn with<D>(self, dependencies: D) -> App<S, D> {
        App { inner: self.inner, dependencies: Arc::new(dependencies) }
    }
}

impl<S, D> App<S, D> {
    /// Returns the service's own settings.
    pub fn settings(&self) -> &S {
        &self.inner.settings
    }

    /// Returns the settings of the chassis.
    pub fn chassis_settings(&self) -> &Settings {
        &self.inner.chassis
    }

    /// Returns the dependencies that [`Service::start`](crate::Service::start) has returned.
    pub fn dependencies(&self) -> &D {
        &self.dependencies
    }

    /// Returns the names that follow from the package.
    pub fn package(&self) -> Package {
        self.inner.package
    }

    /// Returns the tracing of the program, for the channels of outgoing calls, or `None` if it
    /// is off.
    pub fn tracing(&self) -> Option<Tracing> {
        self.inner.telemetry.tracing().cloned()
    }

    /// Adds a dependency that the readiness of the service waits for. The dependency is not ready
    /// until [`Readiness::ready`] is called.
    pub fn readiness(&self, name: &'static str) -> Readiness {
        self.inner.lifecycle.add_dependency(name)
    }

    /// Runs a background task. The drain waits for it until `shutdown.drain` has passed, so it
    /// should end when [`App::draining`] resolves. A panic is logged and counted, and ends only
    /// the task.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let task = async move {
            // Unwind safe, because the task is dropped after a panic.
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a background task panicked");
            }
        };
        self.inner.tasks.spawn_on(task, &self.inner.calls);
    }

    /// Resolves when the server begins to drain.
    pub async fn draining(&self) {
        self.inner.lifecycle.reached(State::Draining).await;
    }
}
