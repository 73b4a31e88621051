//! The documentation of all settings: the commented default file, and the table of
//! docs/configuration.md.

use std::fmt::Write;

use super::{
    defaults::{Defaults, OWN},
    schema::Schema,
    sections::SECTIONS,
    text,
    value::as_json,
};

/// Returns the text of `config default`: every setting with its meaning and its default. As a
/// file for `--config` it changes nothing.
///
/// # Panics
///
/// Panics with the key if the service's defaults are not valid.
pub fn default_toml(schema: &Schema) -> String {
    let defaults = Defaults::new(schema);
    let mut text = header(schema);
    for section in SECTIONS {
        text += "\n";
        comment(&mut text, section.doc);
        text += &format!("[{}]\n", section.name);
        for setting in section.settings {
            comment(&mut text, setting.doc);
            text += &format!("{} = {}\n", setting.name, as_json(&defaults.values[setting.key]));
        }
    }
    let own = text::cut(schema.service_defaults, OWN);
    if text::parse(&own).ok().and_then(|mut table| table.remove(OWN))
        != text::parse(schema.service_defaults).ok().and_then(|mut table| table.remove(OWN))
    {
        defaults.fail("the service's own settings must stand below the line [service]");
    }
    if !own.is_empty() {
        text += &format!("\n{}\n", own.trim());
    }
    text
}

fn header(schema: &Schema) -> String {
    let program = schema.package.name;
    let variable = format!("{}SERVER__MAX_WORKERS=8", schema.package.environment_prefix());
    format!(
        "\
# The settings of `{program} serve`, with their defaults. They are compiled into the
# binary: no file is needed to run it.
#
# Later layers win:
#   these defaults
#   < files            --config FILE, may be repeated
#   < environment      {variable} (`__` between the parts)
#   < flags            --max-workers 8
#
# Durations are text with a unit: \"250ms\", \"5s\", \"1m 30s\".
# `{program} config show` prints the settings in effect, each with its source.
"
    )
}

fn comment(text: &mut String, lines: &[&str]) {
    for line in lines {
        text.push('#');
        text.push_str(line);
        text.push('\n');
    }
}

/// Returns the table of all settings for docs/configuration.md: setting, default, variable, flag
/// and meaning.
///
/// # Panics
///
/// Panics with the key if the service's defaults are not valid.
pub fn markdown_table(schema: &Schema) -> String {
    let defaults = Defaults::new(schema);
    let mut table = String::from("| setting | default | environment | flag | meaning |\n");
    table += "|---|---|---|---|---|\n";
    let mut row = |key: &str, meaning: &str| {
        let default = as_json(&defaults.values[key]);
        let variable = key.to_uppercase().replace('.', "__");
        let variable = format!("{}{variable}", defaults.environment_prefix);
        let flag = schema.all_flags().find(|flag| flag.key == key);
        let flag = flag.map(|flag| format!(" `{}`", flag.name)).unwrap_or_default();
        let meaning = meaning.replace('|', "\\|");
        // Writing to a String cannot fail.
        let _ = writeln!(table, "| `{key}` | `{default}` | `{variable}` |{flag} | {meaning} |");
    };
    for setting in SECTIONS.iter().flat_map(|section| section.settings) {
        row(setting.key, &first_sentence(setting.doc));
    }
    for setting in text::find(schema.service_defaults, OWN) {
        let comment: Vec<_> = setting.comment.iter().map(String::as_str).collect();
        row(&format!("{}.{}", setting.section, setting.name), &first_sentence(&comment));
    }
    table
}

/// Returns the first sentence without its full stop.
fn first_sentence(lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|line| line.trim()).collect();
    let text = lines.join(" ");
    let sentence = text.split(". ").next().unwrap_or_default();
    sentence.strip_suffix('.').unwrap_or(sentence).to_owned()
}
