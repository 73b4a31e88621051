//! One stream of a connection: a request, and all of its answer.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream, server::SendResponse};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

pin_project! {
    /// Ends once HTTP/2 has the whole answer, or nobody waits for it any more.
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
        Answering { #[pin] answer: Answering<B> },
    }
}

impl<F, B> Stream<F, B> {
    /// Answers with what the call comes to.
    pub(super) fn new(respond: SendResponse<Bytes>, call: F) -> Self {
        Self { respond, state: State::Called { call } }
    }
}

impl<F, B> Future for Stream<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>>,
    B: Body<Data = Bytes>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        loop {
            let call = match this.state.as_mut().project() {
                StateProjection::Called { call } => call,
                StateProjection::Answering { answer } => return answer.poll(cx),
            };
            let Poll::Ready(Ok(response)) = call.poll(cx) else {
                return this.respond.poll_reset(cx).map(drop);
            };
            let (head, body) = response.into_parts();
            let is_end = body.is_end_stream();
            let Ok(stream) = this.respond.send_response(Response::from_parts(head, ()), is_end)
            else {
                // The peer has reset it, or a header is none of HTTP/2.
                this.respond.send_reset(Reason::INTERNAL_ERROR);
                return Poll::Ready(());
            };
            if is_end {
                return Poll::Ready(());
            }
            let answer = Answering { stream, body, waiting: None };
            this.state.set(State::Answering { answer });
        }
    }
}

pin_project! {
    /// An answer whose head is sent.
    struct Answering<B> {
        stream: SendStream<Bytes>,
        #[pin]
        body: B,
        waiting: Option<Bytes>,
    }
}

impl<B: Body<Data = Bytes>> Answering<B> {
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let stream = this.stream;
        loop {
            while this.waiting.is_some() && stream.capacity() == 0 {
                let Some(Ok(_)) = ready!(stream.poll_capacity(cx)) else {
                    return Poll::Ready(());
                };
            }
            if let Some(data) = this.waiting.take()
                && stream.send_data(data, false).is_err()
            {
                return Poll::Ready(());
            }
            let Poll::Ready(frame) = this.body.as_mut().poll_frame(cx) else {
                return stream.poll_reset(cx).map(drop);
            };
            match frame.map(|frame| frame.map(|frame| frame.into_data())) {
                Some(Ok(Ok(data))) => {
                    // Until some of it can go out, the call is in flight.
                    stream.reserve_capacity(1);
                    *this.waiting = Some(data);
                    continue;
                }
                Some(Ok(Err(frame))) => {
                    let Ok(trailers) = frame.into_trailers() else { continue };
                    if stream.send_trailers(trailers).is_err() {
                        stream.send_reset(Reason::INTERNAL_ERROR);
                    }
                }
                Some(Err(_broken)) => stream.send_reset(Reason::INTERNAL_ERROR),
                None => drop(stream.send_data(Bytes::new(), true)),
            }
            return Poll::Ready(());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::ready, time::Duration};

    use futures_util::stream::{self, Stream as Frames, StreamExt};
    use h2::client::ResponseFuture;
    use http::{Request, header::CONNECTION};
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};
    use tokio::{io::duplex, task::JoinHandle, time::timeout};

    use super::*;
    use crate::incoming::Incoming;

    const DATA: Bytes = Bytes::from_static(b"data");

    fn data() -> Result<Frame<Bytes>, &'static str> {
        Ok(Frame::data(DATA))
    }

    /// A call that is answered with these frames: what its caller has, and the stream.
    async fn answered(
        head: Response<()>,
        frames: impl Frames<Item = Result<Frame<Bytes>, &'static str>> + Send + 'static,
    ) -> (ResponseFuture, JoinHandle<()>) {
        let (near, far) = duplex(1 << 16);
        let (client, server) =
            tokio::join!(h2::client::handshake(near), h2::server::handshake(far));
        let (mut requests, connection) = client.expect("a client");
        tokio::spawn(connection);
        let mut server = server.expect("a server");
        let request = Request::post("http://test/").body(()).expect("a request");
        let (answer, _) = requests.send_request(request, true).expect("it is open");
        let (_request, respond) = server.accept().await.expect("one").expect("whole");
        tokio::spawn(async move { server.accept().await.is_none() });
        let call = ready(Ok(head.map(|()| StreamBody::new(frames))));
        (answer, tokio::spawn(Stream::new(respond, call)))
    }

    async fn reset_with(answer: ResponseFuture) -> Option<Reason> {
        let body = match answer.await {
            Ok(answer) => Incoming(answer.into_body()),
            Err(error) => return error.reason(),
        };
        body.collect().await.err().and_then(|error| error.reason())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_trailers_ends() {
        let (answer, _stream) = answered(Response::new(()), stream::iter([data()])).await;
        let body = Incoming(answer.await.expect("an answer").into_body());
        let body = timeout(Duration::from_secs(1), body.collect()).await.expect("it ends");
        assert_eq!(body.expect("it is whole").to_bytes(), DATA);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_breaks_or_cannot_be_sent_is_an_error() {
        let broken = stream::iter([data(), Err("broken")]);
        let (answer, _stream) = answered(Response::new(()), broken).await;
        assert_eq!(reset_with(answer).await, Some(Reason::INTERNAL_ERROR));

        // HTTP/2 has no such header.
        let head = Response::builder().header(CONNECTION, "close").body(()).expect("a head");
        let (answer, _stream) = answered(head, stream::iter([data()])).await;
        assert_eq!(reset_with(answer).await, Some(Reason::INTERNAL_ERROR));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_goes_on_ends_when_its_caller_leaves() {
        let goes_on = stream::iter([data()]).chain(stream::pending());
        let (answer, mut stream) = answered(Response::new(()), goes_on).await;
        let answer = answer.await.expect("an answer");
        let minute = Duration::from_secs(60);
        assert!(timeout(minute, &mut stream).await.is_err(), "its caller is there");
        drop(answer);
        timeout(minute, stream).await.expect("it ends").expect("no panic");
    }
}
