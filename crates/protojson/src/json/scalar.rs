//! Numbers, texts, bytes and enums in JSON.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use serde_json::Value;

use super::write::Writer;
use crate::{
    problem::{Problem, listed},
    schema::{Enum, Kind, Pool},
    wire_format::{FIXED32, FIXED64, LENGTH, Raw, VARINT, put_bytes, put_varint},
};

/// Reads base64 with or without padding, and writes it with padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The enum whose only value is null in JSON.
pub(super) const NULL: &str = "google.protobuf.NullValue";

/// Returns the wire type of a single value.
pub(super) fn wire_type(kind: Kind) -> u8 {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => FIXED64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => FIXED32,
        Kind::String | Kind::Bytes | Kind::Message(_) => LENGTH,
        _ => VARINT,
    }
}

/// Writes a value without its tag.
///
/// # Errors
///
/// Returns an error that says what was expected.
pub(super) fn encode(
    pool: &Pool,
    kind: Kind,
    json: &Value,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    match kind {
        Kind::Double => out.extend(number(json)?.to_le_bytes()),
        Kind::Float => {
            let number = number(json)?;
            let float = number as f32;
            if float.is_infinite() && number.is_finite() {
                return Err(expected("a number within the range of float", json));
            }
            out.extend(float.to_le_bytes());
        }
        Kind::Bool => match json {
            Value::Bool(value) => out.push(u8::from(*value)),
            _ => return Err(expected("true or false", json)),
        },
        Kind::String => put_bytes(out, text(json)?.as_bytes()),
        Kind::Bytes => {
            let base64 = text(json)?.replace('-', "+").replace('_', "/");
            let bytes = BASE64.decode(base64).map_err(|_| expected("bytes in base64", json))?;
            put_bytes(out, &bytes);
        }
        Kind::Enum(index) => put_varint(out, i64::from(variant(&pool.enums[index], json)?) as u64),
        Kind::Group | Kind::Named | Kind::Message(_) => {
            return Err(Problem::new("groups are not supported"));
        }
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
            integer(kind, json, i32::MIN.into(), i32::MAX.into(), out)?;
        }
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
            integer(kind, json, i64::MIN.into(), i64::MAX.into(), out)?;
        }
        Kind::Uint32 | Kind::Fixed32 => integer(kind, json, 0, u32::MAX.into(), out)?,
        Kind::Uint64 | Kind::Fixed64 => integer(kind, json, 0, u64::MAX.into(), out)?,
    }
    Ok(())
}

fn integer(
    kind: Kind,
    json: &Value,
    min: i128,
    max: i128,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let read = match json {
        Value::Number(number) => number.as_i128().or_else(|| number.as_f64().and_then(whole)),
        Value::String(text) if is_numeric(text) => {
            text.parse().ok().or_else(|| text.parse().ok().and_then(whole))
        }
        _ => None,
    };
    let range = || expected(&format!("an integer from {min} to {max}"), json);
    let value = read.filter(|value| (min..=max).contains(value)).ok_or_else(range)?;
    // The range was checked.
    let value = value as u64;
    match wire_type(kind) {
        FIXED32 => out.extend((value as u32).to_le_bytes()),
        FIXED64 => out.extend(value.to_le_bytes()),
        _ if matches!(kind, Kind::Sint32 | Kind::Sint64) => {
            put_varint(out, (value << 1) ^ ((value as i64) >> 63) as u64);
        }
        _ => put_varint(out, value),
    }
    Ok(())
}

fn whole(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() < 1e20).then_some(number as i128)
}

fn number(json: &Value) -> Result<f64, Problem> {
    let read = match json {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            text => text.parse().ok().filter(|number: &f64| is_numeric(text) && number.is_finite()),
        },
        _ => None,
    };
    read.ok_or_else(|| expected("a number", json))
}

/// Returns whether a text can be a number of JSON. Rust's parsers accept other texts too.
fn is_numeric(text: &str) -> bool {
    text.strip_prefix('-').unwrap_or(text).starts_with(|c: char| c.is_ascii_digit())
}

fn text(json: &Value) -> Result<&str, Problem> {
    json.as_str().ok_or_else(|| expected("a string", json))
}

