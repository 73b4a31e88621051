//! What a file declares. Nested types are beside the others, with their full names.

/// A file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct File {
    pub(crate) name: String,
    pub(crate) imports: Vec<String>,
    pub(crate) messages: Vec<Message>,
    pub(crate) enums: Vec<Enum>,
    pub(crate) services: Vec<Service>,
}

/// A message type.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Message {
    /// The full name, without a dot at its begin.
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) oneofs: Vec<String>,
    /// Whether it is the entry of a map, which no file declares.
    pub(crate) is_map_entry: bool,
}

/// A field of a message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) json_name: String,
    pub(crate) number: u32,
    pub(crate) label: Label,
    pub(crate) kind: Kind,
    /// The name of its type, if it is a message or an enum.
    pub(crate) type_name: String,
    /// The index of its oneof.
    pub(crate) oneof: Option<usize>,
    /// Whether a default value that is set differs from no value.
    pub(crate) has_presence: bool,
    /// Whether the file asks for presence with a word of its own: `optional` of proto3.
    pub(crate) is_optional: bool,
    pub(crate) is_packed: bool,
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Singular,
    Required,
    Repeated,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Double,
    Float,
    Int64,
    Uint64,
    Int32,
    Fixed64,
    Fixed32,
    Bool,
    String,
    /// A message whose fields stand between two tags.
    Group,
    Bytes,
    Uint32,
    Sfixed32,
    Sfixed64,
    Sint32,
    Sint64,
    /// A message or an enum that is not resolved yet.
    Named,
    /// The index of a message in the pool.
    Message(usize),
    /// The index of an enum in the pool.
    Enum(usize),
}

/// The names of the scalar types in files, and their numbers in descriptors.
const SCALARS: [(&str, u64, Kind); 15] = [
    ("double", 1, Kind::Double),
    ("float", 2, Kind::Float),
    ("int64", 3, Kind::Int64),
    ("uint64", 4, Kind::Uint64),
    ("int32", 5, Kind::Int32),
    ("fixed64", 6, Kind::Fixed64),
    ("fixed32", 7, Kind::Fixed32),
    ("bool", 8, Kind::Bool),
    ("string", 9, Kind::String),
    ("bytes", 12, Kind::Bytes),
    ("uint32", 13, Kind::Uint32),
    ("sfixed32", 15, Kind::Sfixed32),
    ("sfixed64", 16, Kind::Sfixed64),
    ("sint32", 17, Kind::Sint32),
    ("sint64", 18, Kind::Sint64),
];

impl Kind {
    /// Returns the type of this name, or `Named` if it is no scalar.
    pub(crate) fn named(name: &str) -> Self {
        let scalar = SCALARS.iter().find(|(scalar, ..)| *scalar == name);
        scalar.map_or(Self::Named, |(_, _, kind)| *kind)
    }

    /// Returns the type of this number in a descriptor.
    pub(crate) fn numbered(number: u64) -> Option<Self> {
        match number {
            10 => Some(Self::Group),
            11 | 14 => Some(Self::Named),
            _ => SCALARS.iter().find(|(_, scalar, _)| *scalar == number).map(|(.., kind)| *kind),
        }
    }

    /// Returns the name of a scalar, or an empty one.
    pub(crate) fn name(self) -> &'static str {
        SCALARS.iter().find(|(.., kind)| *kind == self).map_or("", |(name, ..)| *name)
    }

    /// Returns whether a map can have keys of this type.
    pub(crate) fn can_be_map_key(self) -> bool {
        self == Self::String
            || (self.can_be_packed() && !matches!(self, Self::Double | Self::Float | Self::Enum(_)))
    }

    /// Returns whether repeated values can be packed.
    pub(crate) fn can_be_packed(self) -> bool {
        !matches!(self, Self::String | Self::Bytes | Self::Group | Self::Named | Self::Message(_))
    }
}

/// An enum type.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Enum {
    /// The full name.
    pub(crate) name: String,
    pub(crate) values: Vec<(String, i32)>,
}

/// A service.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Service {
    /// The full name.
    pub(crate) name: String,
    pub(crate) methods: Vec<Method>,
}

/// A method of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) input: String,
    pub(crate) output: String,
    pub(crate) streams_requests: bool,
    pub(crate) streams_responses: bool,
}

/// Returns the name of a field in JSON: in lowerCamelCase, as protoc makes it.
pub(crate) fn json_name(name: &str) -> String {
    let mut json = String::new();
    let mut is_after_underscore = false;
    for c in name.chars() {
        if c == '_' {
            is_after_underscore = true;
            continue;
        }
        json.push(if is_after_underscore { c.to_ascii_uppercase() } else { c });
        is_after_underscore = false;
    }
    json
}
