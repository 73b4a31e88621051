//! Round trips that are not random.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{future::join_all, stream};
use h2::{RecvStream, client};
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use http2_judge::{
    body::{BoxError, Outgoing},
    frame::{
        ACK, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, WINDOW_UPDATE, frame, post,
    },
    peer::Peer,
    seeds::block_on,
    server::{Handler, Layer, Server, settings},
};
use tokio::{
    io::AsyncWriteExt,
    runtime::Builder,
    time::{sleep, timeout},
};

const MIB: usize = 1024 * 1024;
const PIECE: usize = 8 * 1024;
const MINUTE: Duration = Duration::from_secs(60);

/// Returns a handler that responds with `length` bytes, in frames of `PIECE`.
fn sends(length: usize) -> Handler {
    Handler::new(move |_| async move { Response::new(pieces(length)) })
}

fn pieces(length: usize) -> Outgoing {
    let frames = (0..length / PIECE)
        .map(|_| Ok::<_, BoxError>(Frame::data(Bytes::from_static(&[7; PIECE]))));
    Outgoing::stream(StreamBody::new(stream::iter(frames)))
}

/// Connects h2's client with these windows, and drives it in a task.
async fn connect(
    layer: Layer,
    handler: Handler,
    stream: usize,
    connection: usize,
) -> (Server, client::SendRequest<Bytes>) {
    let (server, near) = Server::start(layer, settings(), handler);
    let (requests, driver) = client::Builder::new()
        .initial_window_size(u32::try_from(stream).expect("a window"))
        .initial_connection_window_size(u32::try_from(connection).expect("a window"))
        .handshake(near)
        .await
        .expect("a connection");
    tokio::spawn(driver);
    (server, requests)
}

fn request() -> Request<()> {
    Request::post("http://test/").body(()).expect("a valid request")
}

/// Reads a body to its end, and adds its bytes to `total` as they come.
async fn read(body: &mut RecvStream, total: &AtomicUsize) -> usize {
    let mut length = 0;
    while let Some(data) = body.data().await {
        let data = data.expect("it is whole");
        length += data.len();
        total.fetch_add(data.len(), Relaxed);
        body.flow_control().release_capacity(data.len()).expect("it was received");
    }
    length
}

#[test]
fn large_bodies_pass_in_both_directions_at_once() {
    for layer in Layer::ALL {
        block_on(async {
            let received = Arc::new(AtomicUsize::new(0));
            let handler = Handler::new({
                let received = Arc::clone(&received);
                move |request| {
                    let received = Arc::clone(&received);
                    tokio::spawn(async move {
                        let mut body = request.into_body();
                        while let Some(Ok(frame)) = body.frame().await {
                            received.fetch_add(frame.data_ref().map_or(0, Bytes::len), Relaxed);
                        }
                    });
                    async { Response::new(pieces(4 * MIB)) }
                }
            });
            let (_server, requests) = connect(layer, handler, 65_535, 65_535).await;
            let mut requests = requests.ready().await.expect("it is open");
            let (response, mut upload) = requests.send_request(request(), false).expect("open");
            upload.send_data(vec![7; 4 * MIB].into(), true).expect("it is open");
            let body = async {
                let mut body = response.await.expect("a response").into_body();
                read(&mut body, &AtomicUsize::new(0)).await
            };
            let sent = timeout(MINUTE, body).await.expect("it does not hang");
            sleep(Duration::from_secs(1)).await;
            assert_eq!((sent, received.load(Relaxed)), (4 * MIB, 4 * MIB), "{layer:?}");
        });
    }
}

#[test]
fn streams_that_wait_for_the_connection_window_share_it() {
    const STREAMS: usize = 200;
    for layer in Layer::ALL {
        block_on(async {
            let length = 8 * PIECE;
            let (_server, requests) = connect(layer, sends(length), MIB, 65_535).await;
            let total = Arc::new(AtomicUsize::new(0));
            let calls = (0..STREAMS).map(|_| {
                let (requests, total) = (requests.clone(), Arc::clone(&total));
                tokio::spawn(async move {
                    let mut requests = requests.ready().await.expect("it is open");
                    let (response, _) = requests.send_request(request(), true).expect("open");
                    let mut body = response.await.expect("a response").into_body();
                    // Every stream waits before the first of them is read.
                    sleep(Duration::from_secs(1)).await;
                    assert_eq!(read(&mut body, &total).await, length);
                    total.load(Relaxed)
                })
            });
            let calls: Vec<_> = calls.collect();
            let ended = timeout(MINUTE, join_all(calls)).await.expect("it does not hang");
            let ended: Vec<usize> = ended.into_iter().map(|end| end.expect("no panic")).collect();
            let first = ended.iter().min().expect("200 streams");
            // h2 gives the window to one stream after another.
            let is_shared = STREAMS * length <= 10 * first;
            assert_eq!(is_shared, layer != Layer::H2, "{layer:?}: the first ends after {first}");
        });
    }
}

#[test]
fn a_stream_that_is_not_read_does_not_hold_up_another() {
    for layer in Layer::ALL {
        block_on(async {
            let (_server, requests) = connect(layer, sends(MIB), 65_535, 4 * MIB).await;
            let mut requests = requests.ready().await.expect("it is open");
            let (slow, _) = requests.send_request(request(), true).expect("open");
            let mut slow = slow.await.expect("a response").into_body();
            let total = AtomicUsize::new(0);
            let (quick, _) = requests.send_request(request(), true).expect("open");
            let mut quick = quick.await.expect("a response").into_body();
            let read_quick = timeout(MINUTE, read(&mut quick, &total)).await;
            assert_eq!(read_quick.expect("it does not hang"), MIB, "{layer:?}");
            let read_slow = timeout(MINUTE, read(&mut slow, &total)).await;
            assert_eq!(read_slow.expect("it does not hang"), MIB, "{layer:?}");
        });
    }
}

