//! A rate limit for log lines that peers can cause.

use std::{sync::Mutex, time::Duration};

use tokio::time::Instant;

/// The shortest time between two lines.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);

/// Lets one line through in each [`INTERVAL`].
#[derive(Debug, Default)]
pub(crate) struct LogRate(Mutex<Option<Instant>>);

impl LogRate {
    /// Returns whether a line may be written now.
    pub(crate) fn is_line_due(&self) -> bool {
        let mut last = self.0.lock().expect("nothing panics while it is locked");
        let is_due = last.is_none_or(|at| at.elapsed() >= INTERVAL);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_line_is_due_once_a_second() {
        let rate = LogRate::default();
        assert!(rate.is_line_due());
        assert!(!rate.is_line_due());
        advance(INTERVAL).await;
        assert!(rate.is_line_due());
        assert!(!rate.is_line_due());
    }
}
