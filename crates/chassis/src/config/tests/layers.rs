//! Later layers win, and each value has its source.

use std::{fs, time::Duration};

use serde_json::json;
use tempfile::TempDir;

use super::{SAMPLE, Sample, flag, json_of, load_file, toml_of, variable};
use crate::config::{Layers, LogFormat, load};

#[test]
fn later_layers_win_and_each_value_has_its_source() {
    let folder = TempDir::new().expect("a folder");
    let file = |name, text| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("the file is written");
        path
    };
    let first = "[server]\nmax_workers = 2\n[service]\nwork = \"2ms\"\n[log]\nformat = \"json\"\n";
    let first = file("first.toml", first);
    let second = file("second.toml", "[service]\nwork = \"3ms\"\n[log]\nlevel = \"off\"\n");
    let layers = Layers {
        files: vec![first.clone(), second.clone()],
        environment: vec![
            ("SAMPLE__LOG__LEVEL".into(), "error".into()),
            ("SAMPLE__LOG__FORMAT".into(), "json".into()),
            ("SAMPLE__REFLECTION__ENABLED".into(), "false".into()),
        ],
        ..flag("--log-format", "log.format", "text")
    };
    let loaded = load::<Sample>(&SAMPLE, &layers).expect("the layers are valid");
    assert_eq!(loaded.chassis.server.max_workers.get(), 2);
    assert_eq!(loaded.chassis.log.format, LogFormat::Text);
    assert_eq!(loaded.service.work, Duration::from_millis(3));

    let (text, shown) = (toml_of(&loaded), json_of(&loaded));
    let (first, second) = (first.display().to_string(), second.display().to_string());
    for (section, name, value, source) in [
        ("server", "address", json!("[::]:9999"), "default"),
        ("server", "max_workers", json!(2), &first),
        ("service", "work", json!("3ms"), &second),
        ("reflection", "enabled", json!(false), "SAMPLE__REFLECTION__ENABLED"),
        ("log", "level", json!("error"), "SAMPLE__LOG__LEVEL"),
        ("log", "format", json!("text"), "--log-format"),
    ] {
        assert_eq!(shown[section][name], json!({ "value": value, "source": source }));
        let line = text.lines().find(|line| line.starts_with(&format!("{name} = ")));
        assert!(line.is_some_and(|line| line.ends_with(&format!("# {source}"))), "{text}");
    }
}

#[test]
fn shown_settings_are_a_file_that_changes_nothing() {
    let layers = variable("SAMPLE__SERVER__MAX_WORKERS", "8");
    let loaded = load::<Sample>(&SAMPLE, &layers).expect("the variable is valid");
    let again = load_file::<Sample>(&SAMPLE, &toml_of(&loaded)).expect("what is shown is valid");
    assert_eq!((again.chassis, again.service), (loaded.chassis, loaded.service));
}

#[test]
fn an_empty_or_half_written_file_is_an_error() {
    for nothing in ["", "  \n\n"] {
        let error = load_file::<Sample>(&SAMPLE, nothing).expect_err("the file is empty");
        assert_eq!(
            error,
            "the configuration has 1 error\n  \
             FILE: is empty: leave it out, or write a setting into it"
        );
    }
    for (half, position) in [
        ("[server]\nmax_wor", "at line 2, column 8"),
        ("[serv", "at line 1, column 6"),
        ("[server]\naddress = \"[::]", "at line 2, column"),
    ] {
        let error = load_file::<Sample>(&SAMPLE, half).expect_err("the file is cut off");
        let expected = format!("FILE: is not valid TOML: TOML parse error {position}");
        assert!(error.contains(&expected), "{error}");
        assert_eq!(error.lines().count(), 2, "{error}");
    }
}

#[test]
fn a_file_with_only_comments_is_valid() {
    load_file::<Sample>(&SAMPLE, "# max_workers = 3\n").expect("comments are valid");
}

#[test]
fn variables_that_kubernetes_sets_are_ignored() {
    let environment = ["SAMPLE_PORT", "SAMPLE_SERVICE_HOST", "SAMPLE_PORT_9999_TCP_ADDR"];
    let environment = environment.map(|name| (name.into(), "tcp://10.0.0.1:9999".into())).to_vec();
    let layers = Layers { environment, ..Layers::default() };
    load::<Sample>(&SAMPLE, &layers).expect("the variables are ignored");
}

#[test]
fn a_dot_in_a_variable_does_not_separate_parts() {
    let layers = variable("SAMPLE__SERVER.MAX_WORKERS", "8");
    let errors = load::<Sample>(&SAMPLE, &layers).expect_err("there is no such setting");
    assert!(errors.to_string().contains("is not a setting"), "{errors}");
}

#[test]
fn variables_of_opentelemetry_are_below_those_of_the_service() {
    let mut layers = variable("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel:4317");
    let endpoint = |layers: &Layers| {
        let loaded = load::<Sample>(&SAMPLE, layers).expect("the variables are valid");
        loaded.chassis.tracing.trace_settings().map(|settings| settings.endpoint)
    };
    assert_eq!(endpoint(&Layers::default()), None);
    assert_eq!(endpoint(&layers).as_deref(), Some("http://otel:4317/"));
    let own = ("SAMPLE__TRACING__ENDPOINT".into(), "http://own:4317".into());
    layers.environment.push(own);
    assert_eq!(endpoint(&layers).as_deref(), Some("http://own:4317/"));
}
