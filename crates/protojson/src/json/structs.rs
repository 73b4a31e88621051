//! `google.protobuf.Struct`, `Value` and `ListValue`, whose JSON is any JSON.

use serde_json::{Map, Value};

use super::{depth::deeper, scalar, write::Writer};
use crate::{
    problem::Problem,
    schema::{Kind, Pool},
    wire_format::{FIXED64, Raw, Reader, VARINT, put_field, put_tag},
};

/// Writes a `Struct`. serde_json bounds how deep it can be nested.
pub(super) fn encode_struct(members: &Map<String, Value>, out: &mut Vec<u8>) {
    for (key, json) in members {
        let (mut entry, mut value) = (Vec::new(), Vec::new());
        encode_value(json, &mut value);
        put_field(&mut entry, 1, key.as_bytes());
        put_field(&mut entry, 2, &value);
        put_field(out, 1, &entry);
    }
}

/// Writes a `ListValue`.
pub(super) fn encode_list(elements: &[Value], out: &mut Vec<u8>) {
    for json in elements {
        let mut value = Vec::new();
        encode_value(json, &mut value);
        put_field(out, 1, &value);
    }
}

/// Writes a `Value`.
pub(super) fn encode_value(json: &Value, out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    match json {
        Value::Null => {
            put_tag(out, 1, VARINT);
            out.push(0);
        }
        Value::Number(number) => {
            put_tag(out, 2, FIXED64);
            out.extend(number.as_f64().unwrap_or_default().to_le_bytes());
        }
        Value::String(text) => put_field(out, 3, text.as_bytes()),
        Value::Bool(value) => {
            put_tag(out, 4, VARINT);
            out.push(u8::from(*value));
        }
        Value::Object(members) => {
            encode_struct(members, &mut bytes);
            put_field(out, 5, &bytes);
        }
        Value::Array(elements) => {
            encode_list(elements, &mut bytes);
            put_field(out, 6, &bytes);
        }
    }
}

/// Prints a `Struct`.
pub(super) fn print_struct(
    pool: &Pool,
    bytes: &[u8],
    depth: usize,
    out: &mut Writer,
) -> Result<(), Problem> {
    out.open('{');
    let mut reader = Reader(bytes);
    while let Some((number, entry)) = reader.next_field()? {
        let (1, Raw::Bytes(entry)) = (number, entry) else { continue };
        let (mut key, mut value) = (&[][..], &[][..]);
        let mut reader = Reader(entry);
        while let Some(field) = reader.next_field()? {
            match field {
                (1, Raw::Bytes(bytes)) => key = bytes,
                (2, Raw::Bytes(bytes)) => value = bytes,
                _ => {}
            }
        }
        out.member(&String::from_utf8_lossy(key));
        print_value(pool, value, deeper(depth)?, out)?;
    }
    out.close('}');
    Ok(())
}

/// Prints a `ListValue`.
pub(super) fn print_list(
    pool: &Pool,
    bytes: &[u8],
    depth: usize,
    out: &mut Writer,
) -> Result<(), Problem> {
    out.open('[');
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        if let (1, Raw::Bytes(value)) = (number, value) {
            out.element();
            print_value(pool, value, deeper(depth)?, out)?;
        }
    }
    out.close(']');
    Ok(())
}

/// Prints a `Value`.
pub(super) fn print_value(
    pool: &Pool,
    bytes: &[u8],
    depth: usize,
    out: &mut Writer,
) -> Result<(), Problem> {
    let mut last = None;
    let mut reader = Reader(bytes);
    while let Some(field) = reader.next_field()? {
        last = Some(field);
    }
    match last {
        Some((5, Raw::Bytes(bytes))) => print_struct(pool, bytes, deeper(depth)?, out),
        Some((6, Raw::Bytes(bytes))) => print_list(pool, bytes, deeper(depth)?, out),
        Some((2, value)) => scalar::print(pool, Kind::Double, value, out),
        Some((3, value)) => scalar::print(pool, Kind::String, value, out),
        Some((4, value)) => scalar::print(pool, Kind::Bool, value, out),
        _ => {
            out.text.push_str("null");
            Ok(())
        }
    }
}
