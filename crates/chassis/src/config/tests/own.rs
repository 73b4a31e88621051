//! A service's own settings.

use std::{net::SocketAddr, num::NonZeroU16, time::Duration};

use serde::Deserialize;
use serde_json::json;

use super::{defaults, json_of, load_file, schema, toml_of, variable};
use crate::config::{Layers, Schema, duration, load, size};

const DEFAULTS: &str = "\
[service]
name = \"shop\"
workers = 4
ratio = 0.5
is_open = true
colors = [\"red\"]
mode = \"fast\"
cache = \"1MiB\"

[service.inventory]
address = \"127.0.0.1:1\"
timeout = \"1s\"
";

#[derive(Debug, Deserialize)]
struct Shop {
    name: String,
    workers: NonZeroU16,
    ratio: f64,
    is_open: bool,
    colors: Vec<String>,
    mode: Mode,
    #[serde(deserialize_with = "size")]
    cache: u64,
    inventory: Inventory,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Fast,
    Exact,
}

#[derive(Debug, Deserialize)]
struct Inventory {
    address: SocketAddr,
    #[serde(deserialize_with = "duration")]
    timeout: Duration,
}

fn shop() -> Schema {
    schema(DEFAULTS)
}

fn errors_of(layers: &Layers) -> String {
    load::<Shop>(&shop(), layers).expect_err("the layers have errors").to_string()
}

#[test]
fn own_settings_are_deserialized_into_the_service_type() {
    let Shop { name, workers, ratio, is_open, colors, mode, cache, inventory } =
        defaults::<Shop>(&shop()).service;
    assert_eq!((name.as_str(), workers.get(), ratio, is_open), ("shop", 4, 0.5, true));
    assert_eq!((colors, mode, cache), (vec!["red".to_owned()], Mode::Fast, 1 << 20));
    assert_eq!((inventory.address.port(), inventory.timeout.as_secs()), (1, 1));
}

#[test]
fn variables_have_the_type_of_the_default() {
    let layers = Layers {
        environment: [
            ("SAMPLE__SERVICE__NAME", "7"),
            ("SAMPLE__SERVICE__WORKERS", "7"),
            ("SAMPLE__SERVICE__RATIO", "1"),
            ("SAMPLE__SERVICE__IS_OPEN", "false"),
            ("SAMPLE__SERVICE__COLORS", "[\"green\", \"blue\"]"),
            ("SAMPLE__SERVICE__MODE", "exact"),
            ("SAMPLE__SERVICE__INVENTORY__ADDRESS", "127.0.0.1:7"),
        ]
        .map(|(name, text)| (name.into(), text.into()))
        .to_vec(),
        ..Layers::default()
    };
    let shop = load::<Shop>(&shop(), &layers).expect("the variables are valid").service;
    assert_eq!((shop.name.as_str(), shop.workers.get(), shop.ratio), ("7", 7, 1.0));
    assert_eq!((shop.is_open, shop.mode, shop.colors.len()), (false, Mode::Exact, 2));
    assert_eq!(shop.inventory.address.port(), 7);
}

#[test]
fn all_own_errors_are_listed_at_once_with_key_and_source() {
    let text = "\
[service]
name = 5
workers = 0
ratio = \"half\"
is_open = \"yes\"
colors = [\"red\", 5]
mode = \"slow\"
cache = \"big\"
[service.inventory]
address = \"nowhere\"
timeout = 1979-05-27
adress = \"127.0.0.1:1\"
";
    let error = load_file::<Shop>(&shop(), text).expect_err("the file has errors");
    assert!(error.starts_with("the configuration has 10 errors\n"), "{error}");
    for line in [
        "service.inventory.adress: is not a setting; did you mean service.inventory.address?",
        "service.name: expected text, found the number 5",
        "service.workers: expected a whole number from 1 to 65535, found the number 0",
        "service.ratio: expected a number, found \"half\"",
        "service.is_open: expected true or false, found \"yes\"",
        "service.colors: expected text, found the number 5",
        "service.mode: expected one of \"fast\", \"exact\", found \"slow\"",
        "service.cache: expected a size, such as \"16KiB\" or \"4MiB\", found \"big\"",
        "service.inventory.address: invalid socket address syntax, found \"nowhere\"",
        "service.inventory.timeout: expected a duration with its unit",
    ] {
        let found = error.lines().find(|found| found.trim_start().starts_with(line));
        assert!(found.is_some_and(|found| found.ends_with("(from FILE)")), "{line}: {error}");
    }
}

#[test]
fn an_error_in_the_environment_names_the_variable() {
    assert_eq!(
        errors_of(&variable("SAMPLE__SERVICE__INVENTORY__TIMEOUT", "soon")),
        "the configuration has 1 error\n  service.inventory.timeout: expected a duration with its \
         unit (ms, s, m, h or d), up to a year, such as \"250ms\" or \"5s\", found \"soon\" \
         (from SAMPLE__SERVICE__INVENTORY__TIMEOUT)"
    );
    let section = errors_of(&variable("SAMPLE__SERVICE__INVENTORY", "x"));
    assert!(section.contains("belong below [service.inventory]"), "{section}");
}

#[test]
fn a_check_of_the_service_itself_names_the_sources() {
    #[derive(Debug, Deserialize)]
    #[serde(try_from = "Range")]
    struct Checked;
    #[derive(Debug, Deserialize)]
    struct Range {
        least: u32,
        most: u32,
    }
    impl TryFrom<Range> for Checked {
        type Error = &'static str;
        fn try_from(range: Range) -> Result<Self, Self::Error> {
            if range.least <= range.most { Ok(Self) } else { Err("least is more than most") }
        }
    }
    let schema = schema("[service]\nleast = 1\nmost = 2\n");
    let error = load_file::<Checked>(&schema, "service.least = 3").expect_err("3 is more than 2");
    assert!(error.ends_with("\n  service: least is more than most (from FILE)"), "{error}");
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "Unchecked")]
struct Connected {
    database: SocketAddr,
    cache: Option<SocketAddr>,
}

#[derive(Debug, Deserialize)]
struct Unchecked {
    database: SocketAddr,
    cache: Option<SocketAddr>,
}

impl TryFrom<Unchecked> for Connected {
    type Error = &'static str;
    fn try_from(Unchecked { database, cache }: Unchecked) -> Result<Self, Self::Error> {
        if cache == Some(database) {
            Err("cache is the database")
        } else {
            Ok(Self { database, cache })
        }
    }
}

#[test]
fn a_default_that_the_type_refuses_has_to_be_set() {
    let schema = schema("[service]\ndatabase = \"\"\ncache = \"\"\n");
    let errors = load::<Connected>(&schema, &Layers::default()).expect_err("database is not set");
    let error = "service.database: invalid socket address syntax, found \"\"";
    assert_eq!(errors.to_string(), format!("the configuration has 1 error\n  {error}"));

    let file = "[service]\ndatabase = \"127.0.0.1:1\"\n";
    let loaded = load_file::<Connected>(&schema, file).expect("database is set");
    assert_eq!((loaded.service.database.port(), loaded.service.cache), (1, None));

    // The search for more errors puts the default of database back. That is not reported, because
    // database was set.
    let file = format!("{file}cache = \"127.0.0.1:1\"\n");
    let error = load_file::<Connected>(&schema, &file).expect_err("both are the same");
    let expected = "service: cache is the database (from FILE)";
    assert_eq!(error, format!("the configuration has 1 error\n  {expected}"));
}

#[test]
fn nested_settings_are_shown_in_their_sections() {
    let loaded = defaults::<Shop>(&shop());
    let shown = &json_of(&loaded)["service"]["inventory"]["timeout"];
    assert_eq!(shown, &json!({ "value": "1s", "source": "default" }));
    let text = toml_of(&loaded);
    assert!(text.contains("\n[service.inventory]\naddress = \"127.0.0.1:1\""), "{text}");
    load_file::<Shop>(&shop(), &text).expect("what is shown is valid");
}

#[test]
fn a_service_without_settings_has_the_unit_type() {
    defaults::<()>(&schema(""));
    defaults::<()>(&schema("[server]\nmax_workers = 7\n"));
}

#[test]
fn overrides_change_the_defaults_of_the_chassis() {
    let loaded = defaults::<()>(&schema("[server]\nmax_workers = 7\n"));
    assert_eq!(loaded.chassis.server.max_workers.get(), 7);
    assert_eq!(json_of(&loaded)["server"]["max_workers"]["source"], "default");
}

#[test]
#[should_panic(expected = "sample-service: server.max_wokers: is not a setting of the chassis")]
fn an_override_of_an_unknown_setting_panics() {
    defaults::<()>(&schema("[server]\nmax_wokers = 7\n"));
}

#[test]
#[should_panic(expected = "server.max_workers: expected a whole number from 1")]
fn an_override_that_is_not_valid_panics() {
    defaults::<()>(&schema("[server]\nmax_workers = 0\n"));
}

#[test]
#[should_panic(expected = "service.name: expected text, found the number 1")]
fn defaults_of_another_type_panic() {
    defaults::<Shop>(&schema("[service]\nname = 1\n"));
}

#[test]
#[should_panic(expected = "service: workers has no default")]
fn a_setting_without_default_panics() {
    defaults::<Shop>(&schema("[service]\nname = \"shop\"\n"));
}

#[test]
#[should_panic(expected = "service.Name: must consist of lower case letters")]
fn a_key_that_no_variable_reaches_panics() {
    defaults::<()>(&schema("[service]\nName = \"shop\"\n"));
}
