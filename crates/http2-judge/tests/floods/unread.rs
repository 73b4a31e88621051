//! A peer that makes requests and reads no responses.

use std::{future::pending, sync::atomic::Ordering::Relaxed, time::Duration};

use http2_judge::{
    frame::{ACK, DATA, END_STREAM, PING, PREFACE, SETTINGS, WINDOW_UPDATE, frame},
    server::{Handler, Server, settings},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex, split},
    time::{sleep, timeout},
};

use crate::{
    client::{Client, idle},
    frames::request,
    outcome::Outcome,
    run::{SMALL, each},
    work::{EARLY, ECHO, STREAM, WAIT},
};

#[test]
fn requests_whose_responses_are_not_read_are_bounded() {
    each(SMALL, |layer| async move {
        let mut client = Client::that_reads_nothing(layer, &[]).await;
        let outcome =
            client.flood(100_000, |number| request(number * 2 + 1, EARLY, END_STREAM)).await;
        assert_ne!(outcome, Outcome::Lives, "{layer:?} has read all of it");
        let calls = client.work.calls.load(Relaxed);
        assert!(calls < 20_000, "{calls} handlers ran");
    });
}

#[test]
fn a_peer_that_reads_late_gets_all_responses() {
    each(SMALL, |layer| async move {
        let mut client = Client::that_reads_nothing(layer, &[]).await;
        let ids: Vec<u32> = (0..settings().streams).map(|_| client.id()).collect();
        for id in &ids {
            client.send(&request(*id, EARLY, END_STREAM)).await;
        }
        sleep(Duration::from_secs(30)).await;
        client.begin_reading();
        for id in ids {
            assert!(client.is_ok(id).await, "stream {id}: {:?}", client.seen.borrow().goaway);
        }
        assert!(client.call().await);
    });
}

#[test]
fn echoes_that_are_not_read_are_bounded() {
    each(2 * SMALL, |layer| async move {
        // The peer says that it has room for all of them.
        let mut client = Client::that_reads_nothing(layer, &[(4, 0x7fff_ffff)]).await;
        let update = frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
        client.send(&update).await;
        let outcome = client
            .flood(5_000, |number| {
                let id = number * 2 + 1;
                [request(id, ECHO, 0), frame(DATA, END_STREAM, id, &[0; 16 * 1024])].concat()
            })
            .await;
        assert_ne!(outcome, Outcome::Lives, "{layer:?} has read all of it");
    });
}

#[test]
fn streams_that_are_not_read_are_bounded() {
    each(2 * SMALL, |layer| async move {
        // The peer says that it has room for all of them.
        let mut client = Client::that_reads_nothing(layer, &[(4, 0x7fff_ffff)]).await;
        let update = frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes());
        client.send(&update).await;
        for number in 0..20 {
            client.send(&request(number * 2 + 1, STREAM, END_STREAM)).await;
        }
        sleep(Duration::from_secs(30)).await;
        let frames = client.work.frames.load(Relaxed);
        assert!(frames <= 20 * 32, "{layer:?}: {frames} frames of 16 KiB were taken");
    });
}

#[test]
fn bytes_that_arrive_at_once_are_read_to_their_end() {
    each(4 * SMALL, |layer| async move {
        let (near, far) = duplex(1 << 20);
        let handler = Handler::new(|request| async move {
            let _unread = request;
            pending().await
        });
        let _server = Server::on(layer, far, settings(), handler);
        let (mut reader, mut writer) = split(near);
        let start = [PREFACE, &frame(SETTINGS, 0, 0, &[])[..], &frame(SETTINGS, ACK, 0, &[])];
        writer.write_all(&start.concat()).await.expect("it is open");
        idle().await;
        // More than a turn reads, on streams with room for it.
        let mut bytes = request(1, WAIT, 0);
        for _ in 0..40 {
            bytes.extend(frame(DATA, 0, 1, &[0; 16 * 1024]));
        }
        bytes.extend(frame(PING, 0, 0, b"the last"));
        writer.write_all(&bytes).await.expect("it is open");
        let mut read = Vec::new();
        let pong = frame(PING, ACK, 0, b"the last");
        while !read.ends_with(&pong) {
            let more = timeout(Duration::from_secs(60), reader.read_buf(&mut read)).await;
            assert!(matches!(more, Ok(Ok(1..))), "{layer:?} does not answer the PING: {more:?}");
        }
    });
}
