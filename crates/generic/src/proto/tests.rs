//! The same files, read here and by protox.

use std::{
    fs,
    path::{Path, PathBuf},
};

use protojson::{Enum, Kind, Message, Pool, Service, read_set};
use protox::Compiler;

use super::{bundled::bundled, load, parser::parse};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn pool(files: &[&str], folder: &Path) -> Pool {
    let mut pool = Pool::default();
    let files: Vec<_> = files.iter().map(|file| folder.join(file)).collect();
    load(&mut pool, &files, &[folder.to_owned()]).expect("they are valid");
    pool.link().expect("every type is declared");
    pool
}

fn pool_of_protox(files: &[&str], folder: &Path) -> Pool {
    let mut compiler = Compiler::new([folder]).expect("a folder");
    compiler.include_imports(true);
    compiler.open_files(files.iter().map(|file| folder.join(file))).expect("they are valid");
    let mut pool = Pool::default();
    for file in read_set(&compiler.encode_file_descriptor_set()).expect("a set") {
        pool.add(file).expect("each is added once");
    }
    pool.link().expect("every type is declared");
    pool
}

/// Returns the content of a pool, sorted, so that the order of its files has no effect.
fn content(pool: Pool) -> (Vec<Message>, Vec<Enum>, Vec<Service>) {
    let Pool { mut messages, mut enums, mut services, .. } = pool;
    for field in messages.iter_mut().flat_map(|message| &mut message.fields) {
        // The index depends on the order of the files. The full name of the type is compared too.
        if matches!(field.kind, Kind::Message(_) | Kind::Enum(_)) {
            field.kind = Kind::Named;
        }
    }
    // protox has another version of these files.
    for name in ["api", "descriptor", "type"] {
        let file = bundled(&format!("google/protobuf/{name}.proto")).expect("it is bundled");
        messages.retain(|message| file.messages.iter().all(|other| other.name != message.name));
        enums.retain(|declared| file.enums.iter().all(|other| other.name != declared.name));
    }
    messages.sort_by(|a, b| a.name.cmp(&b.name));
    enums.sort_by(|a, b| a.name.cmp(&b.name));
    services.sort_by(|a, b| a.name.cmp(&b.name));
    (messages, enums, services)
}

#[test]
fn files_are_read_as_protox_reads_them() {
    for (root, files) in [
        ("../protojson/fixtures", &["acme/everything.proto", "acme/old.proto"][..]),
        ("../../proto", &["sample.proto"]),
        ("../../examples/orders/proto", &["acme/orders/v1/orders.proto", "sample.proto"]),
        ("../chassis/proto", &["grpc/health/v1/health.proto"]),
        ("../chassis-build/fixtures/kinds", &["acme/orders/v1/orders.proto"]),
        ("../chassis-build/fixtures/names", &["proto.proto"]),
        ("../chassis-build/fixtures/no_package", &["echo.proto"]),
        ("../chassis-build/fixtures/messages", &["point.proto"]),
    ] {
        let root = folder(root);
        let (messages, enums, services) = content(pool(files, &root));
        let expected = content(pool_of_protox(files, &root));
        let names = |messages: &[Message]| {
            messages.iter().map(|message| message.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&messages), names(&expected.0));
        messages.iter().zip(&expected.0).for_each(|(own, expected)| assert_eq!(own, expected));
        assert_eq!(enums, expected.1);
        assert_eq!(services, expected.2);
        assert!(!messages.is_empty());
    }
}

#[test]
fn every_bundled_file_is_read_with_its_imports() {
    for name in [
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
        "wrappers",
    ] {
        let name = format!("google/protobuf/{name}.proto");
        let mut pool = Pool::default();
        let mut missing = vec![name.clone()];
        while let Some(file) = missing.pop() {
            pool.add(bundled(&file).expect("it is bundled")).expect("it is added once");
            missing = pool.missing();
        }
        pool.link().expect(&name);
        assert!(!pool.messages.is_empty(), "{name}");
    }
    assert!(bundled("google/protobuf/none.proto").is_none());
}

