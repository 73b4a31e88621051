//! Header blocks for the decoder and the encoder of the own layer. The judge's decoder checks them.

use allocation_counter::measure;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http2::fuzzing::{self, Decoded};
use http2_judge::{
    choices::Choices,
    frame::{CONTINUATION, HEADERS, PADDED, PRIORITY_FLAG},
    hpack::{self, encode},
};

use crate::frames::split;

/// The most blocks of a connection.
const MOST: usize = 100;

/// Errors of the judge's decoder that the own layer's does not have, because it allows more.
const STRICTER: [&str; 2] = ["an integer is too long", "more than two size updates"];

/// The fields that no request may have (RFC 9113, section 8.2.2).
const CONNECTION_FIELDS: [&[u8]; 5] =
    [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"];

/// Returns the header blocks of frames.
pub fn blocks_of_frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for frame in split(bytes) {
        let [_, _, _, kind, flags, _, _, _, _, payload @ ..] = frame else { continue };
        match *kind {
            HEADERS => {
                let skipped = [(PADDED, 1), (PRIORITY_FLAG, 5)];
                let skipped = skipped.iter().filter(|(flag, _)| flags & flag != 0);
                let start = skipped.map(|(_, length)| length).sum();
                blocks.push(payload.get(start..).unwrap_or_default().to_vec());
            }
            CONTINUATION => {
                if let Some(block) = blocks.last_mut() {
                    block.extend(payload);
                }
            }
            _ => {}
        }
    }
    blocks
}

/// Reads any bytes as blocks, each after a byte with its length.
pub fn raw_blocks(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    while let Some((length, rest)) = bytes.split_first()
        && blocks.len() < MOST
    {
        let (block, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        blocks.push(block.to_vec());
        bytes = rest;
    }
    blocks
}

/// Returns blocks whose representations are mostly valid.
pub fn chosen_blocks(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut choices = Choices::bytes(bytes);
    let mut blocks = Vec::new();
    while !matches!(choices, Choices::Bytes([])) && blocks.len() < MOST {
        let mut block = Vec::new();
        for _ in 0..choices.below(3) * choices.below(2) {
            block.extend(encode::size_update(*choices.pick(&[0, 31, 64, 200, 4096, 4097])));
        }
        for _ in 0..choices.below(8) {
            block.extend(representation(&mut choices));
        }
        blocks.push(block);
    }
    blocks
}

fn representation(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(16) {
        0..3 => encode::indexed(choices.below(140)),
        3..6 => encode::insert(name(choices), value(choices)),
        6..9 => encode::insert_at(choices.below(90), value(choices)),
        9 => encode::literal_at(choices.below(90), value(choices)),
        10 => encode::never_at(choices.below(90), value(choices)),
        11 => encode::never(name(choices), value(choices)),
        12 => {
            [vec![0x40], encode::huffman(name(choices)), encode::huffman(value(choices))].concat()
        }
        13 => [vec![0x41], encode::coded(&raw(choices))].concat(),
        14 => encode::size_update(choices.below(5000)),
        _ => raw(choices),
    }
}

fn raw(choices: &mut Choices<'_>) -> Vec<u8> {
    (0..choices.below(12)).map(|_| choices.byte()).collect()
}

fn name(choices: &mut Choices<'_>) -> Vec<u8> {
    const NAMES: [&str; 18] = [
        "a",
        "te",
        ":path",
        ":method",
        ":scheme",
        ":authority",
        ":status",
        "connection",
        "content-length",
        "cookie",
        "grpc-timeout",
        "host",
        "Upper",
        "x y",
        "",
        "x-one",
        "x-two",
        "x-three",
    ];
    if choices.one_in(8) { raw(choices) } else { choices.pick(&NAMES).as_bytes().to_vec() }
}

fn value(choices: &mut Choices<'_>) -> Vec<u8> {
    const VALUES: [&str; 15] = [
        "",
        "trailers",
        "/",
        "*",
        "/a?b#c",
        "http",
        "HTTPS",
        "POST",
        "host:80",
        " a",
        "a\t",
        "é",
        "a b",
        "[::1]:80",
        "user@host",
    ];
    match choices.below(8) {
        0 => raw(choices),
        1 => vec![b'v'; choices.size(4200)],
        _ => choices.pick(&VALUES).as_bytes().to_vec(),
    }
}

/// Decodes the blocks of one connection with both decoders.
///
/// # Panics
///
/// Panics if they do not agree, or if the own layer's decoder needs too much memory.
pub fn decode(blocks: &[Vec<u8>]) {
    let (mut ours, mut judges) = (fuzzing::Decoder::default(), hpack::Decoder::default());
    for block in blocks {
        let expected = judges.decode(block);
        let mut fields = Vec::new();
        let mut number = 0;
        let decoded = ours.decode(block, |field| {
            if let Some(Some((name, value))) = expected.as_ref().ok().map(|all| all.get(number)) {
                check_field(field, name, value);
            }
            number += 1;
            fields.push(field.size);
        });
        match (&expected, decoded) {
            (Ok(expected), Ok(())) => {
                let sizes: Vec<usize> =
                    expected.iter().map(|(name, value)| name.len() + value.len() + 32).collect();
                assert_eq!(fields, sizes, "the sizes of the fields of {block:02x?}");
            }
            (Err(_), Err(_)) => break,
            (Err(error), Ok(())) if STRICTER.iter().any(|at| error.contains(at)) => break,
            (expected, decoded) => {
                panic!("{block:02x?}: the judge has {expected:?}, the layer {decoded:?}")
            }
        }
    }
    // The static tables are not counted, because they were allocated above.
    let mut left = None;
    let used = measure(|| {
        let mut decoder = fuzzing::Decoder::default();
        for block in blocks {
            if decoder.decode(block, |_| {}).is_err() {
                break;
            }
        }
        left = Some(decoder);
    });
    let longest = blocks.iter().map(Vec::len).max().unwrap_or(0) as u64;
    // 128 entries of the dynamic table, and one string, encoded and decoded.
    assert!(used.bytes_max < 64 * 1024 + 8 * longest, "{used:?} for {longest} bytes");
    assert!(used.bytes_current < 64 * 1024, "{used:?} at the end");
}

/// Checks a field as the layer has parsed it.
fn check_field(field: Decoded<'_>, name: &[u8], value: &[u8]) {
    let text = || format!("{}: {}", name.escape_ascii(), value.escape_ascii());
    let is_pseudo = [&b":method"[..], b":scheme", b":authority", b":path"].contains(&name);
    // A quotation mark is not allowed in a token, but the http crate accepts it, and RFC 9113
    // (section 8.2.1) does not forbid that.
    let is_token = |byte: &u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!\"#$%&'*+-.^_`|~".contains(byte)
    };
    let is_header =
        !name.is_empty() && name.iter().all(is_token) && !CONNECTION_FIELDS.contains(&name);
    if !is_pseudo && !is_header {
        assert_eq!(field.name, None, "{}", text());
        return;
    }
    assert_eq!(field.name.map(str::as_bytes), Some(name), "{}", text());
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_text = value.iter().all(|byte| matches!(byte, b'\t' | b' '..=0x7e | 0x80..))
        && !is_space(value.first())
        && !is_space(value.last());
    let path = http::uri::PathAndQuery::try_from(value);
    let expected = match name {
        b":method" => Method::from_bytes(value).is_ok().then_some(value),
        b":scheme" => http::uri::Scheme::try_from(value).is_ok().then_some(value),
        b":path" if value.starts_with(b"/") || value == b"*" => {
            path.as_ref().ok().map(|path| path.as_str().as_bytes())
        }
        b":path" => None,
        b"te" => (value == b"trailers").then_some(value),
        _ => is_text.then_some(value),
    };
    match (expected, field.value) {
        (Some(expected), Some(value)) => {
            assert!(expected.eq_ignore_ascii_case(value), "{}: {value:02x?}", text());
            assert!(name == b":scheme" || expected == value, "{}: {value:02x?}", text());
        }
        (expected, value) => assert_eq!(expected, value, "{}", text()),
    }
}

