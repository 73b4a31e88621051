//! A peer that goes on to send after the server has closed the connection.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use http2_judge::{
    frame::{DATA, PREFACE, SETTINGS, frame},
    server::{Handler, Server, settings},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::{
    rules::{Rule, check},
    run::{SMALL, each},
};

/// How much the peer sends.
const FLOOD: usize = 64 * 1024 * 1024;
/// How much a server may read before other tasks have their turn.
const TURN: usize = 1024 * 1024;

/// A transport from which there is always more to read.
struct Endless {
    start: Vec<u8>,
    left: usize,
}

impl AsyncRead for Endless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.start.is_empty() {
            let zeros = self.left.min(buffer.remaining());
            self.left -= zeros;
            buffer.initialize_unfilled_to(zeros);
            buffer.advance(zeros);
        } else {
            let length = self.start.len().min(buffer.remaining());
            buffer.put_slice(&self.start.drain(..length).collect::<Vec<_>>());
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Endless {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn a_peer_that_sends_on_does_not_keep_other_tasks_from_running() {
    each(SMALL, |layer| async move {
        // DATA on stream 0 is an error of the connection.
        let start = [PREFACE, &frame(SETTINGS, 0, 0, &[])[..], &frame(DATA, 0, 0, &[])].concat();
        let handler = Handler::new(|_| std::future::pending());
        let server = Server::on(layer, Endless { start, left: FLOOD }, settings(), handler);
        let turns = Arc::new(AtomicUsize::new(0));
        // Unlike `yield_now`, this task is in the queue again at once, as the connection is.
        let other = tokio::spawn(poll_fn({
            let turns = Arc::clone(&turns);
            move |cx| {
                turns.fetch_add(1, Relaxed);
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }
        }));
        server.ended.await.expect("no panic");
        other.abort();
        let turns = turns.load(Relaxed);
        check(layer, Rule::OthersRunAfterTheEnd, turns >= FLOOD / TURN, turns);
    });
}
