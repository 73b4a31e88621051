//! Compression of messages (compression.md of gRPC).

use std::io::{Read, Write};

use bytes::{Bytes, BytesMut};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{cause::Cause, config::Responses, encoding::Encoding};

pub(crate) const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");

/// zstd's own default level.
const ZSTD_LEVEL: i32 = 3;

/// Returns the encoding of the messages of a request, or `None` for identity.
///
/// # Errors
///
/// Returns [`Cause::UnknownEncoding`] if `grpc-encoding` names another one.
pub(crate) fn request_encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Cause> {
    let Some(name) = headers.get(&ENCODING).map(HeaderValue::as_bytes) else { return Ok(None) };
    if name == b"identity" {
        return Ok(None);
    }
    let unknown = || Cause::UnknownEncoding(String::from_utf8_lossy(name).into_owned());
    Encoding::named(name).map(Some).ok_or_else(unknown)
}

/// Returns the encoding for the messages of the response to a request with these headers,
/// whose messages have the encoding `request`.
///
/// Many clients accept compressed responses by default, and pay for each of them. So
/// only a client that compresses its requests gets them, unless `responses` says
/// otherwise.
pub(crate) fn response_encoding(
    headers: &HeaderMap,
    request: Option<Encoding>,
    responses: Responses,
) -> Option<Encoding> {
    let wanted = match responses {
        Responses::Never => false,
        Responses::Always => true,
        Responses::Mirror => request.is_some(),
    };
    if !wanted {
        return None;
    }
    let accepted = headers.get(&ACCEPT_ENCODING)?.as_bytes();
    accepted.split(|&byte| byte == b',').find_map(|name| Encoding::named(name.trim_ascii()))
}

/// Returns the decompressed message.
///
/// # Errors
///
/// Returns [`Cause::InflatedTooLarge`] if it has more than `limit` bytes, of which no more
/// are decompressed, or [`Cause::MalformedMessage`] if it is not valid.
pub(crate) fn decompress(encoding: Encoding, message: &[u8], limit: usize) -> Result<Bytes, Cause> {
    let mut inflated = Vec::new();
    let most = limit as u64 + 1;
    let read = match encoding {
        Encoding::Gzip => GzDecoder::new(message).take(most).read_to_end(&mut inflated),
        Encoding::Zstd => zstd::Decoder::with_buffer(message)
            .and_then(|decoder| decoder.take(most).read_to_end(&mut inflated)),
    };
    let malformed = |error| Cause::MalformedMessage(format!("cannot decompress: {error}"));
    read.map_err(malformed)?;
    if inflated.len() > limit {
        return Err(Cause::InflatedTooLarge { compressed: message.len(), limit });
    }
    Ok(inflated.into())
}

/// Appends the compressed message to `out`.
pub(crate) fn compress(encoding: Encoding, message: &[u8], out: &mut BytesMut) {
    let mut compressed = Vec::with_capacity(message.len() / 2 + 64);
    let written = match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(&mut compressed, Compression::new(6));
            encoder.write_all(message).and_then(|()| encoder.finish().map(drop))
        }
        Encoding::Zstd => {
            zstd::Encoder::new(&mut compressed, ZSTD_LEVEL).and_then(|mut encoder| {
                encoder.write_all(message)?;
                encoder.finish().map(drop)
            })
        }
    };
    written.expect("memory takes everything that is written");
    out.extend_from_slice(&compressed);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(encoding: Option<&'static str>, accept: Option<&'static str>) -> HeaderMap {
        let pairs = [(ENCODING, encoding), (ACCEPT_ENCODING, accept)];
        let values =
            pairs.into_iter().filter_map(|(name, value)| Some((name, value?.parse().ok()?)));
        values.collect()
    }

    #[test]
    fn a_message_is_the_same_after_compression_and_back() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            for message in [&b""[..], b"a", &[7; 100_000]] {
                let mut out = BytesMut::new();
                compress(encoding, message, &mut out);
                assert_eq!(decompress(encoding, &out, message.len()), Ok(message.to_vec().into()));
            }
        }
    }

    #[test]
    fn no_more_than_the_limit_is_decompressed() {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let mut out = BytesMut::new();
            compress(encoding, &[0; 1000], &mut out);
            let refused = Err(Cause::InflatedTooLarge { compressed: out.len(), limit: 999 });
            assert_eq!(decompress(encoding, &out, 999), refused);
            assert!(matches!(
                decompress(encoding, b"nonsense", 999),
                Err(Cause::MalformedMessage(_))
            ));
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
}