#[test]
fn editions_change_presence_and_encoding() {
    let text = "edition = \"2023\";\n\
                option features.field_presence = IMPLICIT;\n\
                message A {\n\
                  int32 implicit = 1;\n\
                  int32 explicit = 2 [features.field_presence = EXPLICIT];\n\
                  int32 required = 3 [features.field_presence = LEGACY_REQUIRED];\n\
                  repeated int32 packed = 4;\n\
                  repeated int32 expanded = 5 [features.repeated_field_encoding = EXPANDED];\n\
                  A delimited = 6 [features.message_encoding = DELIMITED];\n\
                }";
    let file = parse("a.proto", text).expect("it is valid");
    let fields = &file.messages[0].fields;
    let has = |index: usize| (fields[index].has_presence, fields[index].is_packed);
    assert_eq!(
        [has(0), has(1), has(3), has(4)],
        [(false, false), (true, false), (false, true), (false, false)]
    );
    assert_eq!(fields[2].label, protojson::Label::Required);
    assert_eq!(fields[5].kind, Kind::Group);
}

#[test]
fn errors_have_the_file_the_line_and_the_column() {
    for (text, error) in [
        (
            "syntax = \"proto3\";\nmessage A {\n  string a = 0;\n}",
            "a.proto:3:14: the number of a field is from 1 to 536870911",
        ),
        ("message A { string a 1; }", "a.proto:1:22: expected '=', and found \"1\""),
        ("message A {", "a.proto:1:12: expected a name, and found the end of the file"),
        (
            "messag A {}",
            "a.proto:1:1: expected a message, an enum, a service or an import, and found \"messag\"",
        ),
        ("/* open", "a.proto:1:1: the comment does not end"),
        ("import \"open;\n", "a.proto:1:8: the string does not end in its line"),
        ("message A { é }", "a.proto:1:13: this character is not allowed here"),
        ("syntax = \"proto4\";", "a.proto:1:19: the syntax is neither proto2 nor proto3"),
        ("service A { rpc B(C); }", "a.proto:1:21: expected returns, and found \";\""),
        ("enum A { B = 4294967296; }", "a.proto:1:14: the number of a value has 32 bits"),
        ("extend A { ", "a.proto:1:12: expected \"}\", and found the end of the file"),
    ] {
        assert_eq!(parse("a.proto", text).expect_err(text).to_string(), error);
    }
}

#[test]
fn an_import_that_is_missing_and_a_type_that_is_not_declared_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("a.proto");
    let loaded = |text: &str| {
        fs::write(&file, text).expect("it can be written");
        let mut pool = Pool::default();
        load(&mut pool, std::slice::from_ref(&file), &[]).and_then(|()| pool.link())
    };
    let error = loaded("import \"b/c.proto\";").expect_err("no such file");
    assert_eq!(
        error.to_string(),
        "a.proto imports \"b/c.proto\", which is not found: pass the folder in which it is with \
         --import-path"
    );
    let error = loaded("package p; message A { B b = 1; }").expect_err("no such type");
    assert_eq!(error.to_string(), "the type \"B\", which p.A uses, is not declared");
    let error = loaded("message A {} enum A { B = 0; }").expect_err("twice");
    assert_eq!(error.to_string(), "A is declared twice");
    let error = loaded("message A {} service S { rpc M(A) returns (S); }").expect_err("no message");
    assert_eq!(error.to_string(), "\"S\" is not a type that can be used there");
    loaded("message A { A a = 1; } import \"a.proto\";").expect("a file may import itself");
}

#[test]
fn messages_that_are_nested_too_deep_are_refused() {
    let text = format!("{}{}", "message A {".repeat(20_000), "}".repeat(20_000));
    let error = parse("a.proto", &text).expect_err("it is too deep");
    assert!(error.to_string().ends_with("messages are nested too deep"), "{error}");
}
