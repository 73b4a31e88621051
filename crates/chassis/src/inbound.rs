//! A request on its way through the layers.

use std::sync::Arc;

use http::Request;

use crate::{body::Body, call::Call};

/// A request, with its call at hand: a look-up in the extensions by each layer would cost more
/// than the layer.
#[derive(Debug)]
pub(crate) struct Inbound {
    pub(crate) request: Request<Body>,
    pub(crate) call: Arc<Call>,
}

/// Boxed, because it is large, and each layer would move it.
pub(crate) type BoxInbound = Box<Inbound>;
