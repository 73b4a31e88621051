//! The values of the fields of a descriptor.

use crate::{
    problem::Problem,
    wire_format::{Raw, Reader},
};

/// Returns the name of a declaration, which is the first field of most.
pub(super) fn read_name(bytes: &[u8]) -> Result<String, Problem> {
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        if number == 1 {
            return identifier(text_of(value)?);
        }
    }
    identifier(String::new())
}

/// Returns a flag of a message, if it is set.
pub(super) fn read_flag(bytes: &[u8], field: u32) -> Result<Option<bool>, Problem> {
    Ok(read_number(bytes, field)?.map(|number| number != 0))
}

/// Returns the last number of a field, if it is set.
pub(super) fn read_number(bytes: &[u8], field: u32) -> Result<Option<u64>, Problem> {
    let mut found = None;
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        if number == field {
            found = Some(number_of(value)?);
        }
    }
    Ok(found)
}

/// Returns the full name of a declaration in a scope.
pub(super) fn full_name(scope: &str, name: &str) -> Result<String, Problem> {
    let name = identifier(name.to_owned())?;
    Ok(if scope.is_empty() { name } else { format!("{scope}.{name}") })
}

/// Returns the name if it is an identifier. Other texts may not be safe to print.
pub(super) fn identifier(name: String) -> Result<String, Problem> {
    let is_one = name.bytes().all(|c| c == b'_' || c.is_ascii_alphanumeric()) && !name.is_empty();
    if is_one { Ok(name) } else { Err(Problem::new(format!("{name:?} is not a name"))) }
}

/// Returns the bytes of a field.
pub(super) fn bytes_of(value: Raw<'_>) -> Result<&[u8], Problem> {
    match value {
        Raw::Bytes(bytes) => Ok(bytes),
        _ => Err(wrong_type()),
    }
}

/// Returns the text of a field.
pub(super) fn text_of(value: Raw<'_>) -> Result<String, Problem> {
    let text = String::from_utf8(bytes_of(value)?.to_vec());
    text.map_err(|_| Problem::new("a text of the descriptor is not UTF-8"))
}

/// Returns the number of a field.
pub(super) fn number_of(value: Raw<'_>) -> Result<u64, Problem> {
    match value {
        Raw::Varint(number) => Ok(number),
        _ => Err(wrong_type()),
    }
}

fn wrong_type() -> Problem {
    Problem::new("a field of the descriptor has the wrong wire type")
}
