//! The calls of a connection, wherever they run.

use std::{convert::Infallible, sync::Arc};

use http::Response;

use super::{core::Core, sink::CoreSink};
use crate::{
    call::{InPlace, Tasks},
    inbox::StreamRef,
    response::ResponseBody,
    settings::CallMode,
};

/// Calls, by the keys of their streams.
pub(super) enum Calls<F, B> {
    InPlace(InPlace<F, B>),
    Tasks(Tasks),
}

impl<F, B> Calls<F, B>
where
    F: Future<Output = Result<Response<B>, Infallible>> + Send + 'static,
    B: ResponseBody + Send + 'static,
{
    pub(super) fn new(mode: CallMode, core: &Core) -> Self {
        let inbox = Arc::clone(&core.inbox);
        match mode {
            CallMode::InPlace => Self::InPlace(InPlace::new(inbox)),
            CallMode::Tasks => Self::Tasks(Tasks::new(inbox)),
        }
    }

    /// Begins a call.
    pub(super) fn start(&mut self, core: &mut Core, stream: StreamRef, call: F) {
        let key = stream.key;
        match self {
            Self::InPlace(calls) => {
                calls.start(key, call);
                calls.poll(key, &mut CoreSink { core, key });
            }
            Self::Tasks(calls) => calls.start(stream, call, core.limit(key)),
        }
    }

    /// Polls a call that was woken.
    pub(super) fn poll(&mut self, core: &mut Core, key: usize) {
        if let Self::InPlace(calls) = self {
            calls.poll(key, &mut CoreSink { core, key });
        }
    }

    /// Lets a call that has waited for room go on.
    pub(super) fn resume(&mut self, core: &mut Core, key: usize) {
        match self {
            Self::InPlace(calls) => calls.poll(key, &mut CoreSink { core, key }),
            Self::Tasks(calls) => calls.set_limit(key, core.limit(key)),
        }
    }

    /// Drops a call.
    pub(super) fn cancel(&mut self, key: usize) {
        match self {
            Self::InPlace(calls) => calls.cancel(key),
            Self::Tasks(calls) => calls.cancel(key),
        }
    }

    /// Frees memory, because the connection has no calls.
    pub(super) fn shrink(&mut self) {
        match self {
            Self::InPlace(calls) => calls.shrink(),
            Self::Tasks(calls) => calls.shrink(),
        }
    }
}
