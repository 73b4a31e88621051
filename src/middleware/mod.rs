//! What every call of the service passes through, outermost first.
//!
//! Health and reflection stand beside this stack, not behind it: they have no
//! limit to wait for, and leave no line in the access log.

mod access_log;
mod in_flight;
mod panic;

use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
    limit::GlobalConcurrencyLimitLayer,
};
use tower_http::catch_panic::CatchPanicLayer;

use access_log::AccessLogLayer;
use panic::AnswerPanic;

pub use access_log::Peer;
pub use in_flight::{Counts, InFlight};

/// The layers around the service. As with every type of tower, the outermost
/// comes last.
pub type CallStack = ServiceBuilder<
    Stack<
        GlobalConcurrencyLimitLayer,
        Stack<CatchPanicLayer<AnswerPanic>, Stack<InFlight, Stack<AccessLogLayer, Identity>>>,
    >,
>;

/// The stack for one process: its clones share one limit.
pub fn stack(max_workers: usize, in_flight: InFlight) -> CallStack {
    ServiceBuilder::new()
        // Outermost, so that what it logs is what the caller got.
        .layer(AccessLogLayer)
        // Within the log, so that a call that the end of the server cut is
        // logged with the status that it got.
        .layer(in_flight)
        // Around the limit, so that a call that panics gives its worker back.
        .layer(CatchPanicLayer::custom(AnswerPanic))
        // Global: tower's plain limit would count for each connection anew.
        .layer(GlobalConcurrencyLimitLayer::new(max_workers))
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use futures_util::future::join_all;
    use http::{Request, Response};
    use tokio::time::{Instant, sleep};
    use tonic::{Code, Status, body::Body};
    use tower::{ServiceExt, service_fn};

    use super::{InFlight, stack};

    #[tokio::test(start_paused = true)]
    async fn never_more_than_max_workers_calls_are_at_work() {
        let (at_work, peak) = (&AtomicUsize::new(0), &AtomicUsize::new(0));
        let service =
            stack(5, InFlight::default()).service(service_fn(async move |_: Request<Body>| {
                let now = at_work.fetch_add(1, Ordering::Relaxed) + 1;
                peak.fetch_max(now, Ordering::Relaxed);
                sleep(Duration::from_millis(100)).await;
                at_work.fetch_sub(1, Ordering::Relaxed);
                Ok::<_, Infallible>(Response::new(Body::empty()))
            }));

        let start = Instant::now();
        join_all((0..20).map(|_| service.clone().oneshot(Request::default()))).await;
        assert_eq!(peak.load(Ordering::Relaxed), 5);
        // Four rounds of five: no worker was idle.
        assert_eq!(start.elapsed(), Duration::from_millis(400));
    }

    #[tokio::test]
    async fn a_panic_is_internal_and_gives_its_worker_back() {
        async fn panics(_: Request<Body>) -> Result<Response<Body>, Infallible> {
            panic!("a secret")
        }
        let service = stack(1, InFlight::default()).service(service_fn(panics));
        for _ in 0..3 {
            let Ok(response) = service.clone().oneshot(Request::<Body>::default()).await;
            let status = Status::from_header_map(response.headers()).expect("a status");
            assert_eq!(status.code(), Code::Internal);
            assert!(!status.message().contains("secret"), "{status}");
        }
    }
}
