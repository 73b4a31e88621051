use h2::server::{Connection, SendResponse};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_test::{assert_pending, assert_ready, task};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::{connection, status::is_not_processed};

type Received = (Request<RecvStream>, SendResponse<Bytes>);

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let tcp = TcpStream::connect(address).await.expect("it listens");
    (tcp, listener.accept().await.expect("a client").0)
}

/// Returns a connection to a server with this stream limit.
async fn connect(limit: u32) -> (RequestSender, Connection<TcpStream, Bytes>) {
    let (near, far) = pair().await;
    let mut builder = h2::server::Builder::new();
    let server = builder.max_concurrent_streams(limit).handshake(far);
    let (sender, server) = tokio::join!(connection::start(near), server);
    (sender.expect("HTTP/2"), server.expect("HTTP/2"))
}

/// Returns the requests that a server receives, until it is dropped.
fn receive(
    mut server: Connection<TcpStream, Bytes>,
) -> (mpsc::UnboundedReceiver<Received>, AbortOnDropHandle<()>) {
    let (sender, received) = mpsc::unbounded_channel();
    let serve = async move {
        while let Some(Ok(call)) = server.accept().await {
            sender.send(call).expect("the test");
        }
    };
    (received, AbortOnDropHandle::new(tokio::spawn(serve)))
}

fn request() -> Request<()> {
    Request::post("http://localhost/").body(()).expect("a request")
}

async fn call(
    sender: &RequestSender,
    request: Request<()>,
    message: Bytes,
) -> Result<(ResponseFuture, StreamPermit), SendError> {
    let permit = sender.permit().await?;
    Ok((sender.send(request, message, &permit)?, permit))
}

fn respond_to(mut respond: SendResponse<Bytes>) {
    respond.send_response(Response::new(()), true).expect("it is in flight");
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_it_waits_for_a_permit_sends_nothing() {
    let (sender, server) = connect(1).await;
    let (mut requests, _server) = receive(server);
    let (first, permit) = call(&sender, request(), Bytes::new()).await.expect("it is open");
    let mut cancelled = task::spawn(call(&sender, request(), Bytes::new()));
    assert_pending!(cancelled.poll(), "the limit is 1");
    drop(cancelled);
    let (_request, respond) = requests.recv().await.expect("the first");
    let id = u32::from(respond.stream_id());
    respond_to(respond);
    first.await.expect("a response");
    drop(permit);

    let message = Bytes::from_static(b"message");
    let _next = call(&sender, request(), message.clone()).await.expect("it is open");
    let (mut request, respond) = requests.recv().await.expect("the next");
    assert_eq!(u32::from(respond.stream_id()), id + 2, "there was none between");
    assert_eq!(request.body_mut().data().await.expect("a message").ok(), Some(message));
}

#[tokio::test]
async fn waiting_calls_are_not_sent_when_the_connection_ends() {
    let (sender, server) = connect(1).await;
    let (mut requests, server) = receive(server);
    let (first, _permit) = call(&sender, request(), Bytes::new()).await.expect("it is open");
    let mut waiting = task::spawn(call(&sender, request(), Bytes::new()));
    assert_pending!(waiting.poll(), "the limit is 1");
    assert!(requests.recv().await.is_some());
    drop(server);
    let error = first.await.expect_err("it was in flight");
    assert!(!is_not_processed(&error), "{error}");
    assert!(matches!(assert_ready!(waiting.poll()), Err(SendError::Closed)));
    assert!(sender.is_closed());
    assert!(requests.recv().await.is_none());
}

#[tokio::test]
async fn goaway_ends_waiting_calls_and_lets_calls_in_flight_finish() {
    let (sender, mut server) = connect(1).await;
    let (first, _permit) = call(&sender, request(), Bytes::new()).await.expect("it is open");
    let mut waiting = task::spawn(call(&sender, request(), Bytes::new()));
    assert_pending!(waiting.poll(), "the limit is 1");
    let (_request, respond) = server.accept().await.expect("a call").expect("whole");
    server.graceful_shutdown();
    let (mut requests, _server) = receive(server);
    // The client has sent nothing since.
    sender.closed().await;
    assert!(sender.is_closed());
    assert!(matches!(waiting.await, Err(SendError::Closed)));
    let another = call(&sender, request(), Bytes::new()).await;
    assert!(matches!(another, Err(SendError::Closed)));
    respond_to(respond);
    assert!(first.await.is_ok());
    assert!(requests.recv().await.is_none());
}

#[tokio::test]
async fn a_sender_is_closed_when_the_task_of_its_connection_is_dropped() {
    let (near, _far) = tokio::io::duplex(1 << 10);
    let (requests, _connection) = h2::client::handshake(near).await.expect("it is open");
    let (sender, monitor) = RequestSender::new(requests, 1);
    assert!(!sender.is_closed());
    drop(monitor);
    assert!(sender.is_closed());
    sender.closed().await;
}

/// Sends a stream limit, and waits until the client has acknowledged it.
async fn set_limit(server: &mut TcpStream, limit: u8) {
    // SETTINGS (RFC 9113, section 6.5) with one setting, number 3.
    server.write_all(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, limit]).await.expect("open");
    let (ack, mut read) = ([0, 0, 0, 4, 1, 0, 0, 0, 0], Vec::new());
    while !read.windows(ack.len()).any(|frame| frame == ack) {
        assert_ne!(server.read_buf(&mut read).await.expect("it is open"), 0);
    }
}

