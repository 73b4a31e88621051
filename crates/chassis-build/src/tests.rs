//! Tests of the generated code, on the `.proto` files below `fixtures`.

use std::path::Path;

use quote::ToTokens;
use syn::{Expr, File, Item, ItemConst, ItemMod, ItemTrait, TraitItem};

use crate::{Builder, configure};

fn generate(builder: &Builder, folder: &str) -> Result<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    builder.generate(&folder).map(|generated| generated.code).map_err(|error| format!("{error:?}"))
}

fn parse(builder: &Builder, fixture: &str) -> File {
    let code = generate(builder, &format!("fixtures/{fixture}")).expect("the fixture compiles");
    syn::parse_file(&code).expect("the code is Rust")
}

fn module<'a>(items: &'a [Item], path: &str) -> Option<&'a ItemMod> {
    let (first, rest) = match path.split_once("::") {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    let found = items.iter().find_map(|item| match item {
        Item::Mod(module) if module.ident == first => Some(module),
        _ => None,
    })?;
    match rest {
        Some(rest) => module(content(found), rest),
        None => Some(found),
    }
}

fn content(module: &ItemMod) -> &[Item] {
    module.content.as_ref().map_or(&[], |(_, items)| items)
}

fn server<'a>(file: &'a File, path: &str) -> &'a [Item] {
    content(module(&file.items, path).expect("the server module exists"))
}

fn handler_trait(items: &[Item]) -> &ItemTrait {
    let found = items.iter().find_map(|item| match item {
        Item::Trait(item) => Some(item),
        _ => None,
    });
    found.expect("the module has a trait")
}

fn constant<'a>(items: &'a [Item], name: &str) -> &'a ItemConst {
    let found = items.iter().find_map(|item| match item {
        Item::Const(item) if item.ident == name => Some(item),
        _ => None,
    });
    found.expect("the module has the constant")
}

fn has_struct(items: &[Item], name: &str) -> bool {
    items.iter().any(|item| matches!(item, Item::Struct(item) if item.ident == name))
}

