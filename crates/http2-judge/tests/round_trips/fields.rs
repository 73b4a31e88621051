//! Random header fields.

use http::{HeaderMap, HeaderName, HeaderValue};
use http2_judge::choices::Choices;

/// The bytes of a random name after its prefix.
const NAME: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789-_.!#$%&'*+^`|~";

/// The part of a field's size beside its name and its value (RFC 9113, section 6.5.2).
const FIELD: usize = 32;

/// Returns fields whose header list has at most `most` bytes.
pub(crate) fn random(choices: &mut Choices<'_>, most: usize) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let mut left = most;
    // Sometimes a header block needs several frames.
    let (count, longest) = if choices.one_in(8) { (60, 3000) } else { (8, 60) };
    for _ in 0..choices.below(count) {
        let name = match choices.below(4) {
            // Names that come again, so that a name has several values.
            0 => (*choices.pick(&["x-one", "x-two", "accept", "grpc-timeout", "user-agent"]))
                .to_owned(),
            _ => name(choices),
        };
        let value = value(choices, longest);
        let size = FIELD + name.len() + value.len();
        if size > left {
            break;
        }
        left -= size;
        fields.append(HeaderName::from_bytes(name.as_bytes()).expect("a valid name"), value);
    }
    fields
}

fn name(choices: &mut Choices<'_>) -> String {
    // With its prefix, the name cannot be one that has a special meaning.
    let length = choices.within(1..=20);
    let rest = (0..length).map(|_| char::from(*choices.pick(NAME)));
    "x-".chars().chain(rest).collect()
}

fn value(choices: &mut Choices<'_>, longest: usize) -> HeaderValue {
    let length = choices.size(longest);
    // Bytes above 127 make a Huffman code longer than the text.
    let first_and_last = if choices.one_in(3) { 128..=255 } else { 33..=126 };
    let mut value: Vec<u8> = (0..length)
        .map(|_| u8::try_from(choices.within(first_and_last.clone())).expect("a byte"))
        .collect();
    if length > 2 && choices.one_in(4) {
        value[length / 2] = *choices.pick(b" \t");
    }
    let mut value = HeaderValue::from_bytes(&value).expect("a valid value");
    value.set_sensitive(choices.one_in(8));
    value
}
