//! Drives a call: polls its future, then the body of its response.

use std::{
    borrow::Cow,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::Response;
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::response::{ResponseBody, ResponseSink};

pin_project! {
    /// A call, or an empty slot for one.
    #[project = DriverProjection]
    pub(crate) enum Driver<F, B> {
        Idle,
        Called { #[pin] call: F },
        Responding { #[pin] response: Responding<B> },
    }
}

impl<F, B> Driver<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: ResponseBody,
{
    /// Polls the call. Resolves when `sink` has all of the response.
    pub(crate) fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        sink: &mut impl ResponseSink,
    ) -> Poll<()> {
        let call = match self.as_mut().project() {
            DriverProjection::Idle => return Poll::Ready(()),
            DriverProjection::Called { call } => call,
            DriverProjection::Responding { response } => return response.poll(cx, sink),
        };
        let Ok(response) = ready!(call.poll(cx));
        let (head, body) = response.into_parts();
        let is_end = body.is_end_stream();
        if !sink.head(Response::from_parts(head, ()), is_end) || is_end {
            return Poll::Ready(());
        }
        let is_complete = body.is_complete();
        let response = Responding { body, is_complete, waiting: Bytes::new(), blocked_since: None };
        self.set(Self::Responding { response });
        match self.project() {
            DriverProjection::Responding { response } => response.poll(cx, sink),
            _ => unreachable!("it was set above"),
        }
    }
}

pin_project! {
    /// A response whose head the sink has taken.
    pub(crate) struct Responding<B> {
        #[pin]
        body: B,
        is_complete: bool,
        // Data that waits until there is room for it.
        waiting: Bytes,
        // When the peer took the last byte, if the response waits until it takes more.
        blocked_since: Option<Instant>,
    }
}

impl<B: ResponseBody> Responding<B> {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, sink: &mut impl ResponseSink) -> Poll<()> {
        let mut this = self.project();
        loop {
            while !this.waiting.is_empty() {
                let room = sink.room();
                if room == 0 {
                    let since = *this.blocked_since.get_or_insert_with(Instant::now);
                    let trailers = ready!(this.body.as_mut().poll_early_end(cx, Some(since)));
                    sink.end_early(trailers);
                    return Poll::Ready(());
                }
                // No more than there is room for, so that trailers are never behind data that the
                // peer does not read, and the call knows what its peer has got.
                *this.blocked_since = None;
                sink.data(this.waiting.split_to(room.min(this.waiting.len())));
            }
            if *this.is_complete
                && let Some(trailers) = this.body.as_mut().take_shared_trailers()
            {
                sink.end(Some(Cow::Borrowed(trailers)));
                return Poll::Ready(());
            }
            // Polled before the frames, because trailers of the body would wait behind data that
            // the peer may never read.
            if !*this.is_complete
                && let Poll::Ready(trailers) = this.body.as_mut().poll_early_end(cx, None)
            {
                sink.end_early(trailers);
                return Poll::Ready(());
            }
            match ready!(this.body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        *this.waiting = data;
                        continue;
                    }
                    Err(frame) => {
                        let Ok(trailers) = frame.into_trailers() else { continue };
                        sink.end(Some(Cow::Owned(trailers)));
                    }
                },
                Some(Err(_broken)) => sink.fail(),
                None => sink.end(None),
            }
            return Poll::Ready(());
        }
    }
}
