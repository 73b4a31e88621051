//! The directives of `RUST_LOG`, such as `info,h2=debug`.
//!
//! A crate is known if the `Cargo.lock` of the program has it, which the build script reads. Any
//! other word is an error, because it would select nothing, silently.

use tracing::level_filters::LevelFilter;

/// The names of all crates of the program, separated by commas.
const CRATES: &str = env!("CRATES");

/// The names of those that depend on `tracing` or `log`, for errors.
const LOGGING_CRATES: &str = env!("LOGGING_CRATES");

const LEVELS: &str = "off, error, warn, info, debug, trace";

/// Valid directives.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Directives {
    /// Each as [`tracing_subscriber::filter::Targets`] reads it.
    pub(super) all: Vec<String>,
    /// Whether one of them is a level for everything.
    pub(super) have_default: bool,
}

/// Returns the words between the commas, without the space around them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|word| !word.is_empty())
}

/// Parses directives. `program` is the name of the program's crate.
///
/// # Errors
///
/// Returns the problem of the first word that is not a directive, with what is possible.
pub(super) fn parse(text: &str, program: &str) -> Result<Directives, String> {
    let mut directives = Directives { all: Vec::new(), have_default: false };
    for word in words(text) {
        let Some((target, level)) = word.split_once('=') else {
            if let Some(level) = level(word) {
                directives.have_default = true;
                directives.all.push(level.to_string());
            } else if is_known(word, program) {
                directives.all.extend(of_target(word, LevelFilter::TRACE));
            } else {
                let crates = crates_that_log(program);
                return Err(format!(
                    "{word:?} is neither a level ({LEVELS}) nor a crate ({crates})"
                ));
            }
            continue;
        };
        let (target, level_text) = (target.trim(), level.trim());
        if !is_known(target, program) {
            let crates = crates_that_log(program);
            return Err(format!("{target:?} is not a crate of the program ({crates})"));
        }
        let level = self::level(level_text)
            .ok_or_else(|| format!("{level_text:?} is not a level ({LEVELS})"))?;
        directives.all.extend(of_target(target, level));
    }
    Ok(directives)
}

/// Names and numbers, in any case.
fn level(text: &str) -> Option<LevelFilter> {
    if text.is_empty() { None } else { text.parse().ok() }
}

/// Returns the directives for a target: most crates log under their name with underscores,
/// OpenTelemetry's under that of the package.
fn of_target(target: &str, level: LevelFilter) -> impl Iterator<Item = String> {
    let (name, modules) = target.split_at(target.find("::").unwrap_or(target.len()));
    let spellings = [name.replace('-', "_"), name.replace('_', "-")];
    spellings.map(|name| format!("{name}{modules}={level}")).into_iter()
}

/// Returns whether the crate of a target, such as `h2` of `h2::codec`, is known.
fn is_known(target: &str, program: &str) -> bool {
    let name = target.split("::").next().unwrap_or(target).replace('-', "_");
    CRATES.split(',').chain([program]).any(|known| known == name)
}

fn crates_that_log(program: &str) -> String {
    let others = LOGGING_CRATES.split(',').filter(|name| *name != program);
    [program].into_iter().chain(others).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Directives, String> {
        parse(text, "sample_service")
    }

    #[test]
    fn levels_and_known_crates_are_directives() {
        for (text, all, have_default) in [
            ("info", &["info"][..], true),
            ("INFO ", &["info"], true),
            ("\tOff", &["off"], true),
            (" info , h2=debug,", &["info", "h2=debug", "h2=debug"], true),
            ("h2 = Warn", &["h2=warn", "h2=warn"], false),
            ("h2::codec=debug", &["h2::codec=debug", "h2::codec=debug"], false),
            ("tower", &["tower=trace", "tower=trace"], false),
            ("sample-service=debug", &["sample_service=debug", "sample-service=debug"], false),
            (
                "opentelemetry_sdk=debug",
                &["opentelemetry_sdk=debug", "opentelemetry-sdk=debug"],
                false,
            ),
            ("", &[], false),
            (" , ", &[], false),
        ] {
            let all = all.iter().map(|&directive| directive.to_owned()).collect();
            assert_eq!(parsed(text), Ok(Directives { all, have_default }), "{text:?}");
        }
        for name in ["chassis", "channel", "wire", "rustls", "tonic", "hyper", "tower", "h2"] {
            assert!(parsed(&format!("{name}=debug")).is_ok(), "{name}");
        }
    }

    #[test]
    fn a_word_that_selects_nothing_is_an_error_that_names_it_and_what_is_possible() {
        for (text, word) in [
            ("warning", "\"warning\""),
            ("inf", "\"inf\""),
            ("info debug", "\"info debug\""),
            ("info;h2=debug", "\"info;h2\""),
            ("sample_servic=debug", "\"sample_servic\""),
            ("info,nonsense", "\"nonsense\""),
            ("h2=", "\"\""),
            ("=debug", "\"\""),
            ("h2=loud", "\"loud\""),
            ("h2=debug=info", "\"debug=info\""),
            ("\"info\"", "\"\\\"info\\\"\""),
        ] {
            let error = parsed(text).expect_err(text);
            assert!(error.starts_with(word), "{text}: {error}");
            assert!(error.contains("debug") || error.contains("sample_service"), "{error}");
        }
    }
}
