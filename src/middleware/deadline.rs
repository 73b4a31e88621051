//! A call has a deadline: its caller's, or else the server's.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{HeaderMap, HeaderName, Request, Response};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};
use tower::{Layer, Service};

use super::{Cause, Tracked, Whole};
use crate::config;

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Gives every call its deadline, and answers DEADLINE_EXCEEDED at it.
///
/// All that is within this layer counts: the arrival of the message, the wait
/// for a worker, the work.
#[derive(Debug, Clone)]
pub struct DeadlineLayer(config::Deadline);

impl DeadlineLayer {
    /// With these limits.
    pub fn new(limits: config::Deadline) -> Self {
        Self(limits)
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = WithDeadline<S>;

    fn layer(&self, inner: S) -> WithDeadline<S> {
        WithDeadline { inner, limits: self.0.clone() }
    }
}

/// See [`DeadlineLayer`].
#[derive(Debug, Clone)]
pub struct WithDeadline<S> {
    inner: S,
    limits: config::Deadline,
}

impl<S, B> Service<Request<Tracked<B>>> for WithDeadline<S>
where
    S: Service<Request<Tracked<B>>, Response = Response<Whole>, Error = Infallible>,
{
    type Response = Response<Whole>;
    type Error = Infallible;
    type Future = CallWithDeadline<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Tracked<B>>) -> Self::Future {
        let given = timeout_of(request.headers());
        let time = given.unwrap_or(self.limits.default.get()).min(self.limits.max.get());
        let progress = &request.body().progress;
        if let Some(given) = given {
            progress.gave_deadline(given);
        }
        let deadline = progress.start() + time;
        progress.ends_at(deadline);
        // A call that is late already never begins.
        let call = (!time.is_zero()).then(|| self.inner.call(request));
        CallWithDeadline { call, deadline, end: None }
    }
}

pin_project! {
    /// A call that ends at its deadline.
    pub struct CallWithDeadline<F> {
        #[pin]
        call: Option<F>,
        deadline: Instant,
        // Made once there is something to wait for: most calls are done before, and
        // a timer costs more than the layers do.
        end: Option<Pin<Box<Sleep>>>,
    }
}

impl<F> Future for CallWithDeadline<F>
where
    F: Future<Output = Result<Response<Whole>, Infallible>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let exceeded = || Poll::Ready(Ok(Cause::DeadlineExceeded.response()));
        let Some(call) = this.call.as_pin_mut() else { return exceeded() };
        // The time first: a call that is late does not succeed.
        if this.end.is_some() && Instant::now() >= *this.deadline {
            return exceeded();
        }
        if let Poll::Ready(answer) = call.poll(cx) {
            return Poll::Ready(answer);
        }
        let end = this.end.get_or_insert_with(|| Box::pin(sleep_until(*this.deadline)));
        ready!(end.as_mut().poll(cx));
        exceeded()
    }
}

/// The value of `grpc-timeout`, where there is a valid one.
///
/// The gRPC HTTP/2 protocol defines it as at most eight digits and a unit, and
/// says nothing of other values. They are taken as no timeout at all, as in
/// gRPC's C core: INVALID_ARGUMENT is a code that a gRPC library never generates
/// (its list of status codes says so), and the server's own deadline still holds.
fn timeout_of(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(&GRPC_TIMEOUT)?.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = str::from_utf8(digits).ok()?.parse::<u64>().ok()?;
    Some(match unit {
        b'H' => Duration::from_secs(number * 60 * 60),
        b'M' => Duration::from_secs(number * 60),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use http::HeaderValue;
    use tonic::{Code, Status};
    use tower::{ServiceBuilder, ServiceExt, service_fn};

    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_defines_them() {
        for (text, expected) in [
            ("1H", Some(Duration::from_secs(3600))),
            ("2M", Some(Duration::from_secs(120))),
            ("3S", Some(Duration::from_secs(3))),
            ("4m", Some(Duration::from_millis(4))),
            ("5u", Some(Duration::from_micros(5))),
            ("6n", Some(Duration::from_nanos(6))),
            ("0m", Some(Duration::ZERO)),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("999999999S", None),
            ("S", None),
            ("", None),
            ("5", None),
            ("5s", None),
            ("-5S", None),
            ("+5S", None),
            ("5 S", None),
            ("5.5S", None),
        ] {
            let headers = HeaderMap::from_iter([(GRPC_TIMEOUT, HeaderValue::from_static(text))]);
            assert_eq!(timeout_of(&headers), expected, "{text:?}");
        }
        let headers = HeaderMap::from_iter([(
            GRPC_TIMEOUT,
            HeaderValue::from_bytes(b"\xff\xff").expect("it is valid in HTTP"),
        )]);
        assert_eq!(timeout_of(&headers), None);
        assert_eq!(timeout_of(&HeaderMap::new()), None);
    }

    #[tokio::test]
    async fn a_call_that_is_late_already_never_begins() {
        let limits = config::load(&config::Layers::default()).expect("valid").settings.deadline;
        let service = ServiceBuilder::new().layer(DeadlineLayer::new(limits)).service(service_fn(
            async |_: Request<Tracked<()>>| -> Result<Response<Whole>, Infallible> {
                panic!("it begins")
            },
        ));
        let mut request = Request::new(Tracked::<()>::default());
        request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("0S"));
        let Ok(response) = service.oneshot(request).await;
        let status = Status::from_header_map(response.headers()).expect("a status");
        assert_eq!(status.code(), Code::DeadlineExceeded);
    }

    #[tokio::test(start_paused = true)]
    async fn the_smaller_of_the_callers_and_the_servers_deadline_holds() {
        let limits = config::load(&config::Layers::default()).expect("valid").settings.deadline;
        for (given, expected) in [
            (None, 30),
            (Some("2S"), 2),
            (Some("200S"), 200),
            (Some("1H"), 300),
            (Some("nonsense"), 30),
            (Some("0S"), 0),
        ] {
            let service = ServiceBuilder::new()
                .layer(DeadlineLayer::new(limits.clone()))
                .service(service_fn(|_: Request<Tracked<()>>| pending()));
            let mut request = Request::new(Tracked::<()>::default());
            if let Some(given) = given {
                request.headers_mut().insert("grpc-timeout", HeaderValue::from_static(given));
            }
            let start = Instant::now();
            let Ok(response) = service.oneshot(request).await;
            let status = Status::from_header_map(response.headers()).expect("a status");
            assert_eq!(status.code(), Code::DeadlineExceeded);
            // tokio's clock goes in milliseconds.
            assert_eq!(start.elapsed().as_secs(), expected, "{given:?}");
        }
    }
}
