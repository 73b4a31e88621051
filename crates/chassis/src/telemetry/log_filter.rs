//! Which lines are logged: by the settings, and for a while by what the admin page asks for.

use std::{
    env,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use tokio::{task::AbortHandle, time::sleep};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Registry,
    filter::{ParseError, Targets},
    reload,
};

use super::directives;
use crate::config::Log;

/// The variable that overrides `log.level`. It has directives such as `info,h2=debug`.
pub(crate) const OVERRIDE: &str = "RUST_LOG";

/// `RUST_LOG` is not valid.
#[derive(Debug, thiserror::Error)]
#[error("{OVERRIDE}={directives:?} does not parse: {problem}")]
pub(crate) struct BadOverride {
    directives: String,
    problem: String,
}

/// Returns the value of `RUST_LOG`, or `None` if it is not set or has no directive.
pub(crate) fn level_override() -> Option<String> {
    let text = env::var_os(OVERRIDE)?.to_string_lossy().into_owned();
    let is_set = directives::words(&text).next().is_some();
    is_set.then_some(text)
}

/// The crates of this workspace, whose lines have the level of `log.level`.
const OWN: [&str; 4] = ["chassis", "channel", "load", "wire"];

/// Which lines are logged by the settings.
#[derive(Debug, Clone)]
pub(crate) struct Configured {
    targets: Targets,
    /// `RUST_LOG`, or `log.level`.
    text: String,
    level: LevelFilter,
    /// The name of the program's crate.
    program: String,
}

impl Configured {
    /// Returns which lines are logged. `program` is the name of the program's crate.
    ///
    /// # Errors
    ///
    /// Returns an error if `RUST_LOG` has a word that is neither a level nor a known crate.
    pub(crate) fn new(settings: &Log, program: &str) -> Result<Self, BadOverride> {
        let given = level_override();
        let directives = given.clone().unwrap_or_default();
        let targets = targets(&directives, settings.level, program)
            .map_err(|problem| BadOverride { directives, problem })?;
        let text = given.unwrap_or_else(|| settings.level.to_string());
        Ok(Self { targets, text, level: settings.level, program: program.to_owned() })
    }
}

/// Returns which lines directives select, beside those of `log.level`.
fn targets(text: &str, level: LevelFilter, program: &str) -> Result<Targets, String> {
    let given = directives::parse(text, program)?;
    // A level for everything replaces `log.level`; directives for some crates are added to it.
    let configured = if given.have_default { Vec::new() } else { configured(level, program) };
    let all = [configured, given.all].concat().join(",");
    all.parse().map_err(|error: ParseError| error.to_string())
}

/// Returns the directives of `log.level`. It applies to this program: the frames that its
/// libraries log at debug would bury it.
fn configured(level: LevelFilter, program: &str) -> Vec<String> {
    let libraries = level.min(LevelFilter::INFO);
    // h2 warns of each mistake of a peer, however many there are.
    let http2 = level.min(LevelFilter::ERROR);
    let own = OWN.iter().copied().chain([program]).map(|name| format!("{name}={level}"));
    [libraries.to_string(), format!("h2={http2}")].into_iter().chain(own).collect()
}

/// The layer of the log that leaves out lines.
pub(super) type FilterLayer = reload::Layer<Targets, Registry>;

/// The filter of the running log. Clones change the same.
#[derive(Debug, Clone)]
pub(crate) struct LogFilter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    configured: Configured,
    handle: reload::Handle<Targets, Registry>,
    changed: Mutex<Option<Changed>>,
}

/// A filter that is in force for a while.
#[derive(Debug)]
struct Changed {
    filter: InForce,
    going_back: AbortHandle,
}

/// The directives in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InForce {
    pub(crate) directives: String,
    /// When the filter of the settings is in force again; `None` if it is.
    pub(crate) until: Option<SystemTime>,
}

impl LogFilter {
    /// Returns the filter, and the layer that it changes.
    pub(super) fn new(configured: Configured) -> (Self, FilterLayer) {
        let (layer, handle) = reload::Layer::new(configured.targets.clone());
        (Self(Arc::new(Shared { configured, handle, changed: Mutex::new(None) })), layer)
    }

    pub(crate) fn in_force(&self) -> InForce {
        match &*self.changed() {
            Some(changed) => changed.filter.clone(),
            None => InForce { directives: self.configured().to_owned(), until: None },
        }
    }

    /// Returns the directives of the settings.
    pub(crate) fn configured(&self) -> &str {
        &self.0.configured.text
    }