/// Encodes the header maps that these bytes choose, and decodes them with both decoders.
///
/// # Panics
///
/// Panics if the decoded fields differ.
pub fn round_trip(bytes: &[u8]) {
    let mut choices = Choices::bytes(bytes);
    let mut encoder = fuzzing::Encoder::default();
    let (mut ours, mut judges) = (fuzzing::Decoder::default(), hpack::Decoder::default());
    let mut blocks = 0;
    while !matches!(choices, Choices::Bytes([])) && blocks < MOST {
        blocks += 1;
        for _ in 0..choices.below(4).saturating_sub(1) {
            let limit = *choices.pick(&[0, 1, 50, 100, 1000, 4095, 4096, 4097, 1 << 20]);
            encoder.set_limit(limit);
            judges.limit(limit);
        }
        let headers = header_map(&mut choices);
        let mut expected = Vec::new();
        let block = if choices.below(2) == 0 {
            let status = StatusCode::from_u16(*choices.pick(&[200, 204, 404, 500, 418, 999]));
            let status = status.expect("it is valid");
            expected.push((b":status".to_vec(), status.as_str().as_bytes().to_vec()));
            encoder.head(status, &headers)
        } else {
            encoder.trailers(&headers)
        };
        let fields = headers.iter();
        let fields = fields.map(|(name, value)| (name.as_str().into(), value.as_bytes().to_vec()));
        expected.extend(fields);
        assert_eq!(judges.decode(&block).as_ref(), Ok(&expected), "{block:02x?}");
        let mut number = 0;
        let decoded = ours.decode(&block, |field| {
            let (name, value) = &expected[number];
            number += 1;
            // The own layer's decoder is for requests, which have no status.
            if name != b":status" {
                check_field(field, name, value);
            }
        });
        assert_eq!((decoded, number), (Ok(()), expected.len()), "{block:02x?}");
    }
}

fn header_map(choices: &mut Choices<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for _ in 0..choices.below(10) {
        let Ok(name) = HeaderName::from_bytes(&name(choices)) else { continue };
        let Ok(mut value) = HeaderValue::from_bytes(&value(choices)) else { continue };
        value.set_sensitive(choices.one_in(6));
        headers.append(name, value);
    }
    headers
}
