//! Descriptors as a hostile server sends them.

use std::path::Path;

use protox::Compiler;

use super::{Pool, read_file, read_set};
use crate::wire_format::put_field;

fn set() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut compiler = Compiler::new([&folder]).expect("a folder");
    compiler.open_files(["acme/common/money.proto", "acme/old.proto"]).expect("they are valid");
    compiler.encode_file_descriptor_set()
}

#[test]
fn cut_and_changed_descriptors_do_not_panic() {
    let bytes = set();
    let linked = |bytes: &[u8]| {
        let mut pool = Pool::default();
        let files = read_set(bytes)?;
        files.into_iter().try_for_each(|file| pool.add(file))?;
        pool.link()
    };
    linked(&bytes).expect("it is valid");
    let mut refused = 0;
    for index in 0..bytes.len() {
        refused += usize::from(linked(&bytes[..index]).is_err());
        for change in [1, 0x7f, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[index] ^= change;
            refused += usize::from(linked(&changed).is_err());
        }
    }
    assert!(refused > bytes.len(), "{refused} are refused");
}

/// Returns an encoded field with a length.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_field(&mut out, number, bytes);
    out
}

#[test]
fn names_that_could_command_a_terminal_are_refused() {
    for file in [
        field(4, &field(1, b"\x1b[31m")),
        field(2, b"a.\x1b[31m"),
        field(5, &field(1, b"")),
        field(6, &[field(1, b"S"), field(2, &field(1, b"a b"))].concat()),
    ] {
        let error = read_file(&file).expect_err("it is no name").to_string();
        assert!(error.ends_with("is not a name"), "{error}");
        assert!(!error.contains('\x1b'), "{error:?}");
    }
}

#[test]
fn messages_that_are_nested_too_deep_are_refused() {
    let mut message = field(1, b"A");
    for _ in 0..200 {
        message = [field(1, b"A"), field(3, &message)].concat();
    }
    let error = read_file(&field(4, &message)).expect_err("it is too deep");
    assert_eq!(error.to_string(), "messages are nested too deep");
}

#[test]
fn an_invalid_map_entry_and_an_invalid_oneof_are_refused() {
    let entry = [field(1, b"A"), field(7, b"\x38\x01")].concat();
    let mut pool = Pool::default();
    pool.add(read_file(&field(4, &entry)).expect("it is read")).expect("it is new");
    assert_eq!(pool.link().expect_err("no fields").to_string(), "A is not the entry of a map");

    let member = [field(1, b"f"), b"\x18\x01\x28\x05\x48\x03".to_vec()].concat();
    let message = [field(1, b"A"), field(2, &member)].concat();
    let error = read_file(&field(4, &message)).expect_err("no oneof");
    assert_eq!(error.to_string(), "A has a field of a oneof that is not there");
}
