//! The files of protobuf itself, which every file can import.

use protojson::File;

use super::parser::parse;

macro_rules! files {
    ($($name:literal),*) => {
        [$((
            concat!("google/protobuf/", $name, ".proto"),
            include_str!(concat!("files/", $name, ".proto")),
        )),*]
    };
}

const FILES: [(&str, &str); 11] = files!(
    "any",
    "api",
    "descriptor",
    "duration",
    "empty",
    "field_mask",
    "source_context",
    "struct",
    "timestamp",
    "type",
    "wrappers"
);

/// Returns a file of protobuf itself, such as `google/protobuf/timestamp.proto`.
pub(crate) fn bundled(name: &str) -> Option<File> {
    let (name, text) = FILES.iter().find(|(file, _)| *file == name)?;
    Some(parse(name, text).expect("a test reads each of them"))
}
