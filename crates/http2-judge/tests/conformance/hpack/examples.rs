//! The examples of appendix C.

use super::{expect_entry, undecodable, with};
use crate::support::{Client, rfc7541};

/// Returns the bytes of hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| *byte != b' ').collect();
    let byte = |digits: &[u8]| {
        u8::from_str_radix(str::from_utf8(digits).expect("ASCII"), 16).expect("digits")
    };
    digits.chunks(2).map(byte).collect()
}

/// Sends the three requests of C.3 and C.4.
async fn three_requests(client: &mut Client, blocks: [&str; 3]) {
    let call = client.accepted(&bytes(blocks[0])).await;
    assert_eq!(call.method, "GET");
    assert_eq!(call.uri, "http://www.example.com/");
    assert!(call.headers.is_empty());
    let call = client.accepted(&bytes(blocks[1])).await;
    assert_eq!((call.method.as_str(), call.uri.path()), ("GET", "/"));
    assert_eq!(call.uri.authority().expect("an authority"), "www.example.com");
    assert_eq!(call.values("cache-control"), [b"no-cache"]);
    let call = client.accepted(&bytes(blocks[2])).await;
    assert_eq!(call.uri, "https://www.example.com/index.html");
    assert_eq!(call.values("custom-key"), [b"custom-value"]);
    expect_entry(client, 62, "custom-key", "custom-value").await;
    expect_entry(client, 63, "cache-control", "no-cache").await;
    undecodable(client, &[vec![0x80 | 65]]).await;
}

#[test]
fn the_integers_of_c_1_are_decoded() {
    rfc7541("C.1", async |server| {
        let mut client = server.open().await;
        // 10 and 1337 with a prefix of 5 bits, as table sizes.
        client.accepted(&[bytes("2a"), with(&[])].concat()).await;
        client.accepted(&[bytes("3f9a0a"), with(&[])].concat()).await;
        // 42 in a prefix of 7 bits, because no representation has 8: as an index, it is if-range.
        let call = client.accepted(&with(&[bytes("aa")])).await;
        assert_eq!(call.values("if-range"), [b""]);
    });
}

#[test]
fn the_literal_of_c_2_1_is_decoded_and_indexed() {
    rfc7541("C.2.1", async |server| {
        let mut client = server.open().await;
        let field = bytes("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572");
        let call = client.accepted(&with(&[field])).await;
        assert_eq!(call.values("custom-key"), [b"custom-header"]);
        expect_entry(&mut client, 62, "custom-key", "custom-header").await;
    });
}

#[test]
fn the_literal_of_c_2_2_is_decoded_and_not_indexed() {
    rfc7541("C.2.2", async |server| {
        let mut client = server.open().await;
        let path = bytes("040c 2f73 616d 706c 652f 7061 7468");
        let call = client.accepted(&[vec![0x83, 0x86], path].concat()).await;
        assert_eq!(call.uri.path(), "/sample/path");
        undecodable(&mut client, &[vec![0xbe]]).await;
    });
}

#[test]
fn the_literal_of_c_2_3_is_decoded_and_not_indexed() {
    rfc7541("C.2.3", async |server| {
        let mut client = server.open().await;
        let field = bytes("1008 7061 7373 776f 7264 0673 6563 7265 74");
        let call = client.accepted(&with(&[field])).await;
        assert_eq!(call.values("password"), [b"secret"]);
        undecodable(&mut client, &[vec![0xbe]]).await;
    });
}

#[test]
fn the_indexed_field_of_c_2_4_is_decoded() {
    rfc7541("C.2.4", async |server| {
        let mut client = server.open().await;
        let call = client.accepted(&bytes("82 86 84")).await;
        assert_eq!(call.method, "GET");
    });
}

#[test]
fn the_requests_of_c_3_are_decoded() {
    rfc7541("C.3", async |server| {
        let mut client = server.open().await;
        let blocks = [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ];
        three_requests(&mut client, blocks).await;
    });
}

#[test]
fn the_requests_of_c_4_are_decoded() {
    rfc7541("C.4", async |server| {
        let mut client = server.open().await;
        let blocks = [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ];
        three_requests(&mut client, blocks).await;
    });
}

/// Sends the fields of the three responses of C.5 and C.6 as trailers and headers of requests.
/// `:status` is renamed to `x-statu`, because a request must not have it.
async fn three_responses(client: &mut Client, blocks: [&str; 3]) {
    client.accepted(&[bytes("3fe1 01"), with(&[])].concat()).await;
    let date = b"Mon, 21 Oct 2013 20:13:21 GMT";
    let call = client.accepted(&with(&[bytes(blocks[0])])).await;
    assert_eq!(call.values("x-statu"), [b"302"]);
    assert_eq!(call.values("cache-control"), [b"private"]);
    assert_eq!(call.values("date"), [date]);
    assert_eq!(call.values("location"), [b"https://www.example.com"]);
    let call = client.accepted(&with(&[bytes(blocks[1])])).await;
    assert_eq!(call.values("x-statu"), [b"307"]);
    assert_eq!(call.values("cache-control"), [b"private"]);
    assert_eq!(call.values("date"), [date]);
    assert_eq!(call.values("location"), [b"https://www.example.com"]);
    let call = client.accepted(&with(&[bytes(blocks[2])])).await;
    assert_eq!(call.values("cache-control"), [b"private"]);
    assert_eq!(call.values("date"), [b"Mon, 21 Oct 2013 20:13:22 GMT"]);
    assert_eq!(call.values("location"), [b"https://www.example.com"]);
    assert_eq!(call.values("content-encoding"), [b"gzip"]);
    let cookie = b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
    assert_eq!(call.values("set-cookie"), [cookie]);
    let call = client.accepted(&with(&[vec![0xbe, 0xbf, 0xc0]])).await;
    assert_eq!(call.values("set-cookie"), [cookie]);
    assert_eq!(call.values("content-encoding"), [b"gzip"]);
    assert_eq!(call.values("date"), [b"Mon, 21 Oct 2013 20:13:22 GMT"]);
    undecodable(client, &[vec![0xc1]]).await;
}

#[test]
fn the_fields_of_c_5_are_decoded_and_evicted() {
    rfc7541("C.5", async |server| {
        let mut client = server.open().await;
        let blocks = [
            "4007 782d 7374 6174 7503 3330 32 5807 7072 6976 6174 65 611d 4d6f 6e2c 2032 3120 4f63 \
             7420 3230 3133 2032 303a 3133 3a32 3120 474d 54 6e17 6874 7470 733a 2f2f 7777 772e \
             6578 616d 706c 652e 636f 6d",
            "4007 782d 7374 6174 7503 3330 37 c1c0 bf",
            "c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54 \
             c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 \
             5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31",
        ];
        three_responses(&mut client, blocks).await;
    });
}

#[test]
fn the_fields_of_c_6_are_decoded_and_evicted() {
    rfc7541("C.6", async |server| {
        let mut client = server.open().await;
        let blocks = [
            "4007 782d 7374 6174 75 82 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 \
             0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4007 782d 7374 6174 75 83 640e ff c1c0 bf",
            "c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad \
             94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 \
             65c0 03ed 4ee5 b106 3d50 07",
        ];
        three_responses(&mut client, blocks).await;
    });
}
