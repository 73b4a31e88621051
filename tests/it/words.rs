//! The words of comments and documentation: plain English, and the words of the field.

use std::{fs, path::PathBuf, process::Command};

/// Words to avoid, and what to write instead. Each matches whole words in any case.
const AVOID: &[(&str, &str)] = &[
    ("whoever", "name it: the client, the caller"),
    ("nobody", "name it: no client, no caller"),
    ("so many", "the number, or its name"),
    ("so much", "the amount, or its name"),
    ("so long", "the time, or its name"),
    ("what there is", "name it, or \"as much as there is\""),
    ("where none", "\"if there is none\""),
    ("where no", "\"if there is no\""),
    ("where there is", "\"if there is\""),
    ("one too many", "\"over the limit\""),
    ("surplus", "\"over the limit\""),
    ("what comes back", "the response, the result"),
    ("what comes of", "the result"),
    ("what came of", "the result"),
    ("what becomes of", "the result, how it ends"),
    ("what became of", "the result, how it ended"),
    ("has become of", "the result"),
    ("gives up", "\"cancels\", \"times out\""),
    ("give up", "\"cancel\", \"time out\""),
    ("given up", "\"cancelled\", \"timed out\""),
    ("takes no notice", "\"ignores\""),
    ("told of", "\"gets\", \"receives\""),
    ("told to end", "\"asked to close\", \"stopped\""),
    ("there as a whole", "\"buffered\""),
    ("in turn", "\"round robin\", \"one after the other\""),
    ("anew", "\"again\""),
];

/// Right uses: a file, a part of the line, and the reason.
const RIGHT: &[(&str, &str, &str)] = &[("tests/it/words.rs", "", "the list itself")];

/// Parts of the names of files that others wrote, or that are data.
const LEFT_OUT: &[&str] =
    &["LICENSE-", "Cargo.lock", ".patch", "/fixtures/", ".json", ".proto.txt"];

#[test]
fn comments_and_documentation_have_no_words_to_avoid() {
    let mut found = Vec::new();
    for file in files() {
        // A file that is not text has no words.
        let Ok(text) = fs::read_to_string(root().join(&file)) else { continue };
        let lines: Vec<_> = text.lines().collect();
        for (index, line) in lines.iter().enumerate() {
            let before = index.checked_sub(1).map(|index| prose(&file, lines[index]));
            for (words, instead) in avoided(before.unwrap_or_default(), prose(&file, line)) {
                let is_right =
                    |(right, part, _): &(&str, &str, &str)| *right == file && line.contains(part);
                if !RIGHT.iter().any(is_right) {
                    found.push(format!("{file}:{}: \"{words}\": write {instead}", index + 1));
                }
            }
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn words_are_found_across_lines_and_only_whole() {
    let found =
        |before, line| avoided(before, line).iter().map(|(words, _)| *words).collect::<Vec<_>>();
    assert_eq!(found("", "For Whoever asks."), ["whoever"]);
    assert_eq!(found("there are so", "many of them"), ["so many"]);
    assert_eq!(found("so many", "of them"), [""; 0]);
    assert_eq!(found("", "also many, in turning"), [""; 0]);
    assert_eq!(prose("a.rs", "let a = \"so many\"; // Because."), " Because.");
    assert_eq!(prose("a.md", "so many"), "so many");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the files of the repository, by git.
fn files() -> Vec<String> {
    let mut list = Command::new("git");
    list.args(["ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate"]);
    let output = list.current_dir(root()).output().expect("git runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let list = String::from_utf8(output.stdout).expect("the names are UTF-8");
    let is_written = |file: &&str| !LEFT_OUT.iter().any(|part| file.contains(part));
    let files: Vec<_> = list.lines().filter(is_written).map(ToOwned::to_owned).collect();
    assert!(files.len() > 500, "{}", files.len());
    files
}

/// Returns the comment of a line of Rust or proto, and the whole line of any other file.
fn prose<'a>(file: &str, line: &'a str) -> &'a str {
    if !file.ends_with(".rs") && !file.ends_with(".proto") {
        return line;
    }
    line.split_once("//").map_or("", |(_, comment)| comment)
}

/// Returns the words to avoid that end in this line, and what to write instead.
fn avoided(before: &str, line: &str) -> Vec<(&'static str, &'static str)> {
    let split = |text: &str| -> Vec<String> {
        let is_word = |letter: char| letter.is_alphanumeric() || matches!(letter, '\'' | '_');
        let words = text.split(|letter| !is_word(letter));
        words.filter(|word| !word.is_empty()).map(str::to_lowercase).collect()
    };
    let (mut words, new) = (split(before), split(line));
    let old = words.len();
    words.extend(new);
    let is_found = |(avoid, _): &(&str, &str)| {
        let avoid: Vec<_> = avoid.split(' ').collect();
        let mut places = words.windows(avoid.len()).enumerate();
        places.any(|(start, window)| start + avoid.len() > old && window == avoid)
    };
    AVOID.iter().copied().filter(is_found).collect()
}
