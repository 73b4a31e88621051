//! Requests, sent on one connection.

use std::{
    sync::{Arc, Weak},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use h2::{
    SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::Request;

use super::places::{Place, Places};

/// Sends requests on a connection. Its clones share the connection, which lasts until
/// they are gone and the calls on it have ended.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    /// Each call has a clone of its own: none waits for the stream of another.
    requests: Arc<SendRequest<Bytes>>,
    places: Arc<Places>,
}

/// Why a request was not sent.
#[derive(Debug)]
pub(super) enum Unsent {
    /// Nothing can be sent on this connection any more.
    Closed,
    /// No connection would take it.
    Refused(h2::Error),
}

/// Tells a sender what becomes of its connection: the task of that has it. At its end
/// nothing can be sent any more.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// Whoever can send keeps a connection open. This does not.
    requests: Weak<SendRequest<Bytes>>,
    places: Arc<Places>,
}

impl Sender {
    /// The server is expected to allow so many calls at once, until it says how many.
    pub(super) fn new(requests: SendRequest<Bytes>, allowed: usize) -> (Self, Upkeep) {
        let (requests, places) = (Arc::new(requests), Arc::new(Places::new(allowed)));
        let upkeep = Upkeep { requests: Arc::downgrade(&requests), places: places.clone() };
        (Self { requests, places }, upkeep)
    }

    /// Waits until the server allows one more call.
    pub(super) async fn place(&self) -> Result<Place, Unsent> {
        self.places.take().await.ok_or(Unsent::Closed)
    }

    /// Sends the request of a call that has its place.
    pub(super) fn send(
        &self,
        request: Request<()>,
        message: Bytes,
        _in_flight: &Place,
    ) -> Result<ResponseFuture, Unsent> {
        let sent = SendRequest::clone(&self.requests).send_request(request, false);
        let (answer, mut body) = sent.map_err(|error| self.unsent(error))?;
        self.hand_over(&mut body, message)?;
        Ok(answer)
    }

    /// Without its message no server works on a request.
    fn hand_over(&self, body: &mut SendStream<Bytes>, message: Bytes) -> Result<(), Unsent> {
        let Err(error) = body.send_data(message, true) else { return Ok(()) };
        match self.unsent(error) {
            // Where the server has reset the stream just now, the answer says why.
            Unsent::Refused(_) if body.poll_reset(&mut at_once()).is_ready() => Ok(()),
            unsent => Err(unsent),
        }
    }

    fn unsent(&self, error: h2::Error) -> Unsent {
        if has_ended(&self.requests) {
            // The connection's own task may be about to find that out.
            self.places.close();
            return Unsent::Closed;
        }
        Unsent::Refused(error)
    }

    /// Whether nothing can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        self.places.are_closed()
    }

    /// Waits until nothing can be sent any more. Calls in flight may go on.
    pub(super) async fn closed(&self) {
        self.places.closed().await;
    }
}

impl Upkeep {
    /// For each time that something has happened on the connection, whose server
    /// allows so many calls now.
    pub(super) fn look(&self, allowed: usize) {
        self.places.allow(allowed);
        // GOAWAY is seen in nothing else while calls in flight go on.
        if self.requests.upgrade().is_some_and(|requests| has_ended(&requests)) {
            self.places.close();
        }
    }

    /// Whether somebody waits for the server.
    pub(super) fn is_awaited(&self) -> bool {
        self.places.are_in_use()
    }
}

impl Drop for Upkeep {
    fn drop(&mut self) {
        self.places.close();
    }
}

fn has_ended(requests: &SendRequest<Bytes>) -> bool {
    // A clone that has sent nothing yet is ready, or never will be.
    matches!(requests.clone().poll_ready(&mut at_once()), Poll::Ready(Err(_)))
}

fn at_once() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

