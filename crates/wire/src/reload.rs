//! Files that are loaded again when they change.
//!
//! The contents are compared, which works with every way of changing a file and on every kind
//! of volume. Notifications of the kernel do not.

use std::{fmt, io, thread, time::Duration};

/// The time between two reads of the files. A change is loaded when two reads in a row return the
/// same contents. Files that are written shortly after each other are therefore loaded together.
const INTERVAL: Duration = Duration::from_millis(500);

/// The contents of files as they were read and loaded.
pub struct Reload<F> {
    /// The contents at the last read.
    seen: F,
    /// The contents that were last loaded, or that could not be loaded because of `error`.
    tried: F,
    error: Option<String>,
}

impl<F: Clone + PartialEq> Reload<F> {
    /// Returns the state of files that have been loaded.
    pub fn new(files: F) -> Self {
        Self { seen: files.clone(), tried: files, error: None }
    }

    /// Loads the files if they have changed, or if `is_due` says that it is time to load the same
    /// contents again. Returns the result, but the same error only once for each change.
    pub fn look<T>(
        &mut self,
        files: F,
        is_due: bool,
        load: impl FnOnce(&F) -> Result<T, String>,
    ) -> Option<Result<T, String>> {
        let settled = files == self.seen;
        let changed = files != self.tried;
        self.seen = files;
        // Files that are not valid are checked again, because a certificate may become valid later.
        if !settled || !(changed || is_due || self.error.is_some()) {
            return None;
        }
        let result = load(&self.seen);
        self.tried.clone_from(&self.seen);
        let error = result.as_ref().err().cloned();
        let is_known = !changed && error.is_some() && error == self.error;
        self.error = error;
        (!is_known).then_some(result)
    }
}

/// Without the files, which can have private keys.
impl<F> fmt::Debug for Reload<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reload").field("error", &self.error).finish_non_exhaustive()
    }
}

/// Calls `look` in every interval until it returns false, in a thread of its own: a volume that
/// does not respond delays nothing else.
///
/// # Errors
///
/// Returns an error if the system has no thread left.
pub fn watch(mut look: impl FnMut() -> bool + Send + 'static) -> io::Result<()> {
    let look = move || {
        loop {
            thread::sleep(INTERVAL);
            if !look() {
                return;
            }
        }
    };
    thread::Builder::new().name("certificates".into()).spawn(look).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(reload: &mut Reload<i32>, files: i32, is_due: bool) -> Option<Result<i32, String>> {
        let load = |files: &i32| if *files < 0 { Err("negative".to_owned()) } else { Ok(*files) };
        reload.look(files, is_due, load)
    }

    #[test]
    fn a_change_is_loaded_when_two_reads_have_seen_it() {
        let mut reload = Reload::new(1);
        let seen = [1, 1, 2, 3, 3, 3].map(|files| look(&mut reload, files, false));
        assert_eq!(seen, [None, None, None, None, Some(Ok(3)), None]);
        assert_eq!(look(&mut reload, 3, true), Some(Ok(3)));
    }

    #[test]
    fn an_error_is_returned_once_for_each_change() {
        let mut reload = Reload::new(1);
        let error = || Some(Err("negative".to_owned()));
        let seen = [-1, -1, -1, -2, -2, -2, 1, 1, 1].map(|files| look(&mut reload, files, false));
        assert_eq!(seen, [None, error(), None, None, error(), None, None, Some(Ok(1)), None]);
    }
}
