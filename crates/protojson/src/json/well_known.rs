//! The messages that have a JSON form of their own.

use super::time::{format_duration, format_timestamp, parse_duration, parse_timestamp};
use crate::{
    problem::Problem,
    schema::{Message, json_name},
    wire_format::{Raw, Reader, VARINT, put_field, put_tag, put_varint},
};

/// A message that has a JSON form of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum WellKnown {
    Any,
    Struct,
    Value,
    List,
    /// The JSON is that of its one field.
    Wrapper,
    /// The JSON is a text.
    Text(Text),
}

/// A message whose JSON is a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Text {
    Timestamp,
    Duration,
    FieldMask,
}

impl WellKnown {
    /// Returns the well-known type that a message is, or `None` if it is another message.
    pub(super) fn of(message: &Message) -> Option<Self> {
        match message.name.strip_prefix("google.protobuf.")? {
            "Any" => Some(Self::Any),
            "Struct" => Some(Self::Struct),
            "Value" => Some(Self::Value),
            "ListValue" => Some(Self::List),
            "Timestamp" => Some(Self::Text(Text::Timestamp)),
            "Duration" => Some(Self::Text(Text::Duration)),
            "FieldMask" => Some(Self::Text(Text::FieldMask)),
            "DoubleValue" | "FloatValue" | "Int64Value" | "UInt64Value" | "Int32Value"
            | "UInt32Value" | "BoolValue" | "StringValue" | "BytesValue" => {
                // A server could declare it without its field.
                (message.fields.len() == 1).then_some(Self::Wrapper)
            }
            _ => None,
        }
    }
}

impl Text {
    /// Encodes the message with this text.
    pub(super) fn encode(self, text: &str, out: &mut Vec<u8>) -> Result<(), Problem> {
        let (seconds, nanos) = match self {
            Self::Timestamp => parse_timestamp(text)?,
            Self::Duration => parse_duration(text)?,
            Self::FieldMask => {
                for path in text.split(',').filter(|path| !path.is_empty()) {
                    put_field(out, 1, snake_case(path)?.as_bytes());
                }
                return Ok(());
            }
        };
        for (number, value) in [(1, seconds), (2, i64::from(nanos))] {
            if value != 0 {
                put_tag(out, number, VARINT);
                put_varint(out, value as u64);
            }
        }
        Ok(())
    }

    /// Returns the text of an encoded message.
    pub(super) fn of(self, bytes: &[u8]) -> Result<String, Problem> {
        let (mut seconds, mut nanos, mut paths) = (0, 0, Vec::new());
        let mut reader = Reader(bytes);
        while let Some(field) = reader.next_field()? {
            match field {
                (1, Raw::Varint(value)) => seconds = value as i64,
                (2, Raw::Varint(value)) => nanos = value as i32,
                (1, Raw::Bytes(path)) => paths.push(json_name(&String::from_utf8_lossy(path))),
                _ => {}
            }
        }
        match self {
            Self::Timestamp => format_timestamp(seconds, nanos),
            Self::Duration => format_duration(seconds, nanos),
            Self::FieldMask => Ok(paths.join(",")),
        }
    }
}

fn snake_case(path: &str) -> Result<String, Problem> {
    let mut snake = String::new();
    for c in path.chars() {
        match c {
            'A'..='Z' => {
                snake.push('_');
                snake.push(c.to_ascii_lowercase());
            }
            '_' => return Err(Problem::new(format!("{path:?} is not in lowerCamelCase"))),
            _ => snake.push(c),
        }
    }
    Ok(snake)
}