#[cfg(test)]
mod tests {
    use h2::{
        Reason, RecvStream,
        server::{Connection, SendResponse},
    };
    use http::Response;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
        sync::mpsc,
    };
    use tokio_test::{assert_pending, assert_ready, task};
    use tokio_util::{either::Either, task::AbortOnDropHandle};

    use super::*;
    use crate::client::{connection, status::is_unseen};

    type Seen = (Request<RecvStream>, SendResponse<Bytes>);

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let tcp = TcpStream::connect(address).await.expect("it listens");
        (tcp, listener.accept().await.expect("a client").0)
    }

    /// A connection to a server that allows so many calls at once.
    async fn connect(allowed: u32) -> (Sender, Connection<TcpStream, Bytes>) {
        let (near, far) = pair().await;
        let mut builder = h2::server::Builder::new();
        let server = builder.max_concurrent_streams(allowed).handshake(far);
        let (sender, server) = tokio::join!(connection::begin(Either::Left(near)), server);
        (sender.expect("HTTP/2"), server.expect("HTTP/2"))
    }

    /// What such a server sees, until it is dropped.
    fn seen(
        mut server: Connection<TcpStream, Bytes>,
    ) -> (mpsc::UnboundedReceiver<Seen>, AbortOnDropHandle<()>) {
        let (tell, told) = mpsc::unbounded_channel();
        let serve = async move {
            while let Some(Ok(call)) = server.accept().await {
                tell.send(call).expect("the test");
            }
        };
        (told, AbortOnDropHandle::new(tokio::spawn(serve)))
    }

    fn request() -> Request<()> {
        Request::post("http://localhost/").body(()).expect("a request")
    }

    async fn call(
        sender: &Sender,
        request: Request<()>,
        message: Bytes,
    ) -> Result<(ResponseFuture, Place), Unsent> {
        let in_flight = sender.place().await?;
        Ok((sender.send(request, message, &in_flight)?, in_flight))
    }

    fn answer(mut respond: SendResponse<Bytes>) {
        respond.send_response(Response::new(()), true).expect("it is in flight");
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_while_it_waits_has_put_nothing_on_the_wire() {
        let (sender, server) = connect(1).await;
        let (mut told, _server) = seen(server);
        let (first, in_flight) = call(&sender, request(), Bytes::new()).await.expect("it is open");
        let mut given_up = task::spawn(call(&sender, request(), Bytes::new()));
        assert_pending!(given_up.poll(), "the server allows one");
        drop(given_up);
        let (_request, respond) = told.recv().await.expect("the first");
        let id = u32::from(respond.stream_id());
        answer(respond);
        first.await.expect("an answer");
        drop(in_flight);

        let message = Bytes::from_static(b"message");
        let _next = call(&sender, request(), message.clone()).await.expect("it is open");
        let (mut request, respond) = told.recv().await.expect("the next");
        assert_eq!(u32::from(respond.stream_id()), id + 2, "there was none between");
        assert_eq!(request.body_mut().data().await.expect("a message").ok(), Some(message));
    }

    #[tokio::test]
    async fn whoever_waits_when_the_connection_ends_is_told_and_was_not_seen() {
        let (sender, server) = connect(1).await;
        let (mut told, server) = seen(server);
        let (first, _in_flight) = call(&sender, request(), Bytes::new()).await.expect("it is open");
        let mut waiting = task::spawn(call(&sender, request(), Bytes::new()));
        assert_pending!(waiting.poll(), "the server allows one");
        assert!(told.recv().await.is_some());
        drop(server);
        let error = first.await.expect_err("it was in flight");
        assert!(!is_unseen(&error), "{error}");
        assert!(matches!(assert_ready!(waiting.poll()), Err(Unsent::Closed)));
        assert!(sender.is_closed());
        assert!(told.recv().await.is_none());
    }

    #[tokio::test]
    async fn where_the_server_goes_away_all_are_told_and_calls_in_flight_finish() {
        let (sender, mut server) = connect(1).await;
        let (first, _in_flight) = call(&sender, request(), Bytes::new()).await.expect("it is open");
        let mut waiting = task::spawn(call(&sender, request(), Bytes::new()));
        assert_pending!(waiting.poll(), "the server allows one");
        let (_request, respond) = server.accept().await.expect("a call").expect("whole");
        server.graceful_shutdown();
        let (mut told, _server) = seen(server);
        // Nobody has sent anything since.
        sender.closed().await;
        assert!(sender.is_closed());
        assert!(matches!(waiting.await, Err(Unsent::Closed)));
        let another = call(&sender, request(), Bytes::new()).await;
        assert!(matches!(another, Err(Unsent::Closed)));
        answer(respond);
        assert!(first.await.is_ok());
        assert!(told.recv().await.is_none());
    }

    #[tokio::test]
    async fn where_the_task_of_the_connection_is_gone_nothing_is_sent() {
        let (near, _far) = tokio::io::duplex(1 << 10);
        let (requests, _connection) = h2::client::handshake(near).await.expect("it is open");
        let (sender, upkeep) = Sender::new(requests, 1);
        assert!(!sender.is_closed());
        drop(upkeep);
        assert!(sender.is_closed());
        sender.closed().await;
    }

    /// Says how many calls are allowed, and waits until the client has read that.
    async fn allow(server: &mut TcpStream, calls: u8) {
        // SETTINGS (RFC 9113, section 6.5) with one setting, number 3.
        server.write_all(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, calls]).await.expect("open");
        let (ack, mut read) = ([0, 0, 0, 4, 1, 0, 0, 0, 0], Vec::new());
        while !read.windows(ack.len()).any(|frame| frame == ack) {
            assert_ne!(server.read_buf(&mut read).await.expect("it is open"), 0);
        }
    }

    #[tokio::test]
    async fn as_many_calls_are_in_flight_as_the_server_allows_now() {
        let (near, mut server) = pair().await;
        let (sender, ()) =
            tokio::join!(connection::begin(Either::Left(near)), allow(&mut server, 0));
        let sender = sender.expect("HTTP/2");
        let begin = || task::spawn(call(&sender, request(), Bytes::new()));
        let (mut first, mut second, mut third) = (begin(), begin(), begin());
        assert_pending!(first.poll(), "it allows none");
        allow(&mut server, 2).await;
        let first = assert_ready!(first.poll()).expect("it is open");
        let second = assert_ready!(second.poll()).expect("it is open");
        assert_pending!(third.poll(), "it allows two");
        allow(&mut server, 0).await;
        drop((first, second));
        assert_pending!(third.poll(), "it allows none");
        allow(&mut server, 1).await;
        let _third = assert_ready!(third.poll()).expect("it is open");
        assert_pending!(begin().poll(), "it allows one");
    }

    #[tokio::test]
    async fn a_call_that_does_not_go_on_holds_up_no_other() {
        let (sender, _server) = connect(2).await;
        let begin = || task::spawn(call(&sender, request(), Bytes::new()));
        let first = begin().await.expect("it is open");
        let second = begin().await.expect("it is open");
        let (mut asleep, mut third) = (begin(), begin());
        assert_pending!(asleep.poll(), "the server allows two");
        assert_pending!(third.poll(), "the server allows two");
        drop(first);
        assert!(asleep.is_woken());
        drop(second);
        assert!(assert_ready!(third.poll()).is_ok());
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_sent_is_not_the_end_of_its_connection() {
        let (sender, server) = connect(1).await;
        let (mut told, _server) = seen(server);
        // HTTP/2 has no such header.
        let mut wrong = request();
        wrong.headers_mut().insert("connection", "close".parse().expect("a value"));
        let refused = call(&sender, wrong, Bytes::new()).await;
        assert!(matches!(refused, Err(Unsent::Refused(_))), "{refused:?}");
        let too_long = Bytes::from(vec![0; 1 << 31]);
        let refused = call(&sender, request(), too_long).await;
        assert!(matches!(refused, Err(Unsent::Refused(_))), "{refused:?}");
        assert!(!sender.is_closed());
        let (right, _in_flight) = call(&sender, request(), Bytes::new()).await.expect("it is open");
        let serve = async {
            let message = async |(mut request, respond): Seen| {
                let message = request.body_mut().data().await;
                message.is_none_or(|data| data.is_ok()).then_some(respond)
            };
            loop {
                // The head of the one that is too long may have been sent.
                if let Some(respond) = message(told.recv().await.expect("a call")).await {
                    return answer(respond);
                }
            }
        };
        let (right, ()) = tokio::join!(right, serve);
        right.expect("an answer");
    }

    #[tokio::test]
    async fn a_stream_that_ends_before_its_message_is_told_from_its_connection() {
        let (sender, mut server) = connect(2).await;
        let begin = || SendRequest::clone(&sender.requests).send_request(request(), false);
        let (answer, mut body) = begin().expect("it is open");
        let (_request, mut respond) = server.accept().await.expect("a call").expect("whole");
        respond.send_reset(Reason::REFUSED_STREAM);
        let (_told, server) = seen(server);
        let error = answer.await.expect_err("it is refused");
        assert!(is_unseen(&error), "{error}");
        assert!(sender.hand_over(&mut body, Bytes::new()).is_ok(), "the answer has said why");

        let (answer, mut body) = begin().expect("it is open");
        drop(server);
        answer.await.expect_err("the connection has ended");
        let unsent = sender.hand_over(&mut body, Bytes::new());
        assert!(matches!(unsent, Err(Unsent::Closed)), "{unsent:?}");
    }
}
