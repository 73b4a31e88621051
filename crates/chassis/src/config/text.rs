//! TOML as text: parsing it, and finding a setting and its comment in it.

use toml::{
    Table, Value,
    de::{DeTable, DeValue},
};

/// Parses TOML.
///
/// # Errors
///
/// Returns what is wrong and where, without the line itself, which can hold a secret.
pub(super) fn parse(text: &str) -> Result<Table, String> {
    text.parse::<Table>().map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let message = error.message().replace('\n', ", ");
        format!("TOML parse error at line {line}, column {column}: {message}")
    })
}

/// Parses one value, such as `["a", "b"]`.
pub(super) fn parse_value(text: &str) -> Option<Value> {
    let mut table = parse(&format!("value = {text}")).ok()?;
    // More than one key means that the text holds more than a value.
    table.remove("value").filter(|_| table.is_empty())
}

/// A setting in a text.
pub(super) struct Found {
    /// The section with all its parts, such as `service.inventory`.
    pub(super) section: String,
    /// The key within the section.
    pub(super) name: String,
    /// The comment above it: its lines without `#`.
    pub(super) comment: Vec<String>,
}

/// Returns the settings below `section` in the order of the text, but with the settings of each
/// section together. Returns no settings if the text is not valid TOML.
pub(super) fn find(text: &str, section: &str) -> Vec<Found> {
    let mut found = Vec::new();
    if let Ok(root) = DeTable::parse(text)
        && let Some(DeValue::Table(table)) =
            root.get_ref().get(section).map(|value| value.get_ref())
    {
        collect(table, section, &mut found);
    }
    found.sort_by_key(|(position, ..)| *position);

    let mut sections: Vec<String> = Vec::new();
    for (_, section, _) in &found {
        if !sections.contains(section) {
            sections.push(section.clone());
        }
    }
    found.sort_by_key(|(_, section, _)| sections.iter().position(|other| other == section));
    let found = found.into_iter().map(|(position, section, name)| {
        let comment = comment_above(text, position);
        Found { section, name, comment }
    });
    found.collect()
}

fn collect(table: &DeTable<'_>, section: &str, found: &mut Vec<(usize, String, String)>) {
    for (name, value) in table {
        match value.get_ref() {
            DeValue::Table(table) => {
                collect(table, &format!("{section}.{}", name.get_ref()), found);
            }
            _ => {
                let name_text = name.get_ref().clone().into_owned();
                found.push((name.span().start, section.to_owned(), name_text));
            }
        }
    }
}

/// Returns the comment directly above a position: its lines without `#`.
fn comment_above(text: &str, position: usize) -> Vec<String> {
    let (above, _) = text.split_at(line_start(text, position));
    let comment = above.get(block_start(text, position)..).unwrap_or_default();
    let lines = comment.lines().map(|line| line.trim().trim_start_matches('#').trim());
    lines.map(ToOwned::to_owned).collect()
}

/// Returns the part of a text that has the tables `[section]` and `[section.…]`, with their
/// comments.
pub(super) fn cut(text: &str, section: &str) -> String {
    let mut headers = Vec::new();
    if let Ok(root) = DeTable::parse(text) {
        collect_headers(text, root.get_ref(), "", &mut headers);
    }
    // The header of `[a.b]` is found for `a` and for `a.b`.
    headers.sort();
    headers.dedup_by_key(|(start, _)| *start);
    let ends = headers.iter().skip(1).map(|(start, _)| *start).chain([text.len()]);
    let tables = headers.iter().zip(ends).filter(|((_, name), _)| name == section);
    let tables: Vec<_> =
        tables.map(|((start, _), end)| format!("{}\n", text[*start..end].trim_end())).collect();
    tables.join("\n")
}

/// Collects where each table begins, with the comment above it, and the first part of its name.
fn collect_headers(
    text: &str,
    table: &DeTable<'_>,
    root: &str,
    headers: &mut Vec<(usize, String)>,
) {
    for (name, value) in table {
        let root = if root.is_empty() { name.get_ref() } else { root };
        if let DeValue::Table(table) = value.get_ref() {
            let position = name.span().start;
            // Other tables are inline, or made by keys with dots.
            if text[line_start(text, position)..].trim_start().starts_with('[') {
                headers.push((block_start(text, position), root.to_owned()));
            }
            collect_headers(text, table, root, headers);
        }
    }
}

/// Returns where the line of a position begins.
fn line_start(text: &str, position: usize) -> usize {
    text[..position].rfind('\n').map_or(0, |end| end + 1)
}

/// Returns where the comment directly above a position begins, or else its line.
fn block_start(text: &str, position: usize) -> usize {
    let start = line_start(text, position);
    let comment = text[..start].split_inclusive('\n').rev();
    let comment = comment.take_while(|line| line.trim_start().starts_with('#'));
    start - comment.map(str::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
# About the file.

# First.
[service]
lists = [
    [\"a\"],
]
# Below a name.
inner.key = 1

[other]
key = 2

# Third.
[service.deep]
key = 3 # At the end.

# Fourth.
[last]
";

    #[test]
    fn the_tables_of_a_section_are_cut_out_with_their_comments() {
        let cut = cut(TEXT, "service");
        assert!(cut.starts_with("# First.\n[service]\nlists = [\n    [\"a\"],\n]\n"), "{cut}");
        let end = "inner.key = 1\n\n# Third.\n[service.deep]\nkey = 3 # At the end.\n";
        assert!(cut.ends_with(end), "{cut}");
    }

    #[test]
    fn settings_are_found_with_section_name_and_comment() {
        let found = find(TEXT, "service");
        let found: Vec<_> = found
            .iter()
            .map(|found| (found.section.as_str(), found.name.as_str(), found.comment.join(" ")))
            .collect();
        assert_eq!(
            found,
            [
                ("service", "lists", String::new()),
                ("service.inner", "key", "Below a name.".to_owned()),
                ("service.deep", "key", String::new()),
            ]
        );
    }

    #[test]
    fn a_value_is_one_value() {
        assert_eq!(parse_value("[1]").map(|value| value.is_array()), Some(true));
        for text in ["", "1\nother = 2", "a"] {
            assert_eq!(parse_value(text), None);
        }
    }
}
