//! The names of fields (RFC 9113, section 8.2.1).

use http2_judge::frame::{literal, post};

use crate::support::{Start, rfc9113};

/// Expects that a request with a field of this name is malformed.
async fn malformed(server: Start, name: &[u8]) {
    let mut client = server.open().await;
    client.malformed(&[post("/", &[]), literal(name, "value")].concat()).await;
}

#[test]
fn an_upper_case_name_is_malformed() {
    rfc9113("8.2.1", async |server| {
        for name in ["X-Name", "x-namE", "X"] {
            malformed(server.clone(), name.as_bytes()).await;
        }
    });
}

#[test]
fn an_empty_name_is_malformed() {
    rfc9113("8.2.1", async |server| malformed(server, b"").await);
}

#[test]
fn a_name_with_a_control_character_or_a_space_is_malformed() {
    rfc9113("8.2.1", async |server| {
        for byte in (0..=0x20).chain([0x7f]) {
            for name in [vec![b'x', byte, b'y'], vec![b'x', byte], vec![byte, b'x']] {
                malformed(server.clone(), &name).await;
            }
        }
    });
}

#[test]
fn a_name_with_a_byte_above_0x7f_is_malformed() {
    rfc9113("8.2.1", async |server| {
        for byte in 0x80..=0xff {
            malformed(server.clone(), &[b'x', byte]).await;
        }
    });
}

#[test]
fn a_name_with_a_colon_inside_is_malformed() {
    rfc9113("8.2.1", async |server| {
        for name in ["x:name", "x:", "::"] {
            malformed(server.clone(), name.as_bytes()).await;
        }
    });
}

#[test]
fn a_name_of_every_character_of_a_token_is_accepted() {
    rfc9113("8.2.1", async |server| {
        let name = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
        let mut client = server.open().await;
        let call = client.accepted(&post("/", &[(name, "value")])).await;
        assert_eq!(call.values(name), [b"value"]);
    });
}

#[test]
fn a_long_name_is_accepted() {
    rfc9113("8.2.1", async |server| {
        let name = "n".repeat(5000);
        let mut client = server.open().await;
        let call = client.accepted(&post("/", &[(&name, "value")])).await;
        assert_eq!(call.values(&name), [b"value"]);
    });
}
