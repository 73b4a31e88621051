//! The files, headings and tests that the documentation refers to exist.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// The folders whose `.md` files are checked, besides the root.
const FOLDERS: &[&str] = &["docs", "deploy/chart", "examples", "examples/orders"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn documents() -> Vec<PathBuf> {
    let folders = FOLDERS.iter().map(|folder| root().join(folder)).chain([root()]);
    let files = folders.flat_map(|folder| fs::read_dir(folder).expect("a folder"));
    let files = files.map(|file| file.expect("a file").path());
    let documents: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|end| end == "md")).collect();
    assert!(documents.len() > 10, "{documents:?}");
    documents
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for document in documents() {
        for target in links(&read(&document)) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let folder = document.parent().expect("a file has a folder");
            let file = if path.is_empty() { document.clone() } else { folder.join(path) };
            let is_there = match anchor {
                "" => file.exists(),
                _ => file.is_file() && anchors(&read(&file)).contains(anchor),
            };
            if !is_there {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

/// The program does not compile on a Mac, and a reader should know before the first command.
#[test]
fn the_readme_says_before_its_first_heading_that_it_needs_linux() {
    let text = read(&root().join("README.md"));
    let (introduction, _) = text.split_once("\n## ").expect("a heading");
    assert!(introduction.contains("on Linux only"), "{introduction}");
}

/// Each problem has a link to a public thread, and names tests. The link after a test leads to the
/// file that has the test.
#[test]
fn every_problem_names_a_thread_and_tests_that_exist() {
    let file = root().join("docs/problems.md");
    let text = read(&file);
    let problems: Vec<_> = text.split("\n### ").skip(1).collect();
    assert!(problems.len() >= 20, "{}", problems.len());
    for problem in problems {
        let title = problem.lines().next().expect("a heading");
        // The heading of the next part ends the last problem of a part.
        let problem = problem.split("\n## ").next().expect("there is a first part");
        assert!(links(problem).iter().any(|link| link.starts_with("https://")), "{title}");
        let tests: Vec<_> = problem.split("\nTest: `").skip(1).collect();
        assert!(!tests.is_empty(), "no test: {title}");
        for test in tests {
            let (name, rest) = test.split_once('`').expect("the name has an end");
            let source = links(rest).into_iter().next().expect("a link to the file of the test");
            let source = read(&root().join("docs").join(source));
            let position = source.find(&format!("fn {name}("));
            let before = &source[..position.unwrap_or_else(|| panic!("no test {name}: {title}"))];
            let attributes = before.rsplit("\n\n").next().expect("there is a last part");
            let is_test = ["#[test]", "#[tokio::test"].iter().any(|test| attributes.contains(test));
            assert!(is_test, "{name} is no test: {title}");
        }
    }
}

/// Returns the targets of the links `[text](target)` and `[text]: target` outside of code.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        // The text in backquotes is code.
        let line: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        found.extend(line.split("](").skip(1).filter_map(|rest| {
            let (target, _) = rest.split_once(')')?;
            Some(target.to_owned())
        }));
        let definition = line.strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        found.extend(definition.map(|(_, target)| target.to_owned()));
    }
    found
}

/// Returns the anchors of the headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter(|line| line.starts_with('#'));
    let headings = headings.map(|line| line.trim_start_matches('#').trim().to_lowercase());
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | ' ');
    headings.map(|text| text.chars().filter(kept).collect::<String>().replace(' ', "-")).collect()
}

/// Returns the lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}
