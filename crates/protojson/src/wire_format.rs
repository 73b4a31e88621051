//! The wire format of protobuf: fields with numbers, without their meaning.

use crate::problem::Problem;

/// How deep skipped groups may be nested.
const MAX_GROUPS: usize = 100;

/// The largest field number.
pub const MAX_FIELD: u32 = (1 << 29) - 1;

/// The wire type of a varint.
pub const VARINT: u8 = 0;
/// The wire type of eight bytes.
pub const FIXED64: u8 = 1;
/// The wire type of a length and as many bytes.
pub const LENGTH: u8 = 2;
const GROUP: u8 = 3;
const END_GROUP: u8 = 4;
/// The wire type of four bytes.
pub const FIXED32: u8 = 5;

/// The value of a field, as its wire type has it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Raw<'a> {
    /// A varint.
    Varint(u64),
    /// Eight bytes in little-endian order.
    Fixed64(u64),
    /// Four bytes in little-endian order.
    Fixed32(u32),
    /// A length and as many bytes.
    Bytes(&'a [u8]),
    /// A group, whose fields were skipped.
    Group,
}

/// Reads the fields of a message.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// Returns the next field with its number, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Returns an error if the bytes are not of a message.
    pub fn next_field(&mut self) -> Result<Option<(u32, Raw<'a>)>, Problem> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let (number, wire_type) = self.tag()?;
        let value = match wire_type {
            GROUP => {
                self.skip_group(number)?;
                Raw::Group
            }
            wire_type => self.value(wire_type)?,
        };
        Ok(Some((number, value)))
    }

    /// Reads a value of this wire type.
    pub fn value(&mut self, wire_type: u8) -> Result<Raw<'a>, Problem> {
        Ok(match wire_type {
            VARINT => Raw::Varint(self.varint()?),
            FIXED64 => {
                let bytes = self.take(8)?;
                Raw::Fixed64(u64::from_le_bytes(bytes.try_into().expect("eight bytes")))
            }
            FIXED32 => {
                let bytes = self.take(4)?;
                Raw::Fixed32(u32::from_le_bytes(bytes.try_into().expect("four bytes")))
            }
            LENGTH => {
                let length = usize::try_from(self.varint()?).unwrap_or(usize::MAX);
                Raw::Bytes(self.take(length)?)
            }
            _ => return Err(Problem::new("the message has an unknown wire type")),
        })
    }

    fn tag(&mut self) -> Result<(u32, u8), Problem> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).ok();
        let number = number.filter(|number| (1..=MAX_FIELD).contains(number));
        let number = number.ok_or_else(|| Problem::new("the message has a wrong field number"))?;
        Ok((number, (tag & 7) as u8))
    }

    fn varint(&mut self) -> Result<u64, Problem> {
        let mut value = 0;
        for (index, byte) in self.0.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                self.0 = &self.0[index + 1..];
                return Ok(value);
            }
        }
        Err(Problem::new("the message has a varint that does not end"))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Problem> {
        let cut = || Problem::new("the message ends within a field");
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }

    fn skip_group(&mut self, number: u32) -> Result<(), Problem> {
        let mut open = vec![number];
        while let Some(innermost) = open.last() {
            match self.tag()? {
                (number, END_GROUP) if number == *innermost => drop(open.pop()),
                (number, GROUP) if open.len() < MAX_GROUPS => open.push(number),
                (_, wire_type) => drop(self.value(wire_type)?),
            }
        }
        Ok(())
    }
}

/// Writes a varint.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes the number and the wire type that a field begins with.
pub fn put_tag(out: &mut Vec<u8>, number: u32, wire_type: u8) {
    put_varint(out, u64::from(number << 3) | u64::from(wire_type));
}

/// Writes a length and as many bytes.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Writes a field that has bytes.
pub fn put_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_tag(out, number, LENGTH);
    put_bytes(out, bytes);
}
