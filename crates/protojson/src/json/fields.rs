//! The values of the fields of an encoded message.

use super::scalar;
use crate::{
    problem::Problem,
    schema::{Kind, Message},
    wire_format::{FIXED32, FIXED64, LENGTH, Raw, Reader},
};

/// Returns the values of each field of a message. Unknown fields are dropped.
pub(super) fn collect<'a>(
    message: &Message,
    bytes: &'a [u8],
) -> Result<Vec<Vec<Raw<'a>>>, Problem> {
    let mut values = vec![Vec::new(); message.fields.len()];
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        let Some(index) = message.fields.iter().position(|field| field.number == number) else {
            continue;
        };
        let field = &message.fields[index];
        if value == Raw::Group {
            continue;
        }
        if let Some(oneof) = field.oneof {
            // Only the last field of a oneof counts.
            for (other, values) in message.fields.iter().zip(&mut values) {
                if other.oneof == Some(oneof) && other.number != number {
                    values.clear();
                }
            }
        }
        values[index].push(value);
    }
    Ok(values)
}

/// Returns whether a value is the default value of its type.
pub(super) fn is_default(value: Raw<'_>) -> bool {
    match value {
        Raw::Varint(number) | Raw::Fixed64(number) => number == 0,
        Raw::Fixed32(number) => number == 0,
        Raw::Bytes(bytes) => bytes.is_empty(),
        Raw::Group => true,
    }
}

/// Returns the default value of a type.
pub(super) fn default_of(kind: Kind) -> Raw<'static> {
    match scalar::wire_type(kind) {
        FIXED32 => Raw::Fixed32(0),
        FIXED64 => Raw::Fixed64(0),
        LENGTH => Raw::Bytes(&[]),
        _ => Raw::Varint(0),
    }
}
