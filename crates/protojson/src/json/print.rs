//! The wire format to JSON.

use std::collections::BTreeMap;

use super::{
    depth::{MAX_DEPTH, deeper},
    fields::{collect, default_of, is_default},
    scalar,
    structs::{print_list, print_struct, print_value},
    well_known::WellKnown,
    write::Writer,
};
use crate::{
    problem::Problem,
    schema::{Field, Kind, Label, Message, Pool},
    wire_format::{Raw, Reader},
};

/// Returns a message of the pool as JSON.
///
/// # Errors
///
/// Returns an error with the path of the malformed field.
pub fn print(
    pool: &Pool,
    message: usize,
    bytes: &[u8],
    is_pretty: bool,
) -> Result<String, Problem> {
    let mut printer = Printer { pool, out: Writer::new(is_pretty) };
    printer.message(message, bytes, MAX_DEPTH)?;
    Ok(printer.out.text)
}

struct Printer<'a> {
    pool: &'a Pool,
    out: Writer,
}

impl Printer<'_> {
    fn message(&mut self, index: usize, bytes: &[u8], depth: usize) -> Result<(), Problem> {
        let depth = deeper(depth)?;
        let message = &self.pool.messages[index];
        match WellKnown::of(message) {
            None => {
                self.out.open('{');
                self.fields(message, bytes, depth)?;
                self.out.close('}');
            }
            Some(WellKnown::Any) => self.any(bytes, depth)?,
            Some(WellKnown::Struct) => print_struct(self.pool, bytes, depth, &mut self.out)?,
            Some(WellKnown::Value) => print_value(self.pool, bytes, depth, &mut self.out)?,
            Some(WellKnown::List) => print_list(self.pool, bytes, depth, &mut self.out)?,
            Some(WellKnown::Wrapper) => self.wrapper(&message.fields[0], bytes, depth)?,
            Some(WellKnown::Text(text)) => self.out.string(&text.of(bytes)?),
        }
        Ok(())
    }

    fn fields(&mut self, message: &Message, bytes: &[u8], depth: usize) -> Result<(), Problem> {
        let values = collect(message, bytes)?;
        for (field, values) in message.fields.iter().zip(&values) {
            let printed = self.field(field, values, depth);
            printed.map_err(|problem| problem.within(&field.json_name))?;
        }
        Ok(())
    }

    fn field(&mut self, field: &Field, values: &[Raw<'_>], depth: usize) -> Result<(), Problem> {
        let Some(last) = values.last() else { return Ok(()) };
        if field.label != Label::Repeated {
            if field.has_presence || !is_default(*last) {
                self.out.member(&field.json_name);
                self.last(field.kind, values, depth)?;
            }
            return Ok(());
        }
        self.out.member(&field.json_name);
        if let Kind::Message(index) = field.kind
            && self.pool.messages[index].is_map_entry
        {
            return self.map(&self.pool.messages[index], values, depth);
        }
        self.out.open('[');
        let mut index = 0;
        for value in values {
            match value {
                Raw::Bytes(packed) if field.kind.can_be_packed() => {
                    let mut reader = Reader(packed);
                    while !reader.0.is_empty() {
                        let value = reader.value(scalar::wire_type(field.kind))?;
                        self.element(field, value, index, depth)?;
                        index += 1;
                    }
                }
                value => {
                    self.element(field, *value, index, depth)?;
                    index += 1;
                }
            }
        }
        self.out.close(']');
        Ok(())
    }

    fn element(
        &mut self,
        field: &Field,
        value: Raw<'_>,
        index: usize,
        depth: usize,
    ) -> Result<(), Problem> {
        self.out.element();
        let printed = self.last(field.kind, &[value], depth);
        printed.map_err(|problem| problem.within(&format!("[{index}]")))
    }

    /// Prints the value of a field: the last value of a scalar, or the merged parts of a message.
    fn last(&mut self, kind: Kind, values: &[Raw<'_>], depth: usize) -> Result<(), Problem> {
        let Kind::Message(index) = kind else {
            let last = values.last().expect("the caller has checked that there is one");
            return scalar::print(self.pool, kind, *last, &mut self.out);
        };
        if let [Raw::Bytes(bytes)] = values {
            return self.message(index, bytes, depth);
        }
        let mut merged = Vec::new();
        for value in values {
            let Raw::Bytes(part) = value else { return Err(Problem::new("it is not a message")) };
            merged.extend_from_slice(part);
        }
        self.message(index, &merged, depth)
    }

    fn map(&mut self, entry: &Message, entries: &[Raw<'_>], depth: usize) -> Result<(), Problem> {
        // The last entry of a key counts.
        let (mut members, mut printed) = (BTreeMap::new(), Vec::new());
        for value in entries {
            let Raw::Bytes(bytes) = value else { return Err(Problem::new("it is not a map")) };
            let values = collect(entry, bytes)?;
            let [key_field, value_field] = &entry.fields[..] else {
                return Err(Problem::new("the entry of a map has two fields"));
            };
            let key = self.apart(key_field, &values[0], depth)?;
            let key = if key.starts_with('"') { key } else { format!("\"{key}\"") };
            let value = self.apart(value_field, &values[1], depth);
            let value = value.map_err(|problem| problem.within(&format!("[{key}]")))?;
            members.insert(key, printed.len());
            printed.push(value);
        }
        self.out.open('{');
        for (key, value) in &members {
            self.out.raw_member(key, &printed[*value]);
        }
        self.out.close('}');
        Ok(())
    }

    /// Returns the printed value, or the default value if there is none, without adding it to the
    /// output.
    fn apart(
        &mut self,
        field: &Field,
        values: &[Raw<'_>],
        depth: usize,
    ) -> Result<String, Problem> {
        let nested = self.out.nested();
        let outer = std::mem::replace(&mut self.out, nested);
        let default = [default_of(field.kind)];
        let values = if values.is_empty() { &default } else { values };
        let printed = self.last(field.kind, values, depth);
        let inner = std::mem::replace(&mut self.out, outer);
        printed.map(|()| inner.text)
    }

    fn wrapper(&mut self, field: &Field, bytes: &[u8], depth: usize) -> Result<(), Problem> {
        let mut value = default_of(field.kind);
        let mut reader = Reader(bytes);
        while let Some((number, found)) = reader.next_field()? {
            if number == field.number {
                value = found;
            }
        }
        self.last(field.kind, &[value], depth)
    }

    fn any(&mut self, bytes: &[u8], depth: usize) -> Result<(), Problem> {
        let (mut url, mut value) = (&[][..], &[][..]);
        let mut reader = Reader(bytes);
        while let Some(field) = reader.next_field()? {
            match field {
                (1, Raw::Bytes(bytes)) => url = bytes,
                (2, Raw::Bytes(bytes)) => value = bytes,
                _ => {}
            }
        }
        self.out.open('{');
        if !(url.is_empty() && value.is_empty()) {
            let url = String::from_utf8_lossy(url);
            self.out.member("@type");
            self.out.string(&url);
            let message = self.pool.message(url.rsplit('/').next().unwrap_or_default());
            match message.map(|index| (index, &self.pool.messages[index])) {
                Some((_, message)) if WellKnown::of(message).is_none() => {
                    self.fields(message, value, deeper(depth)?)?;
                }
                Some((index, _)) => {
                    self.out.member("value");
                    self.message(index, value, depth)?;
                }
                // The schema does not have its type.
                None => {
                    self.out.member("@value");
                    scalar::print(self.pool, Kind::Bytes, Raw::Bytes(value), &mut self.out)?;
                }
            }
        }
        self.out.close('}');
        Ok(())
    }
}
