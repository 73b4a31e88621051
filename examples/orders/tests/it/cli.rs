//! The commands of the binary.

use std::process::Command;

use crate::support::{
    TOKEN,
    process::{BINARY, Process, command, run},
};

fn output(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn config_show_hides_the_token_and_names_every_source() {
    let mut show = command(BINARY, &["config", "show"]);
    show.env("ORDERS__SERVICE__TOKEN", "do not show this");
    let (code, stdout, stderr) = output(&mut show);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(!(stdout.clone() + &stderr).contains("do not show"), "{stdout}");
    let line = |name: &str| {
        // The settings of the service are last; `[admin]` has a token as well.
        let line = stdout.lines().rfind(|line| line.starts_with(name));
        line.unwrap_or_else(|| panic!("no line {name} in\n{stdout}"))
    };
    assert!(line("token").contains("***"), "{stdout}");
    assert!(line("token").contains("ORDERS__SERVICE__TOKEN"), "{stdout}");
    // An override of the service is the default of the chassis.
    assert!(line("max_workers").contains("20"), "{stdout}");
    assert!(stdout.contains("[service.greeter]"), "{stdout}");
    assert!(stdout.contains("[service.retention]"), "{stdout}");
}

#[test]
fn the_server_does_not_start_without_a_token() {
    let (code, _, stderr) = output(&mut command(BINARY, &["serve"]));
    assert_eq!(code, Some(78), "{stderr}");
    assert!(stderr.contains("service.token: must be set"), "{stderr}");
}

#[test]
fn all_configuration_errors_are_reported_at_once() {
    let mut serve = command(BINARY, &["serve"]);
    serve.env("ORDERS__SERVICE__RETENTION__AGE", "long");
    serve.env("ORDERS__SERVICE__GREETER__ADDRESS", "nowhere");
    serve.env("ORDERS__SERVER__MAX_WORKERS", "0");
    let (code, _, stderr) = output(&mut serve);
    assert_eq!(code, Some(78), "{stderr}");
    for key in ["service.retention.age", "service.greeter.address", "service.token", "max_workers"]
    {
        assert!(stderr.contains(key), "{key} is not in {stderr}");
    }
}

#[test]
fn the_default_configuration_is_a_commented_file() {
    let defaults = run(&["config", "default"]);
    assert!(defaults.status.success(), "{defaults:?}");
    let text = String::from_utf8(defaults.stdout).expect("UTF-8");
    assert!(text.contains("# The time between two searches for old orders."), "{text}");
}

#[test]
fn a_store_that_cannot_be_opened_ends_the_program_with_exit_code_69() {
    let mut serve = command(BINARY, &["serve"]);
    serve.env("ORDERS__SERVICE__TOKEN", TOKEN).env("ORDERS__SERVICE__STORE", "/");
    serve.env("ORDERS__SERVER__ADDRESS", "127.0.0.1:0");
    let (code, stdout, stderr) = output(&mut serve);
    assert_eq!(code, Some(69), "{stdout}{stderr}");
    assert!(stderr.contains("cannot open the store /: "), "{stderr}");
    assert!(stderr.contains("Is a directory"), "{stderr}");
}

#[test]
fn health_and_load_are_commands_of_the_service() {
    let server = Process::start(&[]);
    server.wait_for("ready");
    let health = run(&["health", "--address", &server.address]);
    assert!(health.status.success(), "{health:?}");
    let load = |token: &str| {
        let metadata = format!("authorization=Bearer {token}");
        let target = ["load", "--address", &server.address, "--metadata", &metadata];
        output(&mut command(
            BINARY,
            &[&target[..], &["--message", "1", "--calls", "5", "--json"]].concat(),
        ))
        .1
    };
    // Nothing was placed, so NOT_FOUND comes from the store.
    assert!(load(TOKEN).contains("NOT_FOUND"));
    assert!(load("wrong").contains("UNAUTHENTICATED"));
}

#[test]
fn each_method_is_called_by_its_path() {
    let server = Process::start(&[]);
    server.wait_for("ready");
    let metadata = format!("authorization=Bearer {TOKEN}");
    let call = |arguments: &[&str]| {
        let target = ["--address", &server.address, "--metadata", &metadata];
        output(&mut command(BINARY, &[arguments, &target].concat()))
    };
    let (code, stdout, stderr) = call(&["list", "acme.orders.v1.Orders"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("acme.orders.v1.Orders.WatchOrders\n"), "{stdout}");
    let (code, stdout, stderr) = call(&["describe", "acme.orders.v1.GetOrderRequest"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains("message GetOrderRequest {\n  string id = 1;\n}"), "{stdout}");

    let path = |method: &str| format!("/acme.orders.v1.Orders/{method}");
    let (code, _, stderr) = call(&["call", &path("GetOrder"), "--data", r#"{"id":"1"}"#]);
    assert!(stderr.starts_with("error: NOT_FOUND"), "{stderr}");
    assert_eq!(code, Some(3));
    // Nothing was placed, so that the stream has nothing to send.
    let (code, stdout, stderr) = call(&["call", &path("WatchOrders"), "--timeout", "200ms"]);
    assert!(stderr.starts_with("error: DEADLINE_EXCEEDED"), "{stderr}");
    assert_eq!((stdout.as_str(), code), ("", Some(3)));
    let (code, _, stderr) = call(&["call", &path("ImportOrders")]);
    assert!(stderr.contains("takes a stream of requests"), "{stderr}");
    assert_eq!(code, Some(1));
    let (code, _, stderr) = call(&["call", "hello"]);
    assert!(stderr.contains("\"hello\" is not the path of a method"), "{stderr}");
    assert_eq!(code, Some(1));
}
