//! Requests, sent one after another on one connection.

use std::{
    future::poll_fn,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Sends requests on a connection. Its clones share the connection, which lasts until
/// they are gone and the calls on it have ended.
#[derive(Debug, Clone)]
pub(super) struct Sender {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Who waits for it waits for the server to allow one more stream.
    requests: Mutex<SendRequest<Bytes>>,
    closed: CancellationToken,
    in_flight: Weak<()>,
}

/// Held by each call on a connection, to its end.
#[derive(Debug)]
pub(super) struct InFlight {
    /// Nothing where the connection ended meanwhile.
    _held: Option<Arc<()>>,
}

impl Sender {
    /// Sends on this connection, until `closed`. What is behind `in_flight` is held by
    /// each call.
    pub(super) fn new(
        requests: SendRequest<Bytes>,
        closed: CancellationToken,
        in_flight: Weak<()>,
    ) -> Self {
        let requests = Mutex::new(requests);
        Self { shared: Arc::new(Shared { requests, closed, in_flight }) }
    }

    /// Sends the request as soon as the server allows one more. What fails was not
    /// sent. Where this is closed then, nothing else will be on this connection; where
    /// it is not, this request cannot be sent on any.
    pub(super) async fn send(
        &self,
        request: Request<()>,
        message: Bytes,
    ) -> Result<(ResponseFuture, InFlight), h2::Error> {
        let mut requests = self.shared.requests.lock().await;
        self.ready(&mut requests).await?;
        let (answer, mut body) = match requests.send_request(request, false) {
            Ok(sent) => sent,
            Err(error) => {
                self.ready(&mut requests).await?;
                return Err(error);
            }
        };
        let in_flight = InFlight { _held: self.shared.in_flight.upgrade() };
        // Its head is sent even if it is given up before its turn comes. Without its
        // message no server works on it. Where either fails, the answer says why.
        let _ = self.ready(&mut requests).await;
        let _ = body.send_data(message, true);
        Ok((answer, in_flight))
    }

    async fn ready(&self, requests: &mut SendRequest<Bytes>) -> Result<(), h2::Error> {
        let ready = poll_fn(|cx| requests.poll_ready(cx)).await;
        ready.inspect_err(|_| self.shared.closed.cancel())
    }

    /// Whether nothing can be sent any more.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.closed.is_cancelled()
    }

    /// Waits until nothing can be sent any more. Calls in flight may go on.
    pub(super) async fn closed(&self) {
        self.shared.closed.cancelled().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use h2::Reason;
    use http::Response;
    use tokio::{
        net::{TcpListener, TcpStream},
        sync::{mpsc, oneshot},
        time::timeout,
    };
    use tokio_util::either::Either;

    use super::*;
    use crate::client::connection::begin;

    const SHORT: Duration = Duration::from_millis(100);

    #[tokio::test]
    async fn a_connection_whose_server_goes_away_is_closed_and_its_calls_finish() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (go_away, gone) = oneshot::channel::<()>();
        let (answer, answered) = oneshot::channel::<()>();
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client");
            let mut server = h2::server::handshake(tcp).await.expect("HTTP/2");
            let (_request, mut respond) = server.accept().await.expect("a call").expect("whole");
            gone.await.expect("the test");
            server.graceful_shutdown();
            tokio::spawn(async move {
                answered.await.expect("the test");
                respond.send_response(Response::new(()), true).expect("the call is in flight");
            });
            while server.accept().await.is_some() {}
        });
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let sender = begin(Either::Left(tcp)).await.expect("HTTP/2");
        let call = async || {
            let call = Request::post("http://localhost/").body(()).expect("a request");
            sender.send(call, Bytes::new()).await
        };
        let (first, _in_flight) = call().await.expect("it is open");
        go_away.send(()).expect("the server");
        while let Ok((another, _in_flight)) = call().await {
            // Its request is dropped.
            assert!(another.await.is_err());
        }
        assert!(sender.is_closed());
        sender.closed().await;
        answer.send(()).expect("the server");
        assert!(first.await.is_ok());
    }

    #[tokio::test]
    async fn a_call_that_is_given_up_before_its_turn_is_not_worked_on() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (tell, mut told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client");
            let mut builder = h2::server::Builder::new();
            let handshake = builder.max_concurrent_streams(1).handshake::<_, Bytes>(tcp);
            let mut server = handshake.await.expect("HTTP/2");
            while let Some(call) = server.accept().await {
                tell.send(call.expect("whole")).expect("the test");
            }
        });
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let sender = begin(Either::Left(tcp)).await.expect("HTTP/2");
        let call = async || {
            let call = Request::post("http://localhost/").body(()).expect("a request");
            let (answer, _in_flight) = sender.send(call, Bytes::from_static(b"message")).await?;
            answer.await
        };
        let mut first = Box::pin(call());
        assert!(timeout(SHORT, &mut first).await.is_err(), "nobody answers it");
        assert!(timeout(SHORT, call()).await.is_err(), "the server allows one");
        let (_request, mut respond) = told.recv().await.expect("the first");
        assert!(told.try_recv().is_err(), "the server allows one");

        respond.send_response(Response::new(()), true).expect("it is in flight");
        first.await.expect("an answer");
        let (mut given_up, _respond) = told.recv().await.expect("its head");
        let message = timeout(SHORT, given_up.body_mut().data()).await;
        assert!(message.is_err(), "{message:?}");
        // Whoever comes next finds nothing in the way.
        let next = async {
            let (mut request, mut respond) = told.recv().await.expect("the next");
            assert!(request.body_mut().data().await.expect("a message").is_ok());
            respond.send_response(Response::new(()), true).expect("it is in flight");
        };
        let (answer, ()) = tokio::join!(call(), next);
        answer.expect("an answer");
        let end = given_up.body_mut().data().await.expect("it did not end by itself");
        assert_eq!(end.expect_err("nobody wants it").reason(), Some(Reason::CANCEL));
    }

    #[tokio::test]
    async fn a_request_that_cannot_be_sent_is_not_the_end_of_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("a client");
            let mut server = h2::server::handshake(tcp).await.expect("HTTP/2");
            while let Some(call) = server.accept().await {
                let (_request, mut respond) = call.expect("whole");
                respond.send_response(Response::new(()), true).expect("it is in flight");
            }
        });
        let tcp = TcpStream::connect(address).await.expect("it listens");
        let sender = begin(Either::Left(tcp)).await.expect("HTTP/2");
        let request = || Request::post("http://localhost/");
        // HTTP/2 has no such header.
        let wrong = request().header("connection", "close").body(()).expect("a request");
        sender.send(wrong, Bytes::new()).await.expect_err("it cannot be sent");
        assert!(!sender.is_closed());
        let right = request().body(()).expect("a request");
        let (answer, _in_flight) = sender.send(right, Bytes::new()).await.expect("it is open");
        answer.await.expect("an answer");
    }
}
