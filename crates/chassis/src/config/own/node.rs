//! The deserializer of a node in the tree of settings, which knows its key.

use std::{collections::BTreeMap, vec};

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor, value::StringDeserializer,
};
use toml::Value;

use super::{
    error::{Error, Kind},
    tree::Tree,
};
use crate::config::{secret, value};

/// A section, a value, or an element of a list.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) tree: &'a Tree<'a>,
    pub(super) key: String,
    element: Option<&'a Value>,
}

impl Error {
    /// Adds the key and the value, unless it has a key already. The value of a secret is not
    /// added.
    pub(super) fn at(self, node: &Node<'_>) -> Self {
        if !self.key.is_empty() {
            return self;
        }
        let is_secret = self.problem == secret::EXPECTED || node.tree.is_secret(&node.key);
        let found = node.value().filter(|_| !is_secret).map(value::describe);
        let mut problem = node.tree.redact(self.problem);
        if matches!(self.kind, Kind::Type | Kind::Value) {
            problem = format!("expected {problem}");
        }
        if let Some(found) = found
            && !problem.contains(&found)
        {
            problem = format!("{problem}, found {found}");
        }
        Self { key: node.key.clone(), kind: self.kind, problem }
    }
}

impl<'a> Node<'a> {
    /// Returns the section with this key.
    pub(super) fn section(tree: &'a Tree<'a>, key: &str) -> Self {
        Self { tree, key: key.to_owned(), element: None }
    }

    /// Returns the value, or `None` for a section.
    pub(super) fn value(&self) -> Option<&'a Value> {
        self.element.or_else(|| self.tree.value(&self.key))
    }

    /// Returns the nodes below a section, by name.
    fn children(&self) -> BTreeMap<String, Self> {
        let section = format!("{}.", self.key);
        let below = self.tree.keys().filter_map(|key| key.strip_prefix(&section));
        let names = below.filter_map(|rest| rest.split('.').next());
        let child = |name| Self::section(self.tree, &format!("{section}{name}"));
        names.map(|name| (name.to_owned(), child(name))).collect()
    }

    /// Deserializes the node. An error gets its key.
    pub(super) fn read<'de, T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.clone()).map_err(|error| error.at(&self))
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.value() {
            None => visitor.visit_map(Children {
                rest: self.children().into_iter().collect::<Vec<_>>().into_iter(),
                next: None,
            }),
            Some(Value::String(text)) => visitor.visit_str(text),
            Some(Value::Integer(number)) => visitor.visit_i64(*number),
            Some(Value::Float(number)) => visitor.visit_f64(*number),
            Some(Value::Boolean(value)) => visitor.visit_bool(*value),
            Some(Value::Array(elements)) => {
                let node = |element| Self { element: Some(element), ..self.clone() };
                visitor
                    .visit_seq(Elements(elements.iter().map(node).collect::<Vec<_>>().into_iter()))
            }
            // Defaults have no such values, so no setting expects one.
            Some(Value::Datetime(_) | Value::Table(_)) => {
                Err(Error::invalid_type(Unexpected::Other(""), &visitor))
            }
        }
    }
}

/// Implements the methods whose expected type is ignored, because the type of the TOML value
/// decides.
macro_rules! typed {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.visit(visitor)
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Error;

    /// serde asks this way for a value whose type it learns later (`flatten`, `untagged`).
    /// The value is then hidden, because it can become a secret.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value().is_some() {
            self.tree.hide(&self.key);
        }
        self.visit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        if name == secret::NAME {
            self.tree.hide(&self.key);
        }
        visitor.visit_newtype_struct(self)
    }

    /// Empty text is `None`, because TOML has no null.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value().and_then(Value::as_str) == Some("") {
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.value() {
            Some(Value::String(text)) => {
                let name: StringDeserializer<Error> = text.clone().into_deserializer();
                visitor.visit_enum(name)
            }
            _ => Err(Error::unknown_variant("", variants)),
        }
    }

    /// A service without settings has the type `()`.
    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value().is_none() && self.children().is_empty() {
            return visitor.visit_unit();
        }
        self.visit(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        // A value that is not a list may be a secret that belongs into a list.
        if !self.value().is_some_and(Value::is_array) {
            self.tree.hide(&self.key);
        }
        self.visit(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.visit(visitor)
    }

    typed! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_map
        deserialize_identifier
    }
}

struct Children<'a> {
    rest: vec::IntoIter<(String, Node<'a>)>,
    next: Option<Node<'a>>,
}

impl<'de> MapAccess<'de> for Children<'_> {
    type Error = Error;

    fn next_key_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some((name, node)) = self.rest.next() else { return Ok(None) };
        self.next = Some(node);
        let name: StringDeserializer<Error> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let node = self.next.take().ok_or_else(|| Error::custom("a value was read twice"))?;
        node.read(seed)
    }
}

struct Elements<'a>(vec::IntoIter<Node<'a>>);

impl<'de> SeqAccess<'de> for Elements<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0.next().map(|node| node.read(seed)).transpose()
    }
}
