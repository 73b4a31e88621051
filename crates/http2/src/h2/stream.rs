//! One stream of a connection: a request and its response.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::{HeaderMap, Response};
use pin_project_lite::pin_project;
use tokio::time::Instant;

use crate::response::ResponseBody;

pin_project! {
    /// Sends the response of a call. Resolves when the h2 crate has all of the response, or the
    /// peer has reset the stream.
    pub(super) struct Stream<F, B> {
        respond: SendResponse<Bytes>,
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F, B> {
        Called { #[pin] call: F },
        Responding { #[pin] response: Responding<B> },
    }
}

impl<F, B> Stream<F, B> {
    /// Returns the stream that sends the response of `call`.
    pub(super) fn new(respond: SendResponse<Bytes>, call: F) -> Self {
        Self { respond, state: State::Called { call } }
    }
}

impl<F, B> Future for Stream<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: ResponseBody,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            let call = match this.state.as_mut().project() {
                StateProjection::Called { call } => call,
                StateProjection::Responding { response } => return response.poll(cx),
            };
            let Poll::Ready(Ok(response)) = call.poll(cx) else {
                return this.respond.poll_reset(cx).map(drop);
            };
            let (head, body) = response.into_parts();
            let is_end = body.is_end_stream();
            let Ok(stream) = this.respond.send_response(Response::from_parts(head, ()), is_end)
            else {
                // The peer has reset the stream, or a header is not valid in HTTP/2.
                this.respond.send_reset(Reason::INTERNAL_ERROR);
                return Poll::Ready(());
            };
            if is_end {
                return Poll::Ready(());
            }
            let is_complete = body.is_complete();
            let waiting = Bytes::new();
            let response = Responding { stream, body, is_complete, waiting, blocked_since: None };
            this.state.set(State::Responding { response });
        }
    }
}

pin_project! {
    /// A response whose headers have been sent.
    #[project = RespondingProjection]
    struct Responding<B> {
        stream: SendStream<Bytes>,
        #[pin]
        body: B,
        is_complete: bool,
        // Data that waits for the flow-control window.
        waiting: Bytes,
        // When the peer took the last byte, if the response waits until it takes more.
        blocked_since: Option<Instant>,
    }
}

impl<B: ResponseBody> Responding<B> {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if ready!(self.as_mut().poll_send_waiting(cx)) == Sent::Ended {
                return Poll::Ready(());
            }
            let mut this = self.as_mut().project();
            let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) else {
                return this.stream.poll_reset(cx).map(drop);
            };
            match frame.map(|frame| frame.map(|frame| frame.into_data())) {
                Some(Ok(Ok(data))) => {
                    *this.waiting = data;
                    continue;
                }
                Some(Ok(Err(frame))) => {
                    let Ok(trailers) = frame.into_trailers() else { continue };
                    this.send_trailers(trailers);
                }
                Some(Err(_broken)) => this.stream.send_reset(Reason::INTERNAL_ERROR),
                None => drop(this.stream.send_data(Bytes::new(), true)),
            }
            return Poll::Ready(());
        }
    }

    /// Sends the data that waits. Until all of it is passed to the connection, the call stays in
    /// flight and the body is not polled for more.
    ///
    /// A complete body is passed on as soon as there is any window, because its call has ended.
    /// Of a body that is not complete, only as much is passed on as the window has room for, so
    /// that its trailers are never behind data that the client does not read.
    fn poll_send_waiting(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Sent> {
        let mut this = self.project();
        while !this.waiting.is_empty() {
            let wanted = if *this.is_complete { 1 } else { this.waiting.len() };
            this.stream.reserve_capacity(wanted);
            if this.stream.capacity() == 0 {
                match this.stream.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(_))) => continue,
                    // The peer has reset the stream, or the connection has ended.
                    Poll::Ready(_) => return Poll::Ready(Sent::Ended),
                    Poll::Pending => {
                        let since = *this.blocked_since.get_or_insert_with(Instant::now);
                        let trailers = ready!(this.body.as_mut().poll_early_end(cx, Some(since)));
                        this.send_trailers(trailers);
                        return Poll::Ready(Sent::Ended);
                    }
                }
            }
            *this.blocked_since = None;
            let most = if *this.is_complete { usize::MAX } else { this.stream.capacity() };
            let data = this.waiting.split_to(most.min(this.waiting.len()));
            if this.stream.send_data(data, false).is_err() {
                return Poll::Ready(Sent::Ended);
            }
        }
        Poll::Ready(Sent::All)
    }
}

impl<B> RespondingProjection<'_, B> {
    fn send_trailers(&mut self, trailers: HeaderMap) {
        if self.stream.send_trailers(trailers).is_err() {
            self.stream.send_reset(Reason::INTERNAL_ERROR);
        }
    }
}

/// The result of sending the data that waits.
#[derive(PartialEq, Eq)]
enum Sent {
    /// The connection has all of it.
    All,
    /// The stream has ended.
    Ended,
}

