//! The features of a file: presence and encoding, as its syntax or edition sets them.

use super::types::{Field, Kind, Label};
use crate::{
    problem::Problem,
    wire_format::{Raw, Reader},
};

/// The features that follow from the syntax or the edition of a file, and from its options
/// (`google.protobuf.FeatureSet`). Each declaration inherits them from the one around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Features {
    /// Whether a default value that is set differs from no value.
    pub has_presence: bool,
    /// Whether each message must have a value.
    pub is_required: bool,
    /// Whether repeated values are one after the other in one field on the wire.
    pub is_packed: bool,
    /// Whether messages are encoded as groups.
    pub is_delimited: bool,
}

impl Features {
    /// The features of proto2.
    pub const PROTO2: Self =
        Self { has_presence: true, is_required: false, is_packed: false, is_delimited: false };
    /// The features of proto3.
    pub const PROTO3: Self = Self { has_presence: false, is_packed: true, ..Self::PROTO2 };
    /// The features of editions.
    pub const EDITIONS: Self = Self { is_packed: true, ..Self::PROTO2 };

    /// Returns the features after an option, whose name is without `features.`.
    fn with(mut self, option: &str, value: &str) -> Self {
        match option {
            "field_presence" => {
                self.has_presence = value != "IMPLICIT";
                self.is_required = value == "LEGACY_REQUIRED";
            }
            "repeated_field_encoding" => self.is_packed = value == "PACKED",
            "message_encoding" => self.is_delimited = value == "DELIMITED",
            _ => {}
        }
        self
    }

    /// Returns the features after an option of a `.proto` file.
    pub fn with_declared(self, (name, value): &(String, String)) -> Self {
        name.strip_prefix("features.").map_or(self, |option| self.with(option, value))
    }

    /// Returns the features after encoded options, which have their features in this field.
    pub fn with_options(mut self, options: &[u8], field: u32) -> Result<Self, Problem> {
        let mut reader = Reader(options);
        while let Some((number, value)) = reader.next_field()? {
            if let (true, Raw::Bytes(features)) = (number == field, value) {
                let mut reader = Reader(features);
                while let Some(feature) = reader.next_field()? {
                    self = match feature {
                        (1, Raw::Varint(2)) => self.with("field_presence", "IMPLICIT"),
                        (1, Raw::Varint(3)) => self.with("field_presence", "LEGACY_REQUIRED"),
                        (1, _) => self.with("field_presence", "EXPLICIT"),
                        (3, Raw::Varint(1)) => self.with("repeated_field_encoding", "PACKED"),
                        (3, _) => self.with("repeated_field_encoding", "EXPANDED"),
                        (5, Raw::Varint(2)) => self.with("message_encoding", "DELIMITED"),
                        (5, _) => self.with("message_encoding", "LENGTH_PREFIXED"),
                        _ => self,
                    };
                }
            }
        }
        Ok(self)
    }

    /// Applies the features to a field. Its option `packed` has precedence if it is set.
    pub fn apply(self, field: &mut Field, packed: Option<bool>) {
        let is_repeated = field.label == Label::Repeated;
        if self.is_required && field.label == Label::Singular && field.oneof.is_none() {
            field.label = Label::Required;
        }
        if self.is_delimited && field.kind == Kind::Named {
            field.kind = Kind::Group;
        }
        field.has_presence =
            !is_repeated && (self.has_presence || field.is_optional || field.oneof.is_some());
        field.is_packed = is_repeated && packed.unwrap_or(self.is_packed);
    }
}