fn text(tokens: impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

/// Returns path, name and kind of each entry of the module's method table.
fn method_table(items: &[Item]) -> Vec<[String; 3]> {
    let Expr::Struct(descriptor) = &*constant(items, "DESCRIPTOR").expr else {
        panic!("the descriptor is a struct")
    };
    let methods = descriptor
        .fields
        .iter()
        .find_map(|field| match &field.expr {
            Expr::Reference(reference) => Some(&*reference.expr),
            _ => None,
        })
        .expect("the descriptor has methods");
    let Expr::Array(methods) = methods else { panic!("the methods are an array") };
    methods
        .elems
        .iter()
        .map(|method| {
            let Expr::Struct(method) = method else { panic!("a method is a struct") };
            let mut fields = method.fields.iter().map(|field| text(&field.expr));
            std::array::from_fn(|_| fields.next().unwrap_or_default())
        })
        .collect()
}

fn entry(path: &str, name: &str, kind: &str) -> [String; 3] {
    [format!("\"{path}\""), format!("\"{name}\""), format!("codegen::Kind::{kind}")]
}

fn handlers(items: &[Item]) -> Vec<String> {
    let methods = handler_trait(items).items.iter().filter_map(|item| match item {
        TraitItem::Fn(method) => Some(method.sig.ident.to_string()),
        _ => None,
    });
    methods.collect()
}

#[test]
fn the_method_table_has_path_name_and_kind_of_each_method() {
    let file = parse(&configure(), "kinds");
    let orders = server(&file, "acme::orders::v1::orders_server");
    assert_eq!(
        method_table(orders),
        [
            entry("/acme.orders.v1.Orders/GetOrder", "GetOrder", "Unary"),
            entry("/acme.orders.v1.Orders/WatchOrder", "WatchOrder", "ServerStreaming"),
            entry("/acme.orders.v1.Orders/PlaceOrders", "PlaceOrders", "ClientStreaming"),
            entry("/acme.orders.v1.Orders/Chat", "Chat", "BidiStreaming"),
        ]
    );
    assert_eq!(text(&constant(orders, "SERVICE_NAME").expr), "\"acme.orders.v1.Orders\"");
}

#[test]
fn each_method_is_dispatched_to_its_handler_by_the_function_of_its_kind() {
    let file = parse(&configure(), "kinds");
    let code = text(module(&file.items, "acme::orders::v1::orders_server"));
    for (index, function, handler) in [
        (0, "unary", "get_order"),
        (1, "server_streaming", "watch_order"),
        (2, "client_streaming", "place_orders"),
        (3, "bidi_streaming", "chat"),
    ] {
        let arm = format!("Some({index})=>{{Box::pin(codegen::{function}(request,");
        let start = code.find(&arm).unwrap_or_else(|| panic!("no {arm} in {code}"));
        let arm = code[start..].split("Some(").nth(1).unwrap_or_default();
        assert!(arm.contains(&format!("<TasOrders>::{handler}(&inner,request).await")), "{arm}");
    }
}

#[test]
fn the_trait_and_the_docs_are_tonics() {
    let file = parse(&configure(), "kinds");
    let orders = server(&file, "acme::orders::v1::orders_server");
    let handler = handler_trait(orders);
    assert_eq!(handler.ident, "Orders");
    assert!(handler.attrs.iter().any(|attribute| attribute.path().is_ident("async_trait")));
    assert_eq!(handlers(orders), ["get_order", "watch_order", "place_orders", "chat"]);
    let streams = handler.items.iter().filter_map(|item| match item {
        TraitItem::Type(item) => Some(item.ident.to_string()),
        _ => None,
    });
    assert_eq!(streams.collect::<Vec<_>>(), ["WatchOrderStream", "ChatStream"]);

    let code = generate(&configure(), "fixtures/kinds").expect("the fixture compiles");
    assert!(code.contains("/// Takes and tracks orders."));
    assert!(code.contains("/// Returns one order."));
}

#[test]
fn nothing_of_tonics_server_is_left() {
    let file = parse(&configure(), "kinds");
    let code = text(module(&file.items, "acme::orders::v1::orders_server"));
    for gone in ["tonic::server", "CompressionEncoding", "tonic::codegen::*"] {
        assert!(!code.contains(gone), "{gone} is in {code}");
    }
    assert!(code.contains("use::chassis::codegen::{self,*};"));
}

#[test]
fn packages_are_nested_modules_that_refer_to_each_other() {
    let file = parse(&configure(), "kinds");
    assert!(has_struct(server(&file, "acme::common"), "Money"));
    let handler = text(handler_trait(server(&file, "acme::orders::v1::orders_server")));
    assert!(handler.contains("tonic::Response<super::super::super::common::Money>"), "{handler}");
}

#[test]
fn well_known_types_are_those_of_prost() {
    let file = parse(&configure(), "kinds");
    assert!(module(&file.items, "google").is_none());
    let handler = text(handler_trait(server(&file, "acme::orders::v1::clock_server")));
    for part in [
        "tonic::Request<()>",
        "tonic::Response<::prost_types::Timestamp>",
        "tonic::Request<::core::primitive::u32>",
        "tonic::Request<::core::primitive::bool>",
    ] {
        assert!(handler.contains(part), "no {part} in {handler}");
    }
}

#[test]
fn a_service_without_a_package_is_at_the_root() {
    let file = parse(&configure(), "no_package");
    assert!(has_struct(&file.items, "Text"));
    let echo = server(&file, "echo_server");
    assert_eq!(method_table(echo), [entry("/Echo/Call", "Call", "Unary")]);
    assert_eq!(text(&constant(echo, "SERVICE_NAME").expr), "\"Echo\"");
}

#[test]
fn a_file_with_only_messages_compiles() {
    let file = parse(&configure(), "messages");
    assert!(has_struct(server(&file, "geo"), "Point"));
    assert_eq!(content(module(&file.items, "geo").expect("the package exists")).len(), 1);
}

#[test]
fn a_method_whose_name_is_a_keyword_keeps_its_name_in_the_method_table() {
    let file = parse(&configure(), "names");
    let service = server(&file, "proto::service_server");
    assert_eq!(handlers(service), ["r#type", "self_", "old_method"]);
    assert_eq!(
        method_table(service),
        [
            entry("/proto.Service/Type", "Type", "Unary"),
            entry("/proto.Service/Self", "Self", "BidiStreaming"),
            entry("/proto.Service/oldMethod", "oldMethod", "Unary"),
        ]
    );
}

#[test]
fn a_service_without_methods_has_an_empty_method_table() {
    let file = parse(&configure(), "names");
    assert!(method_table(server(&file, "proto::nothing_server")).is_empty());
}

#[test]
fn client_only_generates_no_server() {
    let file = parse(&configure().client_only(), "kinds");
    assert!(module(&file.items, "acme::orders::v1::orders_client").is_some());
    assert!(module(&file.items, "acme::orders::v1::orders_server").is_none());
    assert!(!text(&file).contains("chassis"));
}

#[test]
fn server_only_generates_no_client() {
    let file = parse(&configure().server_only(), "kinds");
    assert!(module(&file.items, "acme::orders::v1::orders_client").is_none());
    assert!(module(&file.items, "acme::orders::v1::orders_server").is_some());
    assert!(!text(&file).contains("tonic_prost"));
}

#[test]
fn the_descriptor_set_holds_imports_and_custom_options() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/names");
    let generated = configure().generate(&folder).expect("the fixture compiles");
    for part in ["proto.proto", "google/protobuf/descriptor.proto", "archivist"] {
        let found = generated.descriptors.windows(part.len()).any(|bytes| bytes == part.as_bytes());
        assert!(found, "no {part}");
    }
}

#[test]
fn a_folder_without_proto_files_is_an_error() {
    let error = generate(&configure(), "src").expect_err("src has no .proto file");
    assert!(error.starts_with("no .proto file in "), "{error}");
}

#[test]
fn a_folder_that_does_not_exist_is_an_error() {
    let error = generate(&configure(), "missing").expect_err("the folder does not exist");
    assert!(error.starts_with("cannot look for .proto files in "), "{error}");
}
