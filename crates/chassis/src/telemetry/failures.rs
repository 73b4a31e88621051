//! The last calls that failed, for the admin page.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime},
};

use tonic::Code;

use crate::{call::Call, method::Origin, text::cut};

/// How many failed calls are kept.
const KEPT: usize = 50;

/// A call that did not end with OK. Each text has at most 128 characters.
#[derive(Debug, Clone)]
pub(crate) struct FailedCall {
    pub(crate) ended: SystemTime,
    pub(crate) path: Box<str>,
    pub(crate) code: Code,
    pub(crate) took: Duration,
    pub(crate) waited: Option<Duration>,
    pub(crate) peer: Option<Box<str>>,
    pub(crate) request_id: Box<str>,
    pub(crate) trace_id: Option<Box<str>>,
}

/// The last calls that failed, the newest last. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failures(Arc<Mutex<VecDeque<FailedCall>>>);

impl Failures {
    /// Keeps the call if it failed. A call that ended with OK costs nothing.
    pub(super) fn record(&self, call: &Call, took: Duration) {
        let code = call.code();
        // A watch of health that its client ends has not failed.
        let is_watch = call.method().origin() == Origin::Chassis && code == Code::Cancelled;
        if code == Code::Ok || is_watch {
            return;
        }
        let failed = FailedCall {
            ended: SystemTime::now(),
            path: cut(call.path()).into(),
            code,
            took,
            waited: call.waited(),
            peer: call.peer().map(|peer| cut(peer.text()).into()),
            request_id: call.request_id().with_text(|id| id.into()),
            trace_id: call.trace_id().map(|id| cut(&id).into()),
        };
        let mut kept = self.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(failed);
    }

    /// Returns the calls, the newest first.
    pub(crate) fn newest_first(&self) -> Vec<FailedCall> {
        self.lock().iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<FailedCall>> {
        self.0.lock().expect("nothing panics while it holds the lock")
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;
    use crate::{
        call::KnownHeaders,
        method::{Method, MethodTable, ServiceMethods},
        testing,
        text::MAX_TEXT,
    };

    fn unknown(methods: &MethodTable) -> Arc<Method> {
        Arc::clone(methods.find("/unknown"))
    }

    #[test]
    fn the_last_50_failed_calls_are_kept_in_bounded_memory() {
        let methods = MethodTable::new(&[] as &[ServiceMethods]);
        let failures = Failures::default();
        for number in 0..2 * KEPT {
            let path = format!("/{number}/{}", "\u{1f980}".repeat(5000));
            let mut headers = HeaderMap::new();
            let id = HeaderValue::from_str(&"i".repeat(5000)).expect("a value");
            headers.insert("x-request-id", id);
            let known = KnownHeaders::of(&headers);
            let shared = testing::shared(9);
            let call = Call::begin(shared, unknown(&methods), &path, known, None, None);
            failures.record(&call, Duration::from_millis(3));
            // A call that ended with OK is not kept.
            call.set_ok();
            failures.record(&call, Duration::ZERO);
        }
        let kept = failures.newest_first();
        assert_eq!(kept.len(), KEPT);
        assert!(kept[0].path.starts_with("/99/") && kept[49].path.starts_with("/50/"));
        for call in kept {
            assert!(call.path.len() <= 4 * MAX_TEXT, "{}", call.path.len());
            assert_eq!(call.request_id.len(), MAX_TEXT);
        }
    }
}
