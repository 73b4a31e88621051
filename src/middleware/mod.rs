//! What every call of the service passes through, outermost first.
//!
//! Health and reflection stand beside this stack, not behind it: they have no
//! limit to wait for, and leave no line in the access log.

mod access_log;
mod panic;

use tower::{
    ServiceBuilder,
    layer::util::{Identity, Stack},
    limit::GlobalConcurrencyLimitLayer,
};
use tower_http::catch_panic::CatchPanicLayer;

use access_log::AccessLogLayer;
use panic::AnswerPanic;

pub use access_log::Peer;

/// The layers around the service. As with every type of tower, the outermost
/// comes last.
pub type CallStack = ServiceBuilder<
    Stack<
        GlobalConcurrencyLimitLayer,
        Stack<CatchPanicLayer<AnswerPanic>, Stack<AccessLogLayer, Identity>>,
    >,
>;

/// The stack for one process: its clones share one limit.
pub fn stack(max_workers: usize) -> CallStack {
    ServiceBuilder::new()
        // Outermost, so that what it logs is what the caller got.
        .layer(AccessLogLayer)
        // Around the limit, so that a call that panics gives its worker back.
        .layer(CatchPanicLayer::custom(AnswerPanic))
        // Global: tower's plain limit would count for each connection anew.
        .layer(GlobalConcurrencyLimitLayer::new(max_workers))
}
