//! JSON text to a value of JSON, with a limit of memory.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::problem::Problem;

/// The bytes that a member of an object takes beside its name and its value: its share of a node of
/// the map.
const MEMBER: usize = 64;

/// The number of bytes that each call of `allow` asks for in advance.
const STEP: usize = 4 * 1024;

/// Why a text is not parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotParsed {
    /// It is not JSON, or an object has two members of the same name.
    Invalid(Problem),
    /// `allow` has refused the memory.
    NoMemory,
}

/// Parses JSON. `allow` is called before memory is allocated, and returns whether this total in
/// bytes is allowed. The memory needs a bound, because a value takes up to fifty times as much as
/// its text.
///
/// # Errors
///
/// Returns an error if the text is not JSON, if a name stands twice in an object, or if `allow`
/// returns false.
pub fn parse(text: &[u8], allow: &mut dyn FnMut(usize) -> bool) -> Result<Value, NotParsed> {
    let mut memory = Memory { allow, used: 0, allowed: 0, is_refused: false };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let parsed = Seed(&mut memory).deserialize(&mut deserializer);
    let parsed = parsed.and_then(|value| deserializer.end().map(|()| value));
    if memory.is_refused {
        return Err(NotParsed::NoMemory);
    }
    parsed.map_err(|error| NotParsed::Invalid(Problem::new(format!("it is not JSON: {error}"))))
}

struct Memory<'a> {
    allow: &'a mut dyn FnMut(usize) -> bool,
    used: usize,
    allowed: usize,
    is_refused: bool,
}

impl Memory<'_> {
    fn take<E: Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.used += bytes;
        if self.used > self.allowed {
            self.allowed = self.used + STEP;
            if !(self.allow)(self.allowed) {
                self.is_refused = true;
                return Err(E::custom("no memory"));
            }
        }
        Ok(())
    }
}

struct Seed<'a, 'b>(&'a mut Memory<'b>);

impl<'de> DeserializeSeed<'de> for Seed<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.0.take(text.len())?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = elements.next_element_seed(Seed(self.0))? {
            if values.len() == values.capacity() {
                // The vector doubles, and its old memory is in use until it is copied.
                let grown = values.capacity().max(4);
                self.0.take(2 * grown * size_of::<Value>())?;
                values.reserve_exact(grown);
            }
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let member = size_of::<String>() + size_of::<Value>() + MEMBER;
            self.0.take(name.len() + member)?;
            if values.contains_key(&name) {
                return Err(A::Error::custom(format_args!("{name:?} stands twice in an object")));
            }
            let value = members.next_value_seed(Seed(self.0))?;
            values.insert(name, value);
        }
        Ok(Value::Object(values))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Value, NotParsed> {
        parse(text.as_bytes(), &mut |_| true)
    }

    #[test]
    fn a_text_is_parsed_as_serde_json_parses_it() {
        for text in [
            "null",
            "true",
            "-1",
            "18446744073709551615",
            "1.5e3",
            r#""a\u0041\n""#,
            "[1,[2,[]],3,4,5,6,7,8,9]",
            r#"{"a":{"b":[{}]},"c":null}"#,
        ] {
            assert_eq!(parsed(text), Ok(serde_json::from_str(text).expect("JSON")), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_not_json_is_an_error_with_its_position() {
        for (text, problem) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            (r#"{"a":1"#, "EOF while parsing an object at line 1 column 6"),
            ("1 2", "trailing characters at line 1 column 3"),
            (r#"{"a":1,"b":2,"a":3}"#, r#""a" stands twice in an object at line 1 column 16"#),
            (&"[".repeat(10_000), "recursion limit exceeded at line 1 column 128"),
            (&"9".repeat(5_000_000), "number out of range at line 1 column 5000000"),
        ] {
            let expected = Problem::new(format!("it is not JSON: {problem}"));
            assert_eq!(parsed(text), Err(NotParsed::Invalid(expected)));
        }
    }

    #[test]
    fn memory_is_asked_for_before_it_is_allocated() {
        for text in [
            format!("[{}0]", "0,".repeat(10_000)),
            format!("[{}0]", "[],".repeat(10_000)),
            format!("[{}0]", r#"{"":0},"#.repeat(10_000)),
            format!("\"{}\"", "x".repeat(100_000)),
        ] {
            let mut most = 0;
            parse(text.as_bytes(), &mut |total| {
                most = total;
                true
            })
            .expect("JSON");
            assert!((text.len()..100 * text.len()).contains(&most), "{most} of {}", text.len());
            let refused = parse(text.as_bytes(), &mut |total| total < most / 2);
            assert_eq!(refused, Err(NotParsed::NoMemory));
        }
    }
}
