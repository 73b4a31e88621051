//! Fields that are for one connection (RFC 9113, section 8.2.2).

use http2_judge::frame::post;

use crate::support::{Start, rfc9113};

/// Expects that a request with this field is malformed.
async fn malformed(server: Start, name: &str, value: &str) {
    let mut client = server.open().await;
    client.malformed(&post("/", &[(name, value)])).await;
}

#[test]
fn connection_is_malformed() {
    rfc9113("8.2.2", async |server| malformed(server, "connection", "keep-alive").await);
}

#[test]
fn proxy_connection_is_malformed() {
    rfc9113("8.2.2", async |server| malformed(server, "proxy-connection", "close").await);
}

#[test]
fn keep_alive_is_malformed() {
    rfc9113("8.2.2", async |server| malformed(server, "keep-alive", "timeout=5").await);
}

#[test]
fn transfer_encoding_is_malformed() {
    rfc9113("8.2.2", async |server| malformed(server, "transfer-encoding", "chunked").await);
}

#[test]
fn upgrade_is_malformed() {
    rfc9113("8.2.2", async |server| malformed(server, "upgrade", "h2c").await);
}

#[test]
fn te_with_another_value_than_trailers_is_malformed() {
    rfc9113("8.2.2", async |server| {
        for value in ["gzip", "trailers, gzip", "trailers, deflate;q=0.5"] {
            malformed(server.clone(), "te", value).await;
        }
    });
}

#[test]
fn te_with_trailers_is_accepted() {
    rfc9113("8.2.2", async |server| {
        let mut client = server.open().await;
        let call = client.accepted(&post("/", &[("te", "trailers")])).await;
        assert_eq!(call.values("te"), [b"trailers"]);
    });
}
