//! Resolution of host names. All channels of the process share it.

use std::{
    collections::HashMap,
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, LazyLock, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::lookup_host,
    sync::{Mutex as AsyncMutex, watch},
    time::{Instant, sleep_until, timeout_at},
};

use crate::{backoff::Backoff, status::innermost};

/// The interval between two resolutions of a name, which is gRPC's shortest.
const INTERVAL: Duration = Duration::from_secs(30);
/// The first interval after a connection was lost or a resolution failed. It is doubled up to
/// `INTERVAL`.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);

type Found = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// The IP addresses of a name, or a text for people.
pub(crate) type Addresses = Result<Arc<[SocketAddr]>, String>;

/// Resolves names. All channels that follow a name share its resolutions.
pub(crate) struct Resolver {
    lookup: Box<dyn Fn(String) -> Found + Send + Sync>,
    names: Mutex<HashMap<String, Arc<Name>>>,
}

/// A name. It is locked while one task resolves it, so that all others wait for the result. If that
/// task is dropped, such as by the shutdown of its runtime, the next waiting task resolves the
/// name.
type Name = AsyncMutex<State>;

struct State {
    answer: Option<Answer>,
    backoff: Backoff,
}

#[derive(Clone)]
struct Answer {
    /// Differs between all answers for the name.
    number: u64,
    addresses: Addresses,
    at: Instant,
    /// When the name is resolved again after a lost connection or a failure.
    early: Instant,
}

impl Answer {
    fn next_resolution(&self) -> Instant {
        if self.addresses.is_ok() { self.at + INTERVAL } else { self.early }
    }
}

impl Resolver {
    pub(crate) fn new(lookup: impl Fn(String) -> Found + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { lookup: Box::new(lookup), names: Mutex::default() })
    }

    /// Returns the resolver of the process, which asks the system.
    pub(crate) fn of_process() -> Arc<Self> {
        static SHARED: LazyLock<Arc<Resolver>> = LazyLock::new(|| {
            Resolver::new(|name| {
                Box::pin(async move { Ok(lookup_host((name, 0)).await?.collect()) })
            })
        });
        Arc::clone(&SHARED)
    }

    /// Follows the IP addresses of a name. `lost` says whether a connection to the name that had
    /// worked is lost: the server that replaces it may have another IP address.
    pub(crate) fn follow(self: &Arc<Self>, name: &str, lost: watch::Receiver<bool>) -> Resolution {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        // Recent answers are kept, so that a process that makes a channel for each call does not
        // resolve the name for each call.
        names.retain(|_, name| {
            let is_recent = |answer: &Answer| Instant::now() < answer.next_resolution();
            Arc::strong_count(name) > 1
                || name.try_lock().is_ok_and(|state| state.answer.as_ref().is_some_and(is_recent))
        });
        let shared = names.entry(name.to_owned()).or_insert_with(|| {
            let backoff = Backoff::new(FIRST_INTERVAL, INTERVAL);
            Arc::new(Name::new(State { answer: None, backoff }))
        });
        Resolution {
            resolver: Arc::clone(self),
            name: name.to_owned(),
            shared: Arc::clone(shared),
            lost,
            last: None,
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

/// The results of resolving a name.
pub(crate) struct Resolution {
    resolver: Arc<Resolver>,
    name: String,
    shared: Arc<Name>,
    lost: watch::Receiver<bool>,
    last: Option<Answer>,
}

impl Resolution {
    /// Returns the IP addresses. Each call after the first waits until they are resolved again:
    /// after 30 s, or sooner with backoff while a connection is lost or if the resolution failed.
    pub(crate) async fn next(&mut self) -> Addresses {
        if let Some(last) = &self.last {
            let early = async {
                if last.addresses.is_ok() {
                    // Fails only if no channel needs the addresses any more.
                    let _ = self.lost.wait_for(|lost| *lost).await;
                }
                sleep_until(last.early).await;
            };
            let _ = timeout_at(last.at + INTERVAL, early).await;
        }
        let answer = self.resolve().await;
        self.last.insert(answer).addresses.clone()
    }

    /// Returns an answer that is newer than the last one. The first may be a recent answer that
    /// another channel got.
    async fn resolve(&self) -> Answer {
        let mut state = self.shared.lock().await;
        if let Some(answer) = &state.answer {
            let is_new = match &self.last {
                Some(last) => last.number != answer.number,
                None => Instant::now() < answer.next_resolution(),
            };
            if is_new {
                return answer.clone();
            }
        }
        let addresses = match (self.resolver.lookup)(self.name.clone()).await {
            Ok(found) if found.is_empty() => Err("the name has no address".to_owned()),
            Ok(found) => Ok(found.into()),
            Err(error) => Err(innermost(&error)),
        };
        if addresses.is_ok() && !*self.lost.borrow() {
            state.backoff.reset();
        }
        let at = Instant::now();
        let answer = Answer {
            number: state.answer.as_ref().map_or(0, |last| last.number + 1),
            addresses,
            at,
            early: at + state.backoff.next().min(INTERVAL),
        };
        state.answer.insert(answer).clone()
    }
}

#[cfg(test)]
mod tests;
