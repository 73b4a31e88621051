//! The first bytes of servers.

use channel::{Channel, Failure};
use tokio::io::AsyncWriteExt;

use crate::support::{listen, target};

/// Returns why a channel cannot connect to a server that sends these bytes on each connection.
async fn problem(says: &'static [u8]) -> String {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let mut connections = Vec::new();
        loop {
            let (mut tcp, _) = listener.accept().await.expect("a client");
            tcp.write_all(says).await.expect("it is open");
            connections.push(tcp);
        }
    });
    match Channel::new(&target(&address)).connected().await {
        Err(Failure::Connect { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn another_protocol_is_named_while_its_server_waits() {
    assert_eq!(
        problem(b"SSH-2.0-OpenSSH_9.6\r\n").await,
        r#"the server speaks SSH, not HTTP/2: "SSH-2.0-OpenSSH_9.6""#
    );
}

#[tokio::test]
async fn goaway_straight_after_settings_is_the_reason_for_a_failed_connection() {
    // SETTINGS, and GOAWAY with ENHANCE_YOUR_CALM and debug data.
    let says = b"\0\0\0\x04\0\0\0\0\0\0\0\x16\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0btoo_many_pings";
    assert_eq!(
        problem(says).await,
        "the server sent GOAWAY before any response: ENHANCE_YOUR_CALM, detected excessive load \
         generating behavior (b\"too_many_pings\")"
    );
}