#[tokio::test]
async fn calls_in_flight_follow_the_stream_limit_of_the_server() {
    let (near, mut server) = pair().await;
    let (sender, ()) = tokio::join!(connection::start(near), set_limit(&mut server, 0));
    let sender = sender.expect("HTTP/2");
    let begin = || task::spawn(call(&sender, request(), Bytes::new()));
    let (mut first, mut second, mut third) = (begin(), begin(), begin());
    assert_pending!(first.poll(), "the limit is 0");
    set_limit(&mut server, 2).await;
    let first = assert_ready!(first.poll()).expect("it is open");
    let second = assert_ready!(second.poll()).expect("it is open");
    assert_pending!(third.poll(), "the limit is 2");
    set_limit(&mut server, 0).await;
    drop((first, second));
    assert_pending!(third.poll(), "the limit is 0");
    set_limit(&mut server, 1).await;
    let _third = assert_ready!(third.poll()).expect("it is open");
    assert_pending!(begin().poll(), "the limit is 1");
}

#[tokio::test]
async fn a_call_that_is_not_polled_does_not_delay_others() {
    let (sender, _server) = connect(2).await;
    let begin = || task::spawn(call(&sender, request(), Bytes::new()));
    let first = begin().await.expect("it is open");
    let second = begin().await.expect("it is open");
    let (mut asleep, mut third) = (begin(), begin());
    assert_pending!(asleep.poll(), "the limit is 2");
    assert_pending!(third.poll(), "the limit is 2");
    drop(first);
    assert!(asleep.is_woken());
    drop(second);
    assert!(assert_ready!(third.poll()).is_ok());
}

#[tokio::test]
async fn an_invalid_request_does_not_end_the_connection() {
    let (sender, server) = connect(1).await;
    let (mut requests, _server) = receive(server);
    // HTTP/2 does not allow this header.
    let mut wrong = request();
    wrong.headers_mut().insert("connection", "close".parse().expect("a value"));
    let result = call(&sender, wrong, Bytes::new()).await;
    assert!(matches!(result, Err(SendError::Invalid(_))), "{result:?}");
    let too_long = Bytes::from(vec![0; 1 << 31]);
    let result = call(&sender, request(), too_long).await;
    assert!(matches!(result, Err(SendError::Invalid(_))), "{result:?}");
    assert!(!sender.is_closed());
    let (right, _permit) = call(&sender, request(), Bytes::new()).await.expect("it is open");
    let serve = async {
        let message = async |(mut request, respond): Received| {
            let message = request.body_mut().data().await;
            message.is_none_or(|data| data.is_ok()).then_some(respond)
        };
        loop {
            // The headers of the request that is too long may have been sent.
            if let Some(respond) = message(requests.recv().await.expect("a call")).await {
                return respond_to(respond);
            }
        }
    };
    let (right, ()) = tokio::join!(right, serve);
    right.expect("a response");
}

#[tokio::test]
async fn a_reset_before_the_message_is_distinguished_from_a_lost_connection() {
    let (sender, mut server) = connect(2).await;
    let begin = || sender.connection.requests.clone().send_request(request(), false);
    let (response, mut stream) = begin().expect("it is open");
    let (_request, mut respond) = server.accept().await.expect("a call").expect("whole");
    respond.send_reset(Reason::REFUSED_STREAM);
    let (_requests, server) = receive(server);
    let error = response.await.expect_err("it is refused");
    assert!(is_not_processed(&error), "{error}");
    assert!(sender.send_message(&mut stream, Bytes::new()).is_ok(), "the response has said why");

    let (response, mut stream) = begin().expect("it is open");
    drop(server);
    response.await.expect_err("the connection has ended");
    let result = sender.send_message(&mut stream, Bytes::new());
    assert!(matches!(result, Err(SendError::Closed)), "{result:?}");
}
