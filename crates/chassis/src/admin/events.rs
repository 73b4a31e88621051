//! `/events`: the status every second, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::StatusCode;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    exchange::Exchange,
    reply::{Reply, text, uncached, with_body},
    status::Status,
};
use crate::lifecycle::{Condition, State};

const EVENT_STREAM: &str = "text/event-stream";

/// The most clients that follow at once. The status is made once a second for all of them.
const MOST: usize = 8;

/// The time between two events. If an event is much later, the page says that the server is gone.
const PERIOD: Duration = Duration::from_secs(1);

/// The limit of the clients that follow `/events`.
#[derive(Debug)]
pub(super) struct Followers {
    places: Arc<Semaphore>,
    most: usize,
}

impl Followers {
    /// Returns the limit for a listener with `connections` connections: at most half of them,
    /// because probes and scrapers need some too.
    pub(super) fn new(connections: usize) -> Self {
        let most = (connections / 2).min(MOST);
        Self { places: Arc::new(Semaphore::new(most)), most }
    }

    /// Waits until no client follows.
    pub(super) async fn ended(&self) {
        let all = self.places.acquire_many(self.most as u32).await;
        drop(all.expect("the semaphore is never closed"));
    }

    /// Responds with the status every second until the server has stopped, or with 503 if the limit
    /// is reached.
    pub(super) fn follow(&self, status: &Arc<Status>, exchange: &Arc<Exchange>) -> Reply {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            let most = self.most;
            return text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!("{most} clients follow already, which is the limit: use /status instead\n"),
            );
        };
        // From now on, no other connection displaces this one.
        exchange.goes_on();
        let mut tick = interval(PERIOD);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let condition = status.lifecycle().watch();
        let (status, exchange) = (Arc::clone(status), Arc::clone(exchange));
        let follower =
            Follower { status, exchange, condition, tick, has_ended: false, _place: place };
        let events = unfold(follower, |mut follower| async {
            let event = follower.next().await?;
            Some((Ok::<_, Infallible>(Frame::data(event)), follower))
        });
        let body = StreamBody::new(events).boxed_unsync();
        uncached(with_body(StatusCode::OK, EVENT_STREAM, body))
    }
}

struct Follower {
    status: Arc<Status>,
    exchange: Arc<Exchange>,
    condition: watch::Receiver<Condition>,
    tick: Interval,
    has_ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// Returns the next event, or `None` after the one that says that the server has stopped.
    async fn next(&mut self) -> Option<Bytes> {
        if self.has_ended {
            return None;
        }
        let status = tokio::select! {
            _ = self.tick.tick() => self.status.recent(),
            // Does not wait for the tick, because the last states of the life cycle are short.
            _ = self.condition.changed() => self.status.now(),
        };
        self.has_ended = self.condition.borrow_and_update().state == State::Stopped;
        self.exchange.goes_on();
        Some([b"data: ", &status[..], b"\n\n"].concat().into())
    }
}
