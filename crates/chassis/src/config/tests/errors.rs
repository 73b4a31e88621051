//! Each configuration error names the key, what was expected, and the source.

use super::{SAMPLE, Sample, flag, load_file};
use crate::config::{Layers, load};

fn error_of(text: &str) -> String {
    load_file::<Sample>(&SAMPLE, text).expect_err("the file has an error")
}

fn assert_error(text: &str, error: &str) {
    assert_eq!(error_of(text), format!("the configuration has 1 error\n  {error} (from FILE)"));
}

#[test]
fn a_misspelled_setting_is_an_error_with_the_nearest_one() {
    for (text, error) in [
        (
            "[server]\nmax_wokers = 3\n",
            "server.max_wokers: is not a setting; did you mean server.max_workers?",
        ),
        (
            "[sevrer]\nmax_workers = 3",
            "sevrer: is not a setting; `sample-service config default` lists them all",
        ),
        (
            "\"server.max_workers\" = 3",
            "\"server.max_workers\": is not a setting; did you mean server.max_workers?",
        ),
        ("[service]\nwrok = \"1s\"", "service.wrok: is not a setting; did you mean service.work?"),
        ("server = 5", "server: is a section: its settings belong below [server]"),
        ("[server.address]\nport = 1", "server.address: is a setting, not a section"),
    ] {
        assert_error(text, error);
    }
}

#[test]
fn a_value_that_is_not_valid_is_an_error_with_what_was_expected() {
    let duration =
        "a duration with its unit (ms, s, m, h or d), up to a year, such as \"250ms\" or \"5s\"";
    let count = "a whole number from 1 to 2305843009213693951";
    let mode = "the permissions in octal as text, such as \"0660\"";
    let share = "a whole number, a percentage from \"1%\" to \"100%\", or 0 for no limit";
    for (setting, expected, found) in [
        ("[service]\nwork = 100", duration, "the number 100"),
        ("[service]\nwork = \"100\"", duration, "\"100\""),
        ("[service]\nwork = \"2years\"", duration, "\"2years\""),
        ("[server]\nmax_workers = \"8\"", count, "\"8\""),
        ("[limits]\nconnections_per_peer = -1", share, "the number -1"),
        ("[limits]\nconnections_per_peer = \"0%\"", share, "\"0%\""),
        ("[limits]\nconnections_per_peer = \"101%\"", share, "\"101%\""),
        ("[limits]\nconnections_per_peer = \"a quarter\"", share, "\"a quarter\""),
        ("[server]\nmax_workers = 5.0", count, "the number 5.0"),
        (
            "[server]\naddress = \"localhost\"",
            "an IP address and a port, such as \"[::]:9999\" or \"127.0.0.1:0\", or unix: and the \
             path of a Unix socket of at most 107 bytes, such as \"unix:/run/server.sock\"",
            "\"localhost\"",
        ),
        ("[server]\nsocket_mode = 660", mode, "the number 660"),
        ("[server]\nsocket_mode = \"0668\"", mode, "\"0668\""),
        ("[server]\nsocket_mode = \"1777\"", mode, "\"1777\""),
        ("[tracing]\nsample = 1.5", "a number from 0.0 to 1.0", "the number 1.5"),
        (
            "[tracing]\nendpoint = \"https://localhost:4317\"",
            "a URL of plain HTTP, such as \"http://localhost:4317\" (for https, put a collector \
             beside the server)",
            "\"https://localhost:4317\"",
        ),
        (
            "[limits]\nhandshake = \"0s\"",
            "a duration above 0 with its unit (ms, s, m, h or d), up to a year, such as \"250ms\" or \
             \"5s\"",
            "\"0s\"",
        ),
        (
            "[limits]\nmessage = \"4GiB\"",
            "a size below 4GiB, such as \"16KiB\" or \"4MiB\"",
            "\"4GiB\"",
        ),
        ("[limits]\nstreams = 0", "a whole number from 1 to 4294967295", "the number 0"),
        ("[streaming]\nlimit = 0", count, "the number 0"),
        ("[reflection]\nenabled = \"yes\"", "true or false", "\"yes\""),
        (
            "[log]\nlevel = \"loud\"",
            "one of \"off\", \"error\", \"warn\", \"info\", \"debug\", \"trace\"",
            "\"loud\"",
        ),
        ("[log]\nformat = [\"json\"]", "one of \"text\", \"json\"", "a list"),
        ("[log]\naccess = \"some\"", "one of \"all\", \"errors\", \"off\"", "\"some\""),
        (
            "[compression]\nresponses = \"some\"",
            "one of \"mirror\", \"always\", \"never\"",
            "\"some\"",
        ),
    ] {
        let key = setting.replace("[", "").replace("]\n", ".");
        let key = key.split(" =").next().unwrap_or_default();
        assert_error(setting, &format!("{key}: expected {expected}, found {found}"));
    }
}

#[test]
fn settings_that_do_not_fit_each_other_are_an_error() {
    for (text, error) in [
        (
            "[limits]\nheader_list = \"1B\"",
            "limits.header_list: is less than the 1KiB that the headers of a call need",
        ),
        ("[deadline]\ndefault = \"6m\"", "deadline.default: is more than deadline.max"),
        ("[tls]\ncertificate = \"a.pem\"", "tls.certificate: needs tls.key, the file of its key"),
        ("[tls]\nkey = \"a.pem\"", "tls.key: needs tls.certificate, the file of its certificate"),
        (
            "[tls]\nclient_ca = \"a.pem\"",
            "tls.client_ca: needs tls.certificate: client certificates need TLS",
        ),
    ] {
        assert_error(text, error);
    }
}

#[test]
fn max_workers_is_neither_0_nor_more_than_a_semaphore_has() {
    for number in ["0", "-1", "2305843009213693952", "99999999999999999999", "5.0", "many"] {
        let layers = flag("--max-workers", "server.max_workers", number);
        let errors = load::<Sample>(&SAMPLE, &layers).expect_err("the number is not valid");
        let error = errors.to_string();
        let expected = "server.max_workers: expected a whole number from 1 to 2305843009213693951";
        assert!(error.contains(expected), "{error}");
        assert!(error.ends_with("(from --max-workers)"), "{error}");
    }
}

#[test]
fn all_errors_of_all_layers_are_listed_at_once() {
    let layers = Layers {
        files: vec!["missing.toml".into()],
        environment: vec![
            ("SAMPLE__LOG__FORMAT".into(), "xml".into()),
            ("SAMPLE__LOG__COLOUR".into(), "red".into()),
            ("SAMPLE__LIMITS__MESSAGE".into(), "much".into()),
            ("SAMPLE__LIMITS__HEADER_LIST".into(), "1B".into()),
        ],
        ..flag("--work", "service.work", "soon")
    };
    let errors = load::<Sample>(&SAMPLE, &layers).expect_err("the layers have errors").to_string();
    assert!(errors.starts_with("the configuration has 6 errors\n"), "{errors}");
    for part in [
        "missing.toml: cannot be read: No such file",
        "log.colour: is not a setting",
        "(from SAMPLE__LOG__COLOUR)",
        "log.format: expected one of",
        "(from SAMPLE__LOG__FORMAT)",
        "limits.message: expected a size",
        "limits.header_list: is less than",
        "service.work: expected a duration",
        "(from --work)",
    ] {
        assert!(errors.contains(part), "{part} is not in {errors}");
    }
}
