//! The declarations of a file. Nested types are in the same lists, with their full names.

/// A file.
#[derive(Debug, Default, PartialEq)]
pub struct File {
    /// The name by which others import it.
    pub name: String,
    /// The names of the files that it imports.
    pub imports: Vec<String>,
    /// All message types, nested ones too.
    pub messages: Vec<Message>,
    /// All enum types, nested ones too.
    pub enums: Vec<Enum>,
    /// All services.
    pub services: Vec<Service>,
}

/// A message type.
#[derive(Debug, Default, PartialEq)]
pub struct Message {
    /// The full name, without a dot at its beginning.
    pub name: String,
    /// The fields, in the order of the file.
    pub fields: Vec<Field>,
    /// The names of the oneofs.
    pub oneofs: Vec<String>,
    /// Whether it is the entry of a map. The compiler generates such a message.
    pub is_map_entry: bool,
}

/// A field of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// The name in the file.
    pub name: String,
    /// The name in JSON.
    pub json_name: String,
    /// The number on the wire.
    pub number: u32,
    /// How many values it has.
    pub label: Label,
    /// The type of its values.
    pub kind: Kind,
    /// The name of its type, if it is a message or an enum.
    pub type_name: String,
    /// The index of its oneof.
    pub oneof: Option<usize>,
    /// Whether a default value that is set differs from no value.
    pub has_presence: bool,
    /// Whether the field has presence because of the keyword `optional` of proto3.
    pub is_optional: bool,
    /// Whether repeated values are one after the other in one field on the wire.
    pub is_packed: bool,
}

/// How many values a field has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// One or none.
    Singular,
    /// Exactly one: `required` of proto2.
    Required,
    /// Any number.
    Repeated,
}

/// The type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `double`
    Double,
    /// `float`
    Float,
    /// `int64`
    Int64,
    /// `uint64`
    Uint64,
    /// `int32`
    Int32,
    /// `fixed64`
    Fixed64,
    /// `fixed32`
    Fixed32,
    /// `bool`
    Bool,
    /// `string`
    String,
    /// A message whose fields stand between two tags.
    Group,
    /// `bytes`
    Bytes,
    /// `uint32`
    Uint32,
    /// `sfixed32`
    Sfixed32,
    /// `sfixed64`
    Sfixed64,
    /// `sint32`
    Sint32,
    /// `sint64`
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
    /// Returns the type of this name, or `Named` if it is not a scalar.
    pub fn named(name: &str) -> Self {
        let scalar = SCALARS.iter().find(|(scalar, ..)| *scalar == name);
        scalar.map_or(Self::Named, |(_, _, kind)| *kind)
    }

    /// Returns the type of this number in a descriptor.
    pub fn numbered(number: u64) -> Option<Self> {
        match number {
            10 => Some(Self::Group),
            11 | 14 => Some(Self::Named),
            _ => SCALARS.iter().find(|(_, scalar, _)| *scalar == number).map(|(.., kind)| *kind),
        }
    }

    /// Returns the name of a scalar, or an empty one.
    pub fn name(self) -> &'static str {
        SCALARS.iter().find(|(.., kind)| *kind == self).map_or("", |(name, ..)| *name)
    }

    /// Returns whether a map can have keys of this type.
    pub fn can_be_map_key(self) -> bool {
        self == Self::String
            || (self.can_be_packed() && !matches!(self, Self::Double | Self::Float | Self::Enum(_)))
    }

    /// Returns whether repeated values can be packed.
    pub fn can_be_packed(self) -> bool {
        !matches!(self, Self::String | Self::Bytes | Self::Group | Self::Named | Self::Message(_))
    }
}

/// An enum type.
#[derive(Debug, Default, PartialEq)]
pub struct Enum {
    /// The full name.
    pub name: String,
    /// The names of the values, and their numbers.
    pub values: Vec<(String, i32)>,
}

/// A service.
#[derive(Debug, Default, PartialEq)]
pub struct Service {
    /// The full name.
    pub name: String,
    /// The methods, in the order of the file.
    pub methods: Vec<Method>,
}

/// A method of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Method {
    /// The name within the service.
    pub name: String,
    /// The full name of the request message.
    pub input: String,
    /// The full name of the response message.
    pub output: String,
    /// Whether the client sends any number of messages.
    pub streams_requests: bool,
    /// Whether the server sends any number of messages.
    pub streams_responses: bool,
    /// Whether a call changes nothing: `idempotency_level = NO_SIDE_EFFECTS`.
    pub has_no_side_effects: bool,
}

/// Returns the name of a field in JSON: in lowerCamelCase, as protoc makes it.
pub fn json_name(name: &str) -> String {
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
