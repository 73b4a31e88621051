//! HTTP/1.1 and HTTP/2 over TLS.

use tempfile::TempDir;

use crate::support::{certificates::Authority, in_process::InProcess, tls::Client, web::Http1};

#[tokio::test]
async fn http_1_is_served_to_clients_that_offer_no_http_2() {
    let (authority, folder) = (Authority::new("authority"), TempDir::new().expect("a folder"));
    let (certificate, key) = authority.server().issue().write(folder.path());
    let server = InProcess::start(&[("tls.certificate", &certificate), ("tls.key", &key)]).await;
    for protocols in [&["http/1.1"][..], &["h3", "http/1.1"], &[]] {
        let client = Client::new(authority.pem()).protocols(protocols);
        let tls = client.connect(&server.address).await.expect("a handshake");
        let chosen = tls.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
        assert_eq!(chosen.as_deref(), (!protocols.is_empty()).then_some(&b"http/1.1"[..]));
        let mut client = Http1::new(tls);
        for _ in 0..2 {
            client.call("", r#"{"message":"hi"}"#).await;
            assert_eq!(client.response().await.body, r#"{"reply":"reply for hi"}"#);
        }
    }
    // A client that offers both gets HTTP/2.
    let client = Client::new(authority.pem()).protocols(&["http/1.1", "h2"]);
    let tls = client.connect(&server.address).await.expect("a handshake");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
}