    /// Puts directives such as those of `RUST_LOG` in force for a while. Those of an earlier
    /// change end.
    ///
    /// # Errors
    ///
    /// Returns the problem of the first word that is not a directive.
    pub(crate) fn change(&self, text: &str, time: Duration) -> Result<InForce, String> {
        let Configured { level, program, .. } = &self.0.configured;
        if directives::words(text).next().is_none() {
            return Err("it is empty: give a level or directives such as info,h2=debug".to_owned());
        }
        let targets = targets(text, *level, program)?;
        let filter = InForce { directives: text.to_owned(), until: Some(SystemTime::now() + time) };
        tracing::info!(filter = text, time = ?time, "the log filter changes");
        let mut changed = self.changed();
        let shared = Arc::clone(&self.0);
        let going_back = tokio::spawn(async move {
            sleep(time).await;
            Self(shared).go_back();
        });
        let going_back = going_back.abort_handle();
        let new = Changed { filter: filter.clone(), going_back };
        if let Some(earlier) = changed.replace(new) {
            earlier.going_back.abort();
        }
        self.reload(targets);
        Ok(filter)
    }

    fn go_back(&self) {
        let mut changed = self.changed();
        // A later change may have come while this one was about to end.
        if changed.as_ref().is_some_and(|changed| changed.going_back.id() != tokio::task::id()) {
            return;
        }
        *changed = None;
        self.reload(self.0.configured.targets.clone());
        tracing::info!(filter = self.configured(), "the log filter is that of the settings again");
    }

    fn reload(&self, targets: Targets) {
        // It fails only if the log is gone, and nothing is logged any more.
        let _ = self.0.handle.reload(targets);
    }

    fn changed(&self) -> MutexGuard<'_, Option<Changed>> {
        self.0.changed.lock().expect("nothing panics while it holds the lock")
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;
    use tracing::Level;

    use super::*;

    const PROGRAM: &str = "sample_service";

    fn would_log(filter: &Targets, level: Level) -> [bool; 2] {
        ["sample_service::service", "h2::codec"].map(|target| filter.would_enable(target, &level))
    }

    /// Returns whether the program and h2 are logged at a level.
    fn is_logged(text: &str, level: Level) -> [bool; 2] {
        would_log(&targets(text, LevelFilter::INFO, PROGRAM).expect("valid"), level)
    }

    #[test]
    fn log_level_applies_to_what_no_directive_selects() {
        for (text, level, expected) in [
            ("", Level::INFO, [true, false]),
            ("", Level::DEBUG, [false, false]),
            // The program is not named, so that its level stays.
            ("h2=debug", Level::INFO, [true, true]),
            ("h2=debug", Level::DEBUG, [false, true]),
            ("tower=off", Level::INFO, [true, false]),
            ("sample-service=debug", Level::DEBUG, [true, false]),
            ("sample_service=off", Level::ERROR, [false, true]),
            // A level for everything, as it always was.
            ("info", Level::INFO, [true, true]),
            ("debug", Level::DEBUG, [true, true]),
            ("off", Level::ERROR, [false, false]),
            ("off,h2=debug", Level::DEBUG, [false, true]),
        ] {
            assert_eq!(is_logged(text, level), expected, "{text:?} at {level}");
        }
    }

    fn running() -> (LogFilter, FilterLayer) {
        let level = LevelFilter::INFO;
        let targets = targets("", level, PROGRAM).expect("valid");
        let (text, program) = ("info".to_owned(), PROGRAM.to_owned());
        LogFilter::new(Configured { targets, text, level, program })
    }

    fn logs(filter: &LogFilter, level: Level) -> [bool; 2] {
        filter.0.handle.with_current(|targets| would_log(targets, level)).expect("a layer")
    }

    #[tokio::test(start_paused = true)]
    async fn a_changed_filter_goes_back_by_itself() {
        let (filter, _layer) = running();
        let changed = filter.change("h2=debug", Duration::from_secs(10)).expect("valid");
        assert_eq!(filter.in_force(), changed);
        assert_eq!(logs(&filter, Level::DEBUG), [false, true]);
        // A second change has its own time.
        advance(Duration::from_secs(9)).await;
        filter.change("debug", Duration::from_secs(10)).expect("valid");
        sleep(Duration::from_secs(9)).await;
        assert_eq!(logs(&filter, Level::DEBUG), [true, true]);
        sleep(Duration::from_secs(2)).await;
        assert_eq!(logs(&filter, Level::DEBUG), [false, false]);
        assert_eq!(filter.in_force(), InForce { directives: "info".to_owned(), until: None });
    }

    #[tokio::test(start_paused = true)]
    async fn a_bad_filter_changes_nothing() {
        let (filter, _layer) = running();
        for (text, named) in [("loud", "\"loud\""), ("info,nonsense=debug", "\"nonsense\"")] {
            let problem = filter.change(text, Duration::from_secs(10)).expect_err(text);
            assert!(problem.starts_with(named), "{problem}");
        }
        assert!(filter.change(" , ", Duration::from_secs(10)).is_err());
        assert_eq!(filter.in_force().until, None);
        assert_eq!(logs(&filter, Level::DEBUG), [false, false]);
    }
}
