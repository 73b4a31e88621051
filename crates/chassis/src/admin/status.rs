//! `/status`: everything that the page shows, as JSON.

use std::{
    process,
    sync::{Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use procfs::process::Process;
use serde_json::{Value, json};
use tokio::time::Instant;
use wire::code::code_name;

use super::{calls::Calls, log, series::by_name, time::shown};
use crate::{
    config::{Effective, as_json},
    lifecycle::Lifecycle,
    package::Package,
    telemetry::{FailedCall, Metrics, Telemetry},
};

/// How old the status can be that a follower gets: the followers of one second share it.
const FRESH: Duration = Duration::from_millis(900);

/// What the page says of the program.
#[derive(Debug)]
pub(crate) struct About {
    pub(crate) package: Package,
    pub(crate) effective: Vec<Effective>,
}

/// Makes the status when it is asked for.
#[derive(Debug)]
pub(super) struct Status {
    package: Package,
    /// As `config show --json` has them.
    settings: Value,
    lifecycle: Lifecycle,
    telemetry: Telemetry,
    metrics: Metrics,
    calls: Mutex<Calls>,
    last: Mutex<Option<(Instant, Bytes)>>,
}

impl Status {
    pub(super) fn new(
        about: &About,
        lifecycle: Lifecycle,
        telemetry: Telemetry,
        metrics: Metrics,
    ) -> Self {
        Self {
            package: about.package,
            settings: as_json(&about.effective),
            lifecycle,
            telemetry,
            metrics,
            calls: Mutex::new(Calls::new(Instant::now())),
            last: Mutex::new(None),
        }
    }

    pub(super) fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Returns the status of this moment as one line of JSON.
    pub(super) fn now(&self) -> Bytes {
        let text = self.metrics.detailed_text();
        let now = Instant::now();
        let (calls, window) = lock(&self.calls).look(&text, now);
        let condition = self.lifecycle.condition();
        let failed = self.telemetry.failures().map(|failures| failures.newest_first());
        let status = json!({
            "service": self.package.name,
            "version": self.package.version,
            "process_id": process::id(),
            "time": shown(SystemTime::now()),
            "state": {
                "name": condition.state.name(),
                "since": shown(condition.since),
                "ready": condition.is_ready(),
                "dependencies_not_ready": condition.unready,
            },
            "window_seconds": window,
            "calls": calls,
            "metrics": by_name(&text),
            "process_memory": process_memory(),
            "failed_calls":
                failed.unwrap_or_default().iter().map(failed_call).collect::<Vec<_>>(),
            "log": self.telemetry.log_filter().map(log::in_force),
            "settings": self.settings,
        });
        let status = Bytes::from(status.to_string());
        *lock(&self.last) = Some((now, status.clone()));
        status
    }

    /// Returns a status that is not older than a second.
    pub(super) fn recent(&self) -> Bytes {
        let last = lock(&self.last).clone();
        match last {
            Some((made, status)) if made.elapsed() < FRESH => status,
            _ => self.now(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds the lock")
}

fn failed_call(call: &FailedCall) -> Value {
    let milliseconds = |time: Duration| time.as_micros() as f64 / 1000.0;
    json!({
        "time": shown(call.ended),
        "method": call.path,
        "code": code_name(call.code),
        "ms": milliseconds(call.took),
        "queue_ms": call.waited.map(milliseconds),
        "peer": call.peer,
        "request_id": call.request_id,
        "trace_id": call.trace_id,
    })
}

/// Returns what the kernel says of the memory of the process, in bytes. The allocator has no
/// statistics that can be read without unsafe code: what it holds is in `anonymous`.
fn process_memory() -> Option<Value> {
    let status = Process::myself().ok()?.status().ok()?;
    let bytes = |kib: Option<u64>| kib.map(|kib| kib * 1024);
    Some(json!({
        "resident": bytes(status.vmrss),
        "most_resident": bytes(status.vmhwm),
        "anonymous": bytes(status.rssanon),
        "files": bytes(status.rssfile),
        "swapped": bytes(status.vmswap),
    }))
}
