use std::time::Duration;

use tokio::time::sleep;

use super::*;
use crate::testing;

fn headers(encoding: Option<&'static str>, accept: Option<&'static str>) -> HeaderMap {
    let pairs = [(ENCODING, encoding), (ACCEPT_ENCODING, accept)];
    let values = pairs.into_iter().filter_map(|(name, value)| Some((name, value?.parse().ok()?)));
    values.collect()
}

const BOTH: [Encoding; 2] = [Encoding::Gzip, Encoding::Zstd];

/// Returns the compressed message without its prefix.
async fn compressed(encoding: Encoding, message: &[u8]) -> Bytes {
    Bytes::from(compress(encoding, message.to_vec()).await).slice(PREFIX..)
}

/// Returns a frame of zstd without a content size that asks for this window, and contains
/// one byte (RFC 8878, 3.1.1).
fn frame_with_window(log: u8) -> Bytes {
    let (descriptor, window) = (0, (log - 10) << 3);
    let block = [0b0000_1001, 0, 0, b'x'];
    [&[0x28, 0xb5, 0x2f, 0xfd, descriptor, window][..], &block].concat().into()
}

#[tokio::test]
async fn a_message_is_the_same_after_compression_and_back() {
    for encoding in BOTH {
        for message in [&b""[..], b"a", &[7; 100_000], &[7; 10_000_000]] {
            let out = compressed(encoding, message).await;
            let back = decompress(encoding, out, &testing::call_with_limit(message.len()))
                .await
                .expect("it is valid");
            assert_eq!(back[..PREFIX], prefix(NOT_COMPRESSED, message.len()));
            assert_eq!(back[PREFIX..], *message);
        }
    }
}

#[tokio::test]
async fn no_more_than_the_limit_is_decompressed() {
    for encoding in BOTH {
        for size in [1000, 1_000_000] {
            let (out, limit) = (compressed(encoding, &vec![0; size]).await, size - 1);
            let refused = Err(Cause::InflatedTooLarge { compressed: out.len(), limit });
            assert_eq!(decompress(encoding, out, &testing::call_with_limit(limit)).await, refused);
        }
        let malformed =
            decompress(encoding, Bytes::from_static(b"nonsense"), &testing::call_with_limit(999))
                .await;
        assert!(matches!(malformed, Err(Cause::MalformedMessage(_))), "{malformed:?}");
    }
}

/// Waits until the thread may compute in place again, and returns whether it did the work in place.
async fn is_in_place<L, R>(work: impl FnOnce() -> Either<L, R>) -> bool {
    sleep(Duration::from_secs(1)).await;
    matches!(work(), Either::Left(_))
}

#[tokio::test(start_paused = true)]
async fn more_than_64_kib_of_input_or_output_go_to_another_thread() {
    const LIMIT: usize = compute::MAX_IN_PLACE;
    for encoding in BOTH {
        for (size, expected) in [(LIMIT, true), (LIMIT + 1, false)] {
            let message = vec![0; size];
            let small = compressed(encoding, &message).await;
            assert!(small.len() < 1024);
            assert_eq!(is_in_place(|| compress(encoding, message)).await, expected);
            assert_eq!(
                is_in_place(|| decompress(encoding, small, &testing::call_with_limit(1 << 22)))
                    .await,
                expected
            );
        }
        // Random bytes cannot be compressed.
        let random: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(LIMIT).collect();
        let large = compressed(encoding, &random).await;
        assert!(large.len() > LIMIT);
        assert!(
            !is_in_place(|| decompress(encoding, large, &testing::call_with_limit(LIMIT))).await
        );
    }
}

#[tokio::test(start_paused = true)]
async fn many_small_messages_at_once_go_to_another_thread_too() {
    for encoding in BOTH {
        let message = compressed(encoding, &[0; 10_000]).await;
        sleep(Duration::from_secs(1)).await;
        let works = (0..20)
            .map(|_| decompress(encoding, message.clone(), &testing::call_with_limit(1 << 22)));
        let in_place = works.filter(|work| matches!(work, Either::Left(_))).count();
        assert!((1..=7).contains(&in_place), "{in_place}");
    }
}

#[tokio::test]
async fn a_frame_of_zstd_may_ask_for_a_window_of_8_mib_or_of_a_message() {
    for (limit, log, expected) in [
        (4 << 20, 23, Ok(())),
        (4 << 20, 24, Err(Cause::WindowTooLarge { limit: 8 << 20 })),
        (4 << 20, 27, Err(Cause::WindowTooLarge { limit: 8 << 20 })),
        (9 << 20, 24, Ok(())),
        (9 << 20, 25, Err(Cause::WindowTooLarge { limit: 16 << 20 })),
        (1000, 31, Err(Cause::WindowTooLarge { limit: 8 << 20 })),
    ] {
        let decompressed =
            decompress(Encoding::Zstd, frame_with_window(log), &testing::call_with_limit(limit))
                .await;
        let expected = expected.map(|()| Bytes::from_static(&[0, 0, 0, 0, 1, b'x']));
        assert_eq!(decompressed, expected, "{limit} {log}");
    }
}

#[test]
fn a_response_is_compressed_as_the_setting_and_the_client_ask() {
    let (gzip, zstd) = (Some(Encoding::Gzip), Some(Encoding::Zstd));
    for (responses, encoding, accept, expected) in [
        (Responses::Mirror, None, Some("gzip"), None),
        (Responses::Mirror, Some("identity"), Some("gzip"), None),
        (Responses::Mirror, Some("gzip"), Some("identity, zstd,gzip"), zstd),
        (Responses::Mirror, Some("gzip"), Some("deflate,gzip"), gzip),
        (Responses::Mirror, Some("gzip"), None, None),
        (Responses::Always, None, Some("identity,gzip"), gzip),
        (Responses::Always, None, None, None),
        (Responses::Never, Some("gzip"), Some("gzip"), None),
    ] {
        let headers = headers(encoding, accept);
        let request = request_encoding(&headers).expect("it is supported");
        assert_eq!(response_encoding(&headers, request, responses), expected, "{headers:?}");
    }
}

#[test]
fn an_unknown_encoding_of_a_request_is_an_error() {
    let of = |encoding| request_encoding(&headers(encoding, None));
    assert_eq!(of(None), Ok(None));
    assert_eq!(of(Some("identity")), Ok(None));
    assert_eq!(of(Some("zstd")), Ok(Some(Encoding::Zstd)));
    assert_eq!(of(Some("br")), Err(Cause::UnknownEncoding("br".to_owned())));
}
