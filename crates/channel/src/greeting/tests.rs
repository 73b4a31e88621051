use tokio::io::AsyncReadExt;

use super::*;

/// A stream with the greeting before it.
struct Greeted(Greeting, tokio_test::io::Mock);

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self(greeting, stream) = &mut *self;
        if greeting.is_over() {
            return Pin::new(stream).poll_read(cx, buffer);
        }
        greeting.poll_read(stream, cx, buffer)
    }
}

/// Returns the outcome if the server sends these pieces, and the bytes that HTTP/2 gets.
async fn greet(pieces: &[&[u8]]) -> (Result<(), String>, Vec<u8>) {
    let mut stream = tokio_test::io::Builder::new();
    for piece in pieces {
        stream.read(piece);
    }
    let (sender, outcome) = oneshot::channel();
    let mut greeted = Greeted(Greeting::new(sender), stream.build());
    let mut read = Vec::new();
    let mut byte = [0];
    // Byte by byte, because HTTP/2's buffer may be smaller than the greeting.
    while let Ok(1) = greeted.read(&mut byte).await {
        read.extend(byte);
    }
    (outcome.await.expect("an outcome"), read)
}

#[tokio::test]
async fn a_settings_frame_is_passed_on_with_the_bytes_after_it_in_any_pieces() {
    let bytes = b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64\0\0\0\x04\x01\0\0\0\0";
    for size in 1..=bytes.len() {
        let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
        assert_eq!(greet(&pieces).await, (Ok(()), bytes.to_vec()), "{size}");
    }
}

#[tokio::test]
async fn another_protocol_is_named_by_its_first_bytes_in_any_pieces() {
    for (bytes, problem) in [
        (
            &b"SSH-2.0-OpenSSH_9.6\r\n"[..],
            r#"the server speaks SSH, not HTTP/2: "SSH-2.0-OpenSSH_9.6""#,
        ),
        (
            b"-ERR unknown command 'PRI'\r\n",
            r#"the server speaks Redis's protocol, not HTTP/2: "-ERR unknown command \'PRI\'""#,
        ),
        (
            b"-DENIED Redis is running in protected mode\r\n",
            r#"the server speaks Redis's protocol, not HTTP/2: "-DENIED Redis is running in protected mode""#,
        ),
        (
            b"220 mail.test ESMTP Postfix\r\n",
            r#"the server speaks SMTP or FTP, not HTTP/2: "220 mail.test ESMTP Postfix""#,
        ),
        (b"J\0\0\0\x0a8.0.36\0", "the server speaks MySQL's protocol, not HTTP/2"),
        (b"E\0\0\0\xffj\x04Host is not allowed", "the server speaks MySQL's protocol, not HTTP/2"),
        (
            b"HTTP/1.1 404 Not Found\r\n",
            r#"the server speaks HTTP/1, not HTTP/2: "HTTP/1.1 404 Not Found""#,
        ),
        (
            b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.",
            r#"the server speaks HTTP/1, not HTTP/2: "HTTP/1.0 400 Bad Request" (pass --tls if it expects TLS)"#,
        ),
        (b"\x15\x03\x01\0\x02\x02\x46", "the server speaks TLS: pass --tls"),
        (b"hello\x1b\r\n", r#"the server does not speak HTTP/2: "hello\x1b""#),
        (
            b"\0\0\x08\x06\0\0\0\0\0abcdefgh",
            "the server begins HTTP/2 with PING instead of SETTINGS",
        ),
        (
            b"\0\0\x08\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0b",
            "the server begins HTTP/2 with GOAWAY instead of SETTINGS: ENHANCE_YOUR_CALM",
        ),
        (b"\0\0\0\x04\x01\0\0\0\0", "the server begins HTTP/2 with an acknowledgement of SETTINGS"),
        (b"\0\0\0\x04\0\0\0\0\x01", "the server begins HTTP/2 with SETTINGS of a stream"),
    ] {
        assert_eq!(greet(&[bytes]).await, (Err(problem.to_owned()), Vec::new()));
        // The first piece is too short to tell.
        let (outcome, read) = greet(&[&bytes[..3], &bytes[3..]]).await;
        assert_eq!((outcome, read), (Err(problem.to_owned()), Vec::new()));
    }
}

#[tokio::test]
async fn a_connection_that_ends_says_after_which_bytes() {
    let end = "the server closed the connection";
    assert_eq!(greet(&[]).await.0, Err(end.to_owned()));
    assert_eq!(greet(&[b"hm"]).await.0, Err(format!("{end} after \"hm\"")));
}
