use bytes::Bytes;
use futures_util::future::BoxFuture;
use h2::{Reason, server::Connection};
use http::{Request, Response};
use tokio::{
    io::{DuplexStream, duplex},
    sync::mpsc,
    time::sleep,
};
use tokio_util::task::AbortOnDropHandle;

use super::*;
use crate::{connection, event::Event};

/// Keeps a connection to a server that `serve` scripts. Returns how long each attempt came
/// after the one before, and how each connection ended.
async fn reconnect<F>(
    attempts: usize,
    serve: impl Fn(Connection<DuplexStream, Bytes>) -> F,
) -> Vec<(Duration, Change)>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (near, mut accepted) = mpsc::unbounded_channel();
    let (events, mut received) = mpsc::channel(16);
    let socket = Socket::Unix("a".into());
    let connect = move || {
        let (client, server) = duplex(1 << 16);
        near.send(server).expect("the test");
        connection::start(client)
    };
    let _client = AbortOnDropHandle::new(tokio::spawn(keep_connected(
        socket,
        EventSender::new(0, events),
        connect,
    )));
    let mut results = Vec::new();
    let mut start: Option<Instant> = None;
    while results.len() < attempts {
        let server = accepted.recv().await.expect("an attempt");
        let after = start.replace(Instant::now()).map_or(Duration::ZERO, |last| last.elapsed());
        let serve = async { serve(h2::server::handshake(server).await.expect("HTTP/2")).await };
        let follow = async {
            loop {
                match received.recv().await.expect("the client") {
                    (_, Event::Changed(_, Change::Ready(sender))) => {
                        // The server may already have closed the connection.
                        let Ok(permit) = sender.permit().await else { continue };
                        let request = Request::post("http://localhost/").body(()).expect("valid");
                        let response = sender.send(request, Bytes::new(), &permit);
                        if let Ok(response) = response {
                            let _ = response.await;
                        }
                    }
                    (_, Event::Changed(_, end)) => break end,
                    (_, Event::Resolved(_)) => {}
                }
            }
        };
        let ((), end) = tokio::join!(serve, follow);
        results.push((after, end));
    }
    results
}

/// Asserts that the backoff grows, and that each connection has failed.
fn assert_backs_off(results: &[(Duration, Change)], problem: &str) {
    // 50 ms, doubled up to 1 s, with a jitter of 20 %.
    for ((after, _), expected) in results[1..].iter().zip([50, 100, 200, 400, 800, 1000]) {
        let range = expected * 4 / 5..=expected * 6 / 5 + 1;
        assert!(range.contains(&after.as_millis()), "{results:?}");
    }
    for (_, end) in results {
        assert!(matches!(end, Change::Failed(text) if text == problem), "{end:?}");
    }
}

/// Scripts a server that sends GOAWAY after this number of milliseconds.
fn goaway(
    delay: u64,
    reason: Reason,
) -> impl Fn(Connection<DuplexStream, Bytes>) -> BoxFuture<'static, ()> {
    move |mut server| {
        Box::pin(async move {
            sleep(Duration::from_millis(delay)).await;
            server.abrupt_shutdown(reason);
            while let Some(Ok(_)) = server.accept().await {}
        })
    }
}

#[tokio::test(start_paused = true)]
async fn goaway_straight_after_settings_is_a_failure_that_backs_off() {
    for delay in [0, 10] {
        let results = reconnect(7, goaway(delay, Reason::ENHANCE_YOUR_CALM));
        let problem = "the server sent GOAWAY before any response: ENHANCE_YOUR_CALM, detected \
                       excessive load generating behavior";
        assert_backs_off(&results.await, problem);
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_connection_that_a_server_leaves_has_not_failed() {
    for delay in [0, 10] {
        let results = reconnect(7, goaway(delay, Reason::NO_ERROR));
        let mut results = results.await;
        assert!(matches!(results[0].1, Change::Lost), "{results:?}");
        results[0].1 = Change::Failed(String::new());
        assert!(results.iter().all(|(_, end)| matches!(end, Change::Failed(_))), "{results:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_before_any_response_is_a_failure_that_backs_off() {
    let results = reconnect(7, |server| async move {
        // The connection is used meanwhile.
        sleep(Duration::from_millis(10)).await;
        drop(server);
    });
    let problem = "the server closed the connection before any response";
    assert_backs_off(&results.await, problem);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_served_a_call_is_opened_again_without_backoff() {
    let results = reconnect(7, |mut server| async move {
        let (_request, mut respond) = server.accept().await.expect("a call").expect("whole");
        respond.send_response(Response::new(()), true).expect("it is in flight");
        server.graceful_shutdown();
        while let Some(Ok(_)) = server.accept().await {}
    });
    for (after, end) in results.await {
        assert!(after <= MIN_RECONNECT_BACKOFF.mul_f64(1.2), "{after:?}");
        assert!(matches!(end, Change::Lost), "{end:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_lasted_is_opened_again_without_backoff() {
    let results = reconnect(7, |mut server| async move {
        let mut calls = Vec::new();
        let receive = async {
            while let Some(Ok(call)) = server.accept().await {
                calls.push(call);
            }
        };
        let _ = timeout(LASTED, receive).await;
    });
    for (after, end) in results.await {
        assert!(after <= LASTED.mul_f64(1.2), "{after:?}");
        assert!(matches!(end, Change::Lost), "{end:?}");
    }
}
