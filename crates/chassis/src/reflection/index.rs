//! The files of descriptor sets, by their names and by the symbols in them.

use std::collections::HashMap;

use bytes::Bytes;
use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};

const VALID: &str = "the descriptor sets are compiled in";

/// A `FileDescriptorSet` whose files stay as they are encoded: decoding them would lose
/// options that are not known here.
#[derive(Clone, PartialEq, Message)]
struct EncodedSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    files: Vec<Bytes>,
}

/// The files and symbols that reflection knows. Files are encoded `FileDescriptorProto`s.
#[derive(Debug)]
pub(super) struct Index {
    services: Vec<String>,
    files: HashMap<String, Bytes>,
    /// The file of each full name.
    symbols: HashMap<String, Bytes>,
}

impl Index {
    /// Returns the index of these sets, which lists these services. Of two files with the same
    /// name the first counts.
    pub(super) fn new<'a>(
        services: Vec<String>,
        sets: impl IntoIterator<Item = &'a &'static [u8]>,
    ) -> Self {
        let mut index = Self { services, files: HashMap::new(), symbols: HashMap::new() };
        for set in sets {
            let set = EncodedSet::decode(Bytes::from_static(set)).expect(VALID);
            for encoded in set.files {
                let file = FileDescriptorProto::decode(encoded.clone()).expect(VALID);
                if !index.files.contains_key(file.name()) {
                    index.files.insert(file.name().to_owned(), encoded.clone());
                    index.add(&file, &encoded);
                }
            }
        }
        index
    }

    pub(super) fn services(&self) -> &[String] {
        &self.services
    }

    pub(super) fn file(&self, name: &str) -> Option<&Bytes> {
        self.files.get(name)
    }

    /// Returns the file that declares a full name, such as that of a message or a method.
    pub(super) fn file_of(&self, symbol: &str) -> Option<&Bytes> {
        self.symbols.get(symbol)
    }

    fn add(&mut self, file: &FileDescriptorProto, encoded: &Bytes) {
        let mut names = Names(Vec::new());
        let package = file.package();
        file.message_type.iter().for_each(|message| names.add_message(package, message));
        file.enum_type.iter().for_each(|item| names.add_enum(package, item));
        for service in &file.service {
            let name = names.add(package, service.name());
            for method in &service.method {
                names.add(&name, method.name());
            }
        }
        self.symbols.extend(names.0.into_iter().map(|name| (name, encoded.clone())));
    }
}

/// Full names.
struct Names(Vec<String>);

impl Names {
    fn add(&mut self, scope: &str, name: &str) -> String {
        let name = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.0.push(name.clone());
        name
    }

    fn add_message(&mut self, scope: &str, message: &DescriptorProto) {
        let name = self.add(scope, message.name());
        message.nested_type.iter().for_each(|nested| self.add_message(&name, nested));
        message.enum_type.iter().for_each(|item| self.add_enum(&name, item));
        for field in &message.field {
            self.add(&name, field.name());
        }
        for oneof in &message.oneof_decl {
            self.add(&name, oneof.name());
        }
    }

    fn add_enum(&mut self, scope: &str, item: &EnumDescriptorProto) {
        let name = self.add(scope, item.name());
        for value in &item.value {
            self.add(&name, value.name());
        }
    }
}