fn variant(declared: &Enum, json: &Value) -> Result<i32, Problem> {
    let number = match json {
        Value::Null if declared.name == NULL => Some(0),
        Value::String(name) => {
            declared.values.iter().find(|(value, _)| value == name).map(|(_, number)| *number)
        }
        Value::Number(number) => number.as_i64().and_then(|number| number.try_into().ok()),
        _ => None,
    };
    number.ok_or_else(|| {
        let names = listed(declared.values.iter().map(|(name, _)| name));
        expected(&format!("a value of {}: {names}", declared.name), json)
    })
}

/// Returns the error for JSON of the wrong type or content.
pub(super) fn expected(what: &str, json: &Value) -> Problem {
    let mut found = match json {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        json => json.to_string(),
    };
    if let Some((end, _)) = found.char_indices().nth(60) {
        found.truncate(end);
        found.push('…');
    }
    Problem::new(format!("expected {what}, and it is {found}"))
}

/// Writes a value as JSON.
///
/// # Errors
///
/// Returns an error if it does not have the wire type of its kind, or is not UTF-8.
pub(super) fn print(
    pool: &Pool,
    kind: Kind,
    raw: Raw<'_>,
    out: &mut Writer,
) -> Result<(), Problem> {
    let number: i128 = match (kind, raw) {
        (Kind::Double, Raw::Fixed64(bits)) => {
            let number = f64::from_bits(bits);
            print_float(number, &format!("{number:?}"), out);
            return Ok(());
        }
        (Kind::Float, Raw::Fixed32(bits)) => {
            let number = f32::from_bits(bits);
            print_float(number.into(), &format!("{number:?}"), out);
            return Ok(());
        }
        (Kind::Bool, Raw::Varint(value)) => {
            out.text.push_str(if value == 0 { "false" } else { "true" });
            return Ok(());
        }
        (Kind::String, Raw::Bytes(bytes)) => {
            let text = std::str::from_utf8(bytes).map_err(|_| Problem::new("it is not UTF-8"))?;
            out.string(text);
            return Ok(());
        }
        (Kind::Bytes, Raw::Bytes(bytes)) => {
            out.string(&BASE64.encode(bytes));
            return Ok(());
        }
        (Kind::Enum(index), Raw::Varint(value)) => {
            let (declared, number) = (&pool.enums[index], value as i32);
            match declared.values.iter().find(|(_, value)| *value == number) {
                _ if declared.name == NULL => out.text.push_str("null"),
                Some((name, _)) => out.string(name),
                None => out.text.push_str(&number.to_string()),
            }
            return Ok(());
        }
        (Kind::Int64, Raw::Varint(value)) | (Kind::Sfixed64, Raw::Fixed64(value)) => {
            (value as i64).into()
        }
        (Kind::Uint64, Raw::Varint(value)) | (Kind::Fixed64, Raw::Fixed64(value)) => value.into(),
        (Kind::Int32, Raw::Varint(value)) => (value as i32).into(),
        (Kind::Uint32, Raw::Varint(value)) => (value as u32).into(),
        (Kind::Fixed32, Raw::Fixed32(value)) => value.into(),
        (Kind::Sfixed32, Raw::Fixed32(value)) => (value as i32).into(),
        (Kind::Sint32 | Kind::Sint64, Raw::Varint(value)) => {
            (((value >> 1) as i64) ^ -((value & 1) as i64)).into()
        }
        _ => return Err(Problem::new("it has another type than in the schema")),
    };
    match kind {
        // As strings, because numbers have 53 bits in JavaScript.
        Kind::Int64 | Kind::Uint64 | Kind::Fixed64 | Kind::Sfixed64 | Kind::Sint64 => {
            out.string(&number.to_string());
        }
        _ => out.text.push_str(&number.to_string()),
    }
    Ok(())
}

fn print_float(number: f64, text: &str, out: &mut Writer) {
    match () {
        () if number.is_nan() => out.string("NaN"),
        () if number.is_infinite() => {
            out.string(if number > 0.0 { "Infinity" } else { "-Infinity" });
        }
        () => out.text.push_str(text.strip_suffix(".0").unwrap_or(text)),
    }
}
