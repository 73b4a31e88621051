//! The progress bar.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::interval;
use tokio_util::task::AbortOnDropHandle;

use crate::{Plan, shared::Shared};

const INTERVAL: Duration = Duration::from_millis(250);

/// A progress bar on standard error, which disappears when it is dropped. It is not drawn if
/// standard error is not a terminal.
pub(super) struct Progress {
    bar: ProgressBar,
    _task: AbortOnDropHandle<()>,
}

impl Progress {
    pub(super) fn start(plan: &Plan, begun: Instant, shared: Arc<Shared>) -> Self {
        // The bar shows the share of the time if the duration is known, otherwise of the calls.
        let length = plan.duration().map(|time| milliseconds(plan.warmup + time)).or(plan.calls());
        let by_time = plan.duration().is_some();
        let style = ProgressStyle::with_template("[{elapsed}] {bar:30} {percent:>3} %  {msg}");
        let bar = ProgressBar::new(length.unwrap_or_default());
        bar.set_style(style.expect("the template is valid"));
        let shown = bar.clone();
        let task = async move {
            let mut ticks = interval(INTERVAL);
            let (mut before, mut at) = (0, begun);
            loop {
                let now = ticks.tick().await.into_std();
                let ended = shared.ended.load(Relaxed);
                let seconds = now.saturating_duration_since(at).as_secs_f64();
                let rate = if seconds > 0.0 { (ended - before) as f64 / seconds } else { 0.0 };
                (before, at) = (ended, now);
                let failed = shared.failed.load(Relaxed);
                shown.set_position(if by_time { milliseconds(begun.elapsed()) } else { ended });
                shown.set_message(format!("{ended} calls, {rate:.0}/s, {failed} failed"));
            }
        };
        Self { bar, _task: AbortOnDropHandle::new(tokio::spawn(task)) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
