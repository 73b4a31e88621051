//! Reads a file from its encoded `google.protobuf.FileDescriptorProto`.

use super::{
    features::Features,
    types::{Enum, Field, File, Kind, Label, Message, Method, Service, json_name},
    values::{
        bytes_of, full_name, identifier, number_of, read_flag, read_name, read_number, text_of,
    },
};
use crate::{
    problem::Problem,
    wire_format::{MAX_FIELD, Reader},
};

/// How deep messages may be nested.
const MAX_NESTING: usize = 100;

/// The number of the first edition. Lower numbers mean proto2 and proto3.
const EDITION_2023: u64 = 1000;

/// The option of a method that says whether it may be called more than once.
const IDEMPOTENCY_LEVEL: u32 = 34;

/// The value of that option for a method that changes nothing.
const NO_SIDE_EFFECTS: u64 = 1;

/// Returns the files of an encoded `FileDescriptorSet`.
///
/// # Errors
///
/// Returns an error if it is malformed.
pub fn read_set(bytes: &[u8]) -> Result<Vec<File>, Problem> {
    let mut files = Vec::new();
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        if number == 1 {
            files.push(read_file(bytes_of(value)?)?);
        }
    }
    Ok(files)
}

/// Returns the file of an encoded `FileDescriptorProto`.
///
/// # Errors
///
/// Returns an error if it is malformed.
pub fn read_file(bytes: &[u8]) -> Result<File, Problem> {
    let mut file = File::default();
    let (mut package, mut features, mut options) = (String::new(), Features::PROTO2, &[][..]);
    // The declarations depend on these fields, which may come after them, so these are read first.
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        match number {
            1 => file.name = text_of(value)?,
            2 => {
                package = text_of(value)?;
                package.split('.').try_for_each(|part| identifier(part.to_owned()).map(drop))?;
            }
            3 => file.imports.push(text_of(value)?),
            8 => options = bytes_of(value)?,
            12 if text_of(value)? == "proto3" => features = Features::PROTO3,
            14 if number_of(value)? >= EDITION_2023 => features = Features::EDITIONS,
            _ => {}
        }
    }
    let features = features.with_options(options, 50)?;
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        match number {
            4 => read_message(bytes_of(value)?, &package, features, &mut file, MAX_NESTING)?,
            5 => file.enums.push(read_enum(bytes_of(value)?, &package)?),
            6 => file.services.push(read_service(bytes_of(value)?, &package)?),
            _ => {}
        }
    }
    Ok(file)
}

fn read_message(
    bytes: &[u8],
    scope: &str,
    mut features: Features,
    file: &mut File,
    depth: usize,
) -> Result<(), Problem> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(Problem::new("messages are nested too deep"));
    };
    let mut message = Message::default();
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        match number {
            1 => message.name = full_name(scope, &text_of(value)?)?,
            7 => {
                let options = bytes_of(value)?;
                features = features.with_options(options, 12)?;
                message.is_map_entry = read_flag(options, 7)?.unwrap_or_default();
            }
            8 => message.oneofs.push(read_name(bytes_of(value)?)?),
            _ => {}
        }
    }
    // Messages are in the order of the file: a message comes before those within it.
    let index = file.messages.len();
    let name = message.name.clone();
    file.messages.push(message);
    let mut fields = Vec::new();
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        match number {
            2 => fields.push(read_field(bytes_of(value)?, features)?),
            3 => read_message(bytes_of(value)?, &name, features, file, depth)?,
            4 => file.enums.push(read_enum(bytes_of(value)?, &name)?),
            _ => {}
        }
    }
    let message = &mut file.messages[index];
    if fields.iter().filter_map(|field| field.oneof).any(|oneof| oneof >= message.oneofs.len()) {
        return Err(Problem::new(format!("{name} has a field of a oneof that is not there")));
    }
    // The oneof of an `optional` field of proto3 is synthetic: the file does not declare it. Such
    // oneofs come after all others.
    fields.iter_mut().filter(|field| field.is_optional).for_each(|field| field.oneof = None);
    let declared = fields.iter().filter_map(|field| field.oneof).max().map_or(0, |last| last + 1);
    message.oneofs.truncate(declared);
    message.fields = fields;
    Ok(())
}

fn read_field(bytes: &[u8], mut features: Features) -> Result<Field, Problem> {
    let mut field = Field {
        name: String::new(),
        json_name: String::new(),
        number: 0,
        label: Label::Singular,
        kind: Kind::Named,
        type_name: String::new(),
        oneof: None,
        has_presence: false,
        is_optional: false,
        is_packed: false,
    };
    let mut packed = None;
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        match number {
            1 => field.name = identifier(text_of(value)?)?,
            3 => field.number = number_of(value)?.try_into().unwrap_or_default(),
            4 => {
                field.label = match number_of(value)? {
                    2 => Label::Required,
                    3 => Label::Repeated,
                    _ => Label::Singular,
                }
            }
            5 => {
                let unknown = || Problem::new("a field has an unknown type");
                field.kind = Kind::numbered(number_of(value)?).ok_or_else(unknown)?;
            }
            6 => field.type_name = text_of(value)?,
            8 => {
                let options = bytes_of(value)?;
                features = features.with_options(options, 21)?;
                packed = read_flag(options, 2)?;
            }
            9 => field.oneof = Some(number_of(value)?.try_into().unwrap_or(usize::MAX)),
            10 => field.json_name = text_of(value)?,
            17 => field.is_optional = number_of(value)? != 0,
            _ => {}
        }
    }
    if field.name.is_empty() || !(1..=MAX_FIELD).contains(&field.number) {
        return Err(Problem::new(format!("a field has the number {}", field.number)));
    }
    if field.json_name.is_empty() {
        field.json_name = json_name(&field.name);
    }
    features.apply(&mut field, packed);
    Ok(field)
}

fn read_enum(bytes: &[u8], scope: &str) -> Result<Enum, Problem> {
    let mut read = Enum { name: full_name(scope, &read_name(bytes)?)?, values: Vec::new() };
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        if number == 2 {
            let value = bytes_of(value)?;
            let number = read_number(value, 2)?.unwrap_or_default();
            read.values.push((read_name(value)?, number as i32));
        }
    }
    Ok(read)
}

fn read_service(bytes: &[u8], scope: &str) -> Result<Service, Problem> {
    let mut service = Service { name: full_name(scope, &read_name(bytes)?)?, methods: Vec::new() };
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        if number == 2 {
            service.methods.push(read_method(bytes_of(value)?)?);
        }
    }
    Ok(service)
}

fn read_method(bytes: &[u8]) -> Result<Method, Problem> {
    let mut method = Method::default();
    let mut reader = Reader(bytes);
    while let Some((number, value)) = reader.next_field()? {
        match number {
            1 => method.name = identifier(text_of(value)?)?,
            2 => method.input = text_of(value)?,
            3 => method.output = text_of(value)?,
            4 => {
                let level = read_number(bytes_of(value)?, IDEMPOTENCY_LEVEL)?;
                method.has_no_side_effects = level == Some(NO_SIDE_EFFECTS);
            }
            5 => method.streams_requests = number_of(value)? != 0,
            6 => method.streams_responses = number_of(value)? != 0,
            _ => {}
        }
    }
    Ok(method)
}