#[cfg(test)]
mod tests {
    use std::{
        future::ready,
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering::Relaxed},
        },
        time::Duration,
    };

    use futures_util::stream::{self, Stream as Frames, StreamExt};
    use h2::client::ResponseFuture;
    use http::{HeaderName, HeaderValue, Request, header::CONNECTION};
    use http_body::{Body, Frame};
    use http_body_util::{BodyExt, StreamBody};
    use tokio::{
        io::duplex,
        task::JoinHandle,
        time::{Sleep, sleep, timeout},
    };

    use super::*;
    use wire::receive::ReceiveBody;

    const HOUR: Duration = Duration::from_secs(3600);
    const DATA: Bytes = Bytes::from_static(b"data");

    /// A body that is a stream, and ends early after an hour.
    struct Streaming<S>(StreamBody<S>, Pin<Box<Sleep>>);

    impl<S> Body for Streaming<S>
    where
        S: Frames<Item = Result<Frame<Bytes>, &'static str>> + Unpin,
    {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Pin::new(&mut self.0).poll_frame(cx)
        }
    }

    impl<S> ResponseBody for Streaming<S>
    where
        S: Frames<Item = Result<Frame<Bytes>, &'static str>> + Unpin,
    {
        fn is_complete(&self) -> bool {
            false
        }

        fn poll_early_end(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            _: Option<Instant>,
        ) -> Poll<HeaderMap> {
            let name = HeaderName::from_static("grpc-status");
            let trailers = HeaderMap::from_iter([(name, HeaderValue::from_static("14"))]);
            self.get_mut().1.as_mut().poll(cx).map(|()| trailers)
        }
    }

    fn data() -> Result<Frame<Bytes>, &'static str> {
        Ok(Frame::data(DATA))
    }

    /// Sends these frames as a response. Returns the client's side and the stream.
    async fn respond(
        head: Response<()>,
        frames: impl Frames<Item = Result<Frame<Bytes>, &'static str>> + Send + Unpin + 'static,
    ) -> (ResponseFuture, JoinHandle<()>) {
        let (near, far) = duplex(1 << 16);
        let (client, server) =
            tokio::join!(h2::client::handshake(near), h2::server::handshake(far));
        let (mut requests, connection) = client.expect("a client");
        tokio::spawn(connection);
        let mut server = server.expect("a server");
        let request = Request::post("http://test/").body(()).expect("a request");
        let (response, _) = requests.send_request(request, true).expect("it is open");
        let (_request, respond) = server.accept().await.expect("one").expect("whole");
        tokio::spawn(async move { server.accept().await.is_none() });
        let call =
            ready(Ok(head.map(|()| Streaming(StreamBody::new(frames), Box::pin(sleep(HOUR))))));
        (response, tokio::spawn(Stream::new(respond, call)))
    }

    async fn reset_with(response: ResponseFuture) -> Option<Reason> {
        let body = match response.await {
            Ok(response) => ReceiveBody(response.into_body()),
            Err(error) => return error.reason(),
        };
        body.collect().await.err().and_then(|error| error.reason())
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_without_trailers_ends() {
        let (response, _stream) = respond(Response::new(()), stream::iter([data()])).await;
        let body = ReceiveBody(response.await.expect("a response").into_body());
        let body = timeout(Duration::from_secs(1), body.collect()).await.expect("it ends");
        assert_eq!(body.expect("it is whole").to_bytes(), DATA);
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_that_fails_or_cannot_be_sent_resets_the_stream() {
        let broken = stream::iter([data(), Err("broken")]);
        let (response, _stream) = respond(Response::new(()), broken).await;
        assert_eq!(reset_with(response).await, Some(Reason::INTERNAL_ERROR));

        // This header is not valid in HTTP/2.
        let head = Response::builder().header(CONNECTION, "close").body(()).expect("a head");
        let (response, _stream) = respond(head, stream::iter([data()])).await;
        assert_eq!(reset_with(response).await, Some(Reason::INTERNAL_ERROR));
    }

    #[tokio::test(start_paused = true)]
    async fn a_response_ends_when_its_client_resets_the_stream() {
        let goes_on = stream::iter([data()]).chain(stream::pending());
        let (response, mut stream) = respond(Response::new(()), goes_on).await;
        let response = response.await.expect("a response");
        let minute = Duration::from_secs(60);
        assert!(timeout(minute, &mut stream).await.is_err(), "its client reads");
        drop(response);
        timeout(minute, stream).await.expect("it ends").expect("no panic");
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_whose_client_does_not_read_is_not_polled_for_more_and_can_end_early() {
        // The initial window of a stream has 65,535 bytes (RFC 9113, section 6.9.2).
        let produced = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&produced);
        let endless = stream::repeat_with(move || {
            counted.fetch_add(1, Relaxed);
            Ok(Frame::data(Bytes::from_static(&[0; 10_000])))
        });
        let (response, stream) = respond(Response::new(()), endless).await;
        let mut body = ReceiveBody(response.await.expect("a response").into_body());
        timeout(2 * HOUR, stream).await.expect("it ends early").expect("no panic");
        assert_eq!(produced.load(Relaxed), 7, "six are in the window, and a part of the seventh");
        let mut read = 0;
        let trailers = loop {
            let frame = body.frame().await.expect("trailers").expect("no reset");
            match frame.into_data() {
                Ok(data) => read += data.len(),
                Err(frame) => break frame.into_trailers().expect("trailers"),
            }
        };
        assert_eq!((read, trailers["grpc-status"].as_bytes()), (65_535, &b"14"[..]));
    }
}
