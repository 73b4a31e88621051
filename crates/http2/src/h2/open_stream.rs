//! Counting the streams of a connection, whose calls are tasks of their own.

use std::sync::Arc;

use crate::activity::Activity;

/// A stream that is open until this is dropped.
#[derive(Debug)]
pub(super) struct OpenStream(Arc<Activity>);

impl OpenStream {
    pub(super) fn new(activity: &Arc<Activity>) -> Self {
        activity.add_stream();
        Self(Arc::clone(activity))
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.remove_stream();
    }
}
