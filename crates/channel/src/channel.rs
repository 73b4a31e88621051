//! The channel: calls over the connections to its servers.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderValue, Request, Response, uri::Scheme};
use tokio::{sync::watch, time::timeout};
use tonic::{Status, body::Body};
use tower::Service;
use wire::trace::Tracing;

use crate::{
    address::Address,
    balancer::{Snapshot, balance},
    deadline::{Deadline, timeout_exceeded},
    endpoints::{AddressState, Subchannel},
    failure::Failure,
    limits::{DEFAULT_MAX_MESSAGE, LARGEST_MESSAGE},
    pick::Picker,
    resolver::Resolver,
    response::ResponseBody,
    retry::MAX_ATTEMPTS,
    settings::Settings,
    target::Target,
    throttle::Throttle,
    tls_config::TlsError,
};

/// Sends calls to the servers of a [`Target`]. Clones share the connections.
///
/// It is a service for tonic's generated clients, for methods of all four kinds. Calls are
/// balanced over all IP addresses, as [`Balance`](crate::Balance) says. A call ends at its
/// deadline, which follows from the target's timeout or from a shorter `grpc-timeout` of the
/// request. For streams that last longer, use [`without_deadline`](Self::without_deadline).
///
/// - A request that is complete at once, as of a unary or server streaming method, is
///   retried as gRFC A6 defines. The response then has `grpc-previous-rpc-attempts`.
/// - A request that is a stream is sent while it is produced, as fast as the server reads it.
///   It is sent at most once. The stream is dropped when the call ends.
///
/// If the extensions of a request contain a [`ParentCall`](wire::parent::ParentCall), the
/// call ends at the parent's deadline at the latest, and passes on its trace and its
/// `x-request-id`.
#[derive(Debug, Clone)]
pub struct Channel {
    snapshot: watch::Receiver<Snapshot>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_message: usize,
    wait_for_ready: bool,
}

/// The state that the clones of a channel share.
#[derive(Debug)]
pub(crate) struct Shared {
    address: Address,
    pub(crate) scheme: Scheme,
    pub(crate) throttle: Throttle,
    pub(crate) max_attempts: u32,
    pub(crate) user_agent: HeaderValue,
    pub(crate) tracing: Option<Tracing>,
    picker: Picker,
}

impl Channel {
    /// Returns a channel, and starts to connect in the background.
    ///
    /// # Panics
    ///
    /// Panics if it is called outside of a tokio runtime.
    pub fn new(target: &Target) -> Self {
        let (sender, snapshot) = watch::channel(Snapshot::default());
        let scheme = if target.tls.is_some() { Scheme::HTTPS } else { Scheme::HTTP };
        let shared = Shared {
            address: target.address.clone(),
            scheme,
            throttle: Throttle::new(),
            max_attempts: target.max_attempts,
            user_agent: target.user_agent.clone(),
            tracing: target.tracing.clone(),
            picker: Picker::new(target.balance),
        };
        tokio::spawn(balance(target.clone(), Resolver::of_process(), sender));
        Self {
            snapshot,
            shared: Arc::new(shared),
            timeout: Some(target.timeout),
            max_message: DEFAULT_MAX_MESSAGE,
            wait_for_ready: target.wait_for_ready,
        }
    }

    /// Returns the channel that a service's settings describe, and starts to connect in the
    /// background.
    ///
    /// # Errors
    ///
    /// Returns an error if the TLS settings are incomplete, or if a file cannot be read.
    ///
    /// # Panics
    ///
    /// Panics if it is called outside of a tokio runtime.
    pub fn from_settings(
        settings: &Settings,
        user_agent: HeaderValue,
        tracing: Option<Tracing>,
    ) -> Result<Self, TlsError> {
        Ok(Self::new(&Target {
            address: settings.address.clone(),
            tls: settings.tls()?,
            timeout: settings.timeout,
            wait_for_ready: false,
            max_attempts: MAX_ATTEMPTS,
            balance: settings.balance,
            outlier_detection: settings.outlier_detection.clone(),
            user_agent,
            tracing,
        }))
    }

