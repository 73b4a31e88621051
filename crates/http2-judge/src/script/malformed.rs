//! Requests that are malformed (RFC 9113, section 8.1.1), and header blocks that cannot be
//! decoded (section 4.3).

use super::{
    block::Block,
    request,
    step::{State, Step},
};
use crate::{
    choices::Choices,
    deviations::Deviation,
    frame::{END_HEADERS, integer, literal},
};

/// Returns a malformed request.
pub(super) fn request(choices: &mut Choices<'_>, state: &mut State) -> Step {
    let is_end = choices.one_in(2);
    let stream = state.open(is_end);
    let mut pseudo = request::pseudo(choices, stream);
    let mut fields: Vec<(String, String)> = vec![("x-one".to_owned(), "1".to_owned())];
    let mut field = |name: &str, value: &str| fields.push((name.to_owned(), value.to_owned()));
    let mut may_differ = None;
    let text = match choices.below(17) {
        0 => {
            let missing = choices.below(3);
            format!("without {}", pseudo.remove(missing).0)
        }
        1 => {
            let twice = choices.pick(&pseudo).clone();
            pseudo.push(twice);
            "a pseudo-header field twice".to_owned()
        }
        2 => {
            pseudo.push((choices.text(&[":status", ":other", ":", ":protocol"]), "200".to_owned()));
            "another pseudo-header field".to_owned()
        }
        3 => {
            pseudo[2].1.clear();
            "an empty path".to_owned()
        }
        4 => {
            field(":authority", "test");
            "a pseudo-header field at the end".to_owned()
        }
        5 => {
            field(choices.text(&["X-Upper", "x upper", "", "x:y", "x\0", "x\u{e9}"]), "value");
            "a bad name".to_owned()
        }
        6 => {
            field("x-value", choices.text(&["a\nb", "a\rb", "a\0b", "\n"]));
            "a bad value".to_owned()
        }
        7 => {
            let names =
                ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
            field(choices.text(&names), "value");
            "a field of a connection".to_owned()
        }
        8 => {
            field("te", choices.text(&["gzip", "trailers, gzip", ""]));
            "another te".to_owned()
        }
        9 => {
            let length = choices.text(&["99999", "-1", "x", "", "1, 1", "+5"]);
            may_differ = length.is_empty().then_some(Deviation::EmptyLength);
            field("content-length", length);
            "a bad content-length".to_owned()
        }
        10 => {
            may_differ = Some(Deviation::Authority);
            pseudo[3].1 = choices.text(&["user@test", "a b", "", "test:port", "/"]).to_owned();
            "another authority".to_owned()
        }
        11 => {
            may_differ = Some(Deviation::WhiteSpace);
            field("x-space", choices.text(&[" a", "a ", "\ta", " "]));
            "a value with white space around it".to_owned()
        }
        12 => {
            may_differ = Some(Deviation::Path);
            pseudo[2].1 =
                choices.text(&["*", "no-slash", "http://test/", "/a b", "/#f"]).to_owned();
            "another path".to_owned()
        }
        13 => {
            may_differ = Some(Deviation::MethodOrScheme);
            pseudo[0].1 = choices.text(&["CONNECT", "", "G T", "OPTIONS"]).to_owned();
            "another method".to_owned()
        }
        14 => {
            may_differ = Some(Deviation::MethodOrScheme);
            pseudo[1].1 = choices.text(&["ftp", "", "h ttp", "1"]).to_owned();
            "another scheme".to_owned()
        }
        _ => return undecodable(choices, stream, is_end),
    };
    let mut block = Block::default();
    for (name, value) in &pseudo {
        block.field(choices, state, name, value);
    }
    for (name, value) in &fields {
        block.0.extend(literal(name, value));
    }
    let bytes = block.frames(choices, stream, is_end);
    if bytes[4] & END_HEADERS == 0 {
        may_differ = may_differ.or(Some(Deviation::SplitBlock));
    }
    let text = format!("request {stream} with {text} {pseudo:?} {fields:?}");
    let may_differ = may_differ.map(|deviation| (stream, deviation)).into_iter().collect();
    Step { may_differ, ..Step::new(text, bytes) }
}

/// Returns a header block that is an error of the connection (section 4.3).
fn undecodable(choices: &mut Choices<'_>, stream: u32, is_end: bool) -> Step {
    let cases: [(&str, &[u8]); 8] = [
        ("index 0", &[0x80]),
        ("an index behind the tables", &[0xff, 0xff, 0x7f]),
        ("an integer without an end", &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
        ("a literal that is cut", &[0, 5, b'x']),
        ("a table size above the limit", &[0x3f, 0xff, 0xff, 0x7f]),
        ("a table size after a field", &[0x82, 0x20]),
        ("a Huffman code with wrong padding", &[0, 1, b'x', 0x81, 0]),
        ("a Huffman code with EOS", &[0, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff]),
    ];
    let (text, bytes) = *choices.pick(&cases);
    let mut block = Block(bytes.to_vec(), 0);
    if choices.one_in(3) {
        integer(&mut block.0, 0x80, 7, 2);
    }
    let bytes = block.frames(choices, stream, is_end);
    Step::new(format!("request {stream} with {text}"), bytes)
}
