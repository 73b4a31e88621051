//! JSON to the wire format.

use serde_json::{Map, Value};

use super::{
    depth::{MAX_DEPTH, deeper},
    scalar::{self, NULL, expected, wire_type},
    structs::{encode_list, encode_struct, encode_value},
    well_known::WellKnown,
};
use crate::{
    problem::{Problem, listed},
    schema::{Field, Kind, Label, Message, Pool},
    wire_format::{put_bytes, put_field, put_tag},
};

/// The member of an `Any` that names its message.
const TYPE: &str = "@type";

/// Encodes a message of the pool from its JSON.
///
/// # Errors
///
/// Returns an error with the path of the wrong field.
pub fn encode(pool: &Pool, message: usize, json: &Value) -> Result<Vec<u8>, Problem> {
    let mut out = Vec::new();
    encode_message(pool, message, json, MAX_DEPTH, &mut out)?;
    Ok(out)
}

fn encode_message(
    pool: &Pool,
    index: usize,
    json: &Value,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let depth = deeper(depth)?;
    let message = &pool.messages[index];
    match WellKnown::of(message) {
        None => {
            let members = json.as_object().ok_or_else(|| {
                expected(&format!("an object, the fields of {}", message.name), json)
            })?;
            encode_fields(pool, message, members, depth, out)
        }
        Some(WellKnown::Any) => encode_any(pool, json, depth, out),
        Some(WellKnown::Struct) => {
            let members = json.as_object().ok_or_else(|| expected("an object", json))?;
            encode_struct(members, out);
            Ok(())
        }
        Some(WellKnown::Value) => {
            encode_value(json, out);
            Ok(())
        }
        Some(WellKnown::List) => {
            encode_list(json.as_array().ok_or_else(|| expected("an array", json))?, out);
            Ok(())
        }
        Some(WellKnown::Wrapper) => encode_field(pool, &message.fields[0], json, depth, out),
        Some(WellKnown::Text(text)) => {
            let json = json.as_str().ok_or_else(|| expected("a string", json))?;
            text.encode(json, out)
        }
    }
}

fn encode_fields(
    pool: &Pool,
    message: &Message,
    members: &Map<String, Value>,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let mut set = vec![false; message.fields.len()];
    let mut oneofs: Vec<Option<&str>> = vec![None; message.oneofs.len()];
    for (key, json) in members {
        let mut fields = message.fields.iter();
        let found = fields.position(|field| field.json_name == *key || field.name == *key);
        let index = found.ok_or_else(|| {
            let names = listed(message.fields.iter().map(|field| &field.json_name));
            Problem::new(format!("{} has no field {key:?}; it has {names}", message.name))
        })?;
        let field = &message.fields[index];
        if std::mem::replace(&mut set[index], true) {
            return Err(Problem::new("it is set twice").within(key));
        }
        // A field that is null is not set, unless null is a value of its type.
        if json.is_null() && (field.label == Label::Repeated || !takes_null(pool, field.kind)) {
            continue;
        }
        if let Some(oneof) = field.oneof
            && let Some(other) = oneofs[oneof].replace(key)
        {
            let name = &message.oneofs[oneof];
            let text = format!("only one of the oneof {name} can be set, and {other} is set too");
            return Err(Problem::new(text).within(key));
        }
        encode_field(pool, field, json, depth, out).map_err(|problem| problem.within(key))?;
    }
    Ok(())
}

/// Returns whether null is a value of this type.
fn takes_null(pool: &Pool, kind: Kind) -> bool {
    match kind {
        Kind::Message(index) => WellKnown::of(&pool.messages[index]) == Some(WellKnown::Value),
        Kind::Enum(index) => pool.enums[index].name == NULL,
        _ => false,
    }
}

fn encode_field(
    pool: &Pool,
    field: &Field,
    json: &Value,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    if field.label != Label::Repeated {
        let start = out.len();
        let tag = encode_single(pool, field, json, depth, out)?;
        // Without presence, a default value means the same as no value, and is not sent.
        if !field.has_presence
            && field.label != Label::Required
            && out[tag..].iter().all(|byte| *byte == 0)
        {
            out.truncate(start);
        }
        return Ok(());
    }
    if let Kind::Message(index) = field.kind
        && pool.messages[index].is_map_entry
    {
        return encode_map(pool, field.number, &pool.messages[index], json, depth, out);
    }
    let elements = json.as_array().ok_or_else(|| expected("an array", json))?;
    let mut packed = Vec::new();
    for (index, json) in elements.iter().enumerate() {
        let encoded = if field.is_packed {
            scalar::encode(pool, field.kind, json, &mut packed)
        } else {
            encode_single(pool, field, json, depth, out).map(drop)
        };
        encoded.map_err(|problem| problem.within(&format!("[{index}]")))?;
    }
    if !packed.is_empty() {
        put_field(out, field.number, &packed);
    }
    Ok(())
}

/// Writes a value with its tag, and returns the position of the value.
fn encode_single(
    pool: &Pool,
    field: &Field,
    json: &Value,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<usize, Problem> {
    put_tag(out, field.number, wire_type(field.kind));
    let start = out.len();
    if let Kind::Message(index) = field.kind {
        let mut bytes = Vec::new();
        encode_message(pool, index, json, depth, &mut bytes)?;
        put_bytes(out, &bytes);
    } else {
        scalar::encode(pool, field.kind, json, out)?;
    }
    Ok(start)
}

fn encode_map(
    pool: &Pool,
    number: u32,
    entry: &Message,
    json: &Value,
    depth: usize,
    out: &mut Vec<u8>,
) -> Result<(), Problem> {
    let [key_field, value_field] = &entry.fields[..] else {
        return Err(Problem::new("the entry of a map has two fields"));
    };
    let members = json.as_object().ok_or_else(|| expected("an object", json))?;
    for (key, json) in members {
        let key_json = match (key_field.kind, key.as_str()) {
            (Kind::Bool, "true") => Value::Bool(true),
            (Kind::Bool, "false") => Value::Bool(false),
            _ => Value::String(key.clone()),
        };
        let mut bytes = Vec::new();
        encode_single(pool, key_field, &key_json, depth, &mut bytes)
            .and_then(|_| encode_single(pool, value_field, json, depth, &mut bytes))
            .map_err(|problem| problem.within(&format!("[{key:?}]")))?;
        put_field(out, number, &bytes);
    }
    Ok(())
}

fn encode_any(pool: &Pool, json: &Value, depth: usize, out: &mut Vec<u8>) -> Result<(), Problem> {
    let members = json.as_object().ok_or_else(|| expected("an object", json))?;
    if members.is_empty() {
        return Ok(());
    }
    let url = members.get(TYPE).and_then(Value::as_str);
    let url = url.ok_or_else(|| Problem::new("an Any needs its type in \"@type\""))?;
    let name = url.rsplit('/').next().unwrap_or_default();
    let index = pool
        .message(name)
        .ok_or_else(|| Problem::new(format!("the schema has no message {name:?}")).within(TYPE))?;
    let mut bytes = Vec::new();
    if WellKnown::of(&pool.messages[index]).is_some() {
        let json = members.get("value").unwrap_or(&Value::Null);
        encode_message(pool, index, json, depth, &mut bytes)
            .map_err(|problem| problem.within("value"))?;
    } else {
        let mut members = members.clone();
        members.remove(TYPE);
        encode_fields(pool, &pool.messages[index], &members, deeper(depth)?, &mut bytes)?;
    }
    put_field(out, 1, url.as_bytes());
    put_field(out, 2, &bytes);
    Ok(())
}
