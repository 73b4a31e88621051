//! The default file and the table of docs/configuration.md come from the declarations.

use super::{SAMPLE, Sample, defaults, load_file, schema, toml_of};
use crate::config::{default_toml, markdown_table};

#[test]
fn the_default_file_changes_nothing() {
    let loaded = defaults::<Sample>(&SAMPLE);
    let text = default_toml(&SAMPLE);
    let again = load_file::<Sample>(&SAMPLE, &text).expect("the default file is valid");
    assert_eq!((&again.chassis, &again.service), (&loaded.chassis, &loaded.service));
    // Every setting is in the file.
    assert!(again.effective.iter().all(|setting| setting.source != "default"), "{text}");
}

#[test]
fn the_default_file_has_the_comment_of_each_setting() {
    let text = default_toml(&SAMPLE);
    for part in [
        "# The settings of `sample-service serve`, with their defaults.",
        "SAMPLE__SERVER__MAX_WORKERS=8 (`__` between the parts)",
        "\n\n# The queue of the calls that wait for a worker.\n[queue]\n# Calls that may wait",
        " with RESOURCE_EXHAUSTED and a retry hint.\nlength = 100\n",
        "\n\n[service]\n# The time that each call simulates work",
        "\nwork = \"0s\"\n",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 90), "{text}");
}

const OVERRIDES: &str = "\
# About this file.

# Chosen by measurement.
[server]
max_workers = 7

# What the service is made of.
[service]
# Its size. It is small.
size = 1

# Another service.
[service.inventory]
# Where it is: a | b.
address = \"x\"

# Not shown.
[log]
format = \"json\"
";

#[test]
fn the_default_file_has_overridden_defaults_and_the_service_sections() {
    let schema = schema(OVERRIDES);
    let text = default_toml(&schema);
    assert!(text.contains("\nmax_workers = 7\n") && text.contains("\nformat = \"json\"\n"));
    let own = "\n\n\
# What the service is made of.
[service]
# Its size. It is small.
size = 1

# Another service.
[service.inventory]
# Where it is: a | b.
address = \"x\"
";
    assert!(text.ends_with(own), "{text}");
    assert!(!text.contains("About this file") && !text.contains("Chosen by"), "{text}");
    let shown = toml_of(&defaults::<serde::de::IgnoredAny>(&schema));
    let again = load_file::<serde::de::IgnoredAny>(&schema, &text).expect("it is valid");
    let without_source = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(" #").next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(without_source(&toml_of(&again)), without_source(&shown));
}

#[test]
fn the_table_has_a_row_for_each_setting() {
    let table = markdown_table(&SAMPLE);
    for setting in defaults::<Sample>(&SAMPLE).effective {
        let (section, name, value) = (setting.section, setting.name, setting.value);
        // The effective budget depends on the machine.
        let value = if name == "memory" { "auto".into() } else { value };
        let variable = format!("SAMPLE__{section}__{name}").to_uppercase();
        let row = format!("| `{section}.{name}` | `{value}` | `{variable}` |");
        assert!(table.contains(&row), "{row} is not in {table}");
    }
    for row in [
        "`SAMPLE__SERVER__ADDRESS` | `--address` | Where calls are served: an IP address and a \
         port, or `unix:` and the path of a Unix socket |\n",
        "`SAMPLE__SERVICE__WORK` | `--work` | The time that each call simulates work",
        "`SAMPLE__QUEUE__LENGTH` | | Calls that may wait for a worker, or 0 for no queue |\n",
    ] {
        assert!(table.contains(row), "{row} is not in {table}");
    }
}

#[test]
fn the_table_has_nested_settings_and_overridden_defaults() {
    let table = markdown_table(&schema(OVERRIDES));
    for row in [
        "| `server.max_workers` | `7` |",
        "| `service.inventory.address` | `\"x\"` | `SAMPLE__SERVICE__INVENTORY__ADDRESS` | | \
         Where it is: a \\| b |",
        "| `service.size` | `1` | `SAMPLE__SERVICE__SIZE` | | Its size |",
    ] {
        assert!(table.contains(row), "{row} is not in {table}");
    }
}