    /// Returns a channel with the same connections, whose calls wait for a connection and have no
    /// timeout of the channel's own. It is for long streams.
    #[must_use]
    pub fn without_deadline(&self) -> Self {
        Self { wait_for_ready: true, ..self.with_timeout(None) }
    }

    /// Returns a channel with the same connections, whose calls have this timeout, or none if it is
    /// `None`.
    #[must_use]
    pub fn with_timeout(&self, timeout: Option<Duration>) -> Self {
        Self { timeout, ..self.clone() }
    }

    /// Returns a channel with the same connections, whose responses may have messages of this many
    /// bytes; a larger one ends its call with RESOURCE_EXHAUSTED. The default is
    /// [`DEFAULT_MAX_MESSAGE`]. tonic's clients have a limit of their own
    /// (`max_decoding_message_size`).
    #[must_use]
    pub fn with_max_message(&self, max_message: usize) -> Self {
        Self { max_message: max_message.min(LARGEST_MESSAGE), ..self.clone() }
    }

    /// Waits for the first connection, until the timeout.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no connection until the timeout, or, without
    /// `wait_for_ready`, as soon as every address has failed.
    pub async fn connected(&self) -> Result<(), Failure> {
        let mut snapshot = self.snapshot.clone();
        let wait = snapshot.wait_for(|snapshot| {
            !snapshot.ready.is_empty() || (!self.wait_for_ready && snapshot.has_failed)
        });
        let _ = timeout(self.timeout.unwrap_or(Duration::MAX), wait).await;
        let snapshot = self.snapshot.borrow();
        if !snapshot.ready.is_empty() {
            return Ok(());
        }
        let exceeded = || snapshot.with_causes(timeout_exceeded(self.timeout.unwrap_or_default()));
        let cause = match snapshot.failure() {
            Some(cause) => cause.to_owned(),
            None if snapshot.is_silent => return Err(Failure::Call(exceeded())),
            None => exceeded().message().to_owned(),
        };
        Err(Failure::Connect { address: self.shared.address.clone(), cause })
    }

    /// Returns the status of a call that has reached its deadline without a connection.
    pub(crate) fn exceeded(&self, deadline: Deadline) -> Status {
        self.snapshot.borrow().with_causes(deadline.exceeded())
    }

    /// Returns the addresses of the servers, and which of them have been reached.
    pub fn addresses(&self) -> Vec<AddressState> {
        self.snapshot.borrow().addresses.clone()
    }

    /// Returns whether there is a connection that accepts calls.
    pub fn is_connected(&self) -> bool {
        self.snapshot.borrow().ready.iter().any(|ready| !ready.sender.is_closed())
    }

    /// Waits for a connection, and returns the one for the next attempt.
    ///
    /// # Errors
    ///
    /// Returns UNAVAILABLE if every address has failed, unless calls wait for a connection.
    pub(crate) async fn next_subchannel(&self) -> Result<Subchannel, Status> {
        if let Some(subchannel) = self.try_next(&self.snapshot.borrow()) {
            return subchannel;
        }
        let mut snapshot = self.snapshot.clone();
        loop {
            if let Some(subchannel) = self.try_next(&snapshot.borrow_and_update()) {
                return subchannel;
            }
            let changed = snapshot.changed().await;
            changed.map_err(|_closed| Status::cancelled("the runtime has shut down"))?;
        }
    }

    fn try_next(&self, snapshot: &Snapshot) -> Option<Result<Subchannel, Status>> {
        if let Some(subchannel) = self.shared.picker.pick(&snapshot.ready) {
            return Some(Ok(subchannel.clone()));
        }
        let failure = snapshot.failure().filter(|_| !self.wait_for_ready)?;
        let address = &self.shared.address;
        Some(Err(Status::unavailable(format!("cannot connect to {address}: {failure}"))))
    }
}

impl Service<Request<Body>> for Channel {
    type Response = Response<ResponseBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Status>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