#[test]
fn a_client_that_closes_its_side_gets_no_response() {
    for layer in Layer::ALL {
        block_on(async {
            let handler = Handler::new(|_| async {
                sleep(Duration::from_millis(10)).await;
                Response::new(Outgoing::complete("whole", None))
            });
            let (_server, near) = Server::start(layer, settings(), handler);
            let mut peer = Peer::handshake(near).await;
            peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &post("/", &[]))).await;
            peer.0.shutdown().await.expect("it is open");
            let frames = async {
                let mut body = Vec::new();
                while let Some(frame) = peer.next().await {
                    if frame.kind == DATA {
                        body.extend(frame.payload);
                    }
                }
                body
            };
            let body = timeout(MINUTE, frames).await.expect("it does not hang");
            // A client process that has ended looks the same, and its calls must not go on.
            assert_eq!(body, b"", "{layer:?}");
        });
    }
}

#[test]
fn a_reset_drops_the_handler_and_the_body_of_the_response() {
    /// Counts the handlers and bodies that are dropped.
    struct Guard(Arc<AtomicUsize>);

    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    for layer in Layer::ALL {
        block_on(async {
            let dropped = Arc::new(AtomicUsize::new(0));
            let handler = Handler::new({
                let dropped = Arc::clone(&dropped);
                move |request| {
                    let guard = Guard(Arc::clone(&dropped));
                    async move {
                        let guard = guard;
                        if request.uri().path() == "/never" {
                            return pending().await;
                        }
                        let count = if request.uri().path() == "/one" { 1 } else { usize::MAX };
                        let frames = stream::unfold((guard, 0), move |(guard, sent)| async move {
                            if sent == count {
                                return pending().await;
                            }
                            let data = Bytes::from_static(&[7; PIECE]);
                            Some((Ok::<_, BoxError>(Frame::data(data)), (guard, sent + 1)))
                        });
                        Response::new(Outgoing::stream(StreamBody::new(frames)))
                    }
                }
            });
            let (_server, near) = Server::start(layer, settings(), handler);
            let mut peer = Peer::handshake(near).await;
            for (stream, path) in [(1, "/never"), (3, "/one"), (5, "/endless")] {
                peer.send(&frame(HEADERS, END_HEADERS, stream, &post(path, &[]))).await;
            }
            sleep(Duration::from_secs(1)).await;
            assert_eq!(dropped.load(Relaxed), 0, "{layer:?}");
            for stream in [1, 3, 5] {
                peer.send(&frame(RST_STREAM, 0, stream, &[0, 0, 0, 8])).await;
            }
            sleep(Duration::from_secs(1)).await;
            assert_eq!(dropped.load(Relaxed), 3, "{layer:?}");
        });
    }
}

/// Time is not paused, and the order of the threads differs each time. If a wake-up is lost, the
/// test hangs.
#[test]
fn calls_on_several_threads_are_all_answered() {
    for layer in Layer::ALL {
        let runtime = Builder::new_multi_thread().worker_threads(3).enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let handler = Handler::new(|_| async { Response::new(Outgoing::complete("ok", None)) });
            let (_server, mut requests) = connect(layer, handler, 65_535, 65_535).await;
            for number in 0..3_000 {
                requests = requests.ready().await.expect("it is open");
                let (response, _) = requests.send_request(request(), true).expect("it is open");
                let response = timeout(MINUTE, response).await;
                let response = response.unwrap_or_else(|_| panic!("{layer:?} forgets {number}"));
                let mut body = response.expect("a response").into_body();
                let length = timeout(MINUTE, read(&mut body, &AtomicUsize::new(0))).await;
                assert_eq!(length.unwrap_or_else(|_| panic!("{layer:?} forgets {number}")), 2);
            }
        });
    }
}

#[test]
fn a_client_that_reads_slowly_gets_all_of_a_response_after_a_shutdown() {
    for layer in Layer::ALL {
        block_on(async {
            const LENGTH: usize = 512 * 1024;
            let (server, near) = Server::start(layer, settings(), sends(LENGTH));
            let mut peer = Peer::handshake(near).await;
            let window = u32::try_from(LENGTH).expect("a window").to_be_bytes();
            peer.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &post("/", &[]))).await;
            peer.send(&frame(WINDOW_UPDATE, 0, 0, &window)).await;
            peer.send(&frame(WINDOW_UPDATE, 0, 1, &window)).await;
            server.shut_down.cancel();
            let mut length = 0;
            loop {
                // 80 KiB in a second.
                sleep(Duration::from_millis(100)).await;
                let read = peer.next().await.unwrap_or_else(|| {
                    panic!("{layer:?} closes after {length} bytes of the response")
                });
                match read.kind {
                    PING if !read.has(ACK) => peer.send(&frame(PING, ACK, 0, &read.payload)).await,
                    DATA => {
                        length += read.payload.len();
                        if read.has(END_STREAM) {
                            break;
                        }
                    }
                    _ => {}
                }
            }
            assert_eq!(length, LENGTH);
        });
    }
}
