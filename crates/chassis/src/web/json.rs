//! Messages as JSON, within the memory budget and away from the threads that do I/O.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use protojson::NotParsed;
use wire::framing::{NOT_COMPRESSED, PREFIX, prefix};

use super::{content_type::ContentType, schema::Types};
use crate::{
    call::Call,
    cause::Cause,
    compute::{self, Wanted},
    http2::MemoryKind,
    message::MessageMemory,
};

/// The format of the messages of a call.
#[derive(Debug, Clone)]
pub(super) enum Codec {
    /// Protobuf's wire format.
    Protobuf,
    /// JSON, with the types of the method; `None` if there is no such method.
    Json(Option<Types>),
}

impl Codec {
    pub(super) fn new(types: Option<Types>, is_json: bool) -> Self {
        if is_json { Self::Json(types) } else { Self::Protobuf }
    }

    pub(super) fn is_json(&self) -> bool {
        matches!(self, Self::Json(_))
    }

    /// Returns the content type of the response to a unary call.
    pub(super) fn content_type(&self) -> ContentType {
        ContentType::Unary { is_json: self.is_json() }
    }

    /// Returns the content type of a stream of responses.
    pub(super) fn stream_content_type(&self) -> ContentType {
        ContentType::Stream { is_json: self.is_json() }
    }

    /// Returns the request message of a method, with its prefix.
    ///
    /// # Errors
    ///
    /// Returns [`Cause::InvalidJson`] with the path of the wrong value, or [`Cause::NoMemory`] if
    /// the memory budget has no room for it.
    pub(super) async fn decode(&self, message: Bytes, call: &Arc<Call>) -> Result<Bytes, Cause> {
        let kind = MemoryKind::Messages;
        match self {
            Self::Protobuf => with_prefix(&message, MessageMemory::default(), kind, call),
            Self::Json(None) => Err(Cause::UnknownMethod),
            Self::Json(Some(types)) => {
                let (types, call) = (types.clone(), Arc::clone(call));
                elsewhere(message.len(), move || decoded(&types, &message, &call)).await
            }
        }
    }

    /// Returns a response message of a method, with its prefix.
    ///
    /// # Errors
    ///
    /// Returns [`Cause::BrokenResponse`] if the message is malformed, or [`Cause::NoMemory`] if the
    /// memory budget has no room for the text.
    pub(super) async fn encode(&self, message: Bytes, call: &Arc<Call>) -> Result<Bytes, Cause> {
        let kind = MemoryKind::Responses;
        match self {
            Self::Protobuf => with_prefix(&message, MessageMemory::default(), kind, call),
            Self::Json(None) => Err(Cause::UnknownMethod),
            Self::Json(Some(types)) => {
                let (types, call) = (types.clone(), Arc::clone(call));
                elsewhere(message.len(), move || encoded(&types, &message, &call)).await
            }
        }
    }
}

/// The bytes that the text of a message and a copy of the text usually take, for each byte of the
/// message.
const USUAL_GROWTH: usize = 4;

/// A message up to this length is always converted in place, because that takes less time than the
/// rest of the call.
const SMALL: usize = 4 * 1024;

/// Runs a short computation in place, and a long one on another thread.
async fn elsewhere<T: Send + 'static>(
    bytes: usize,
    compute: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= SMALL || compute::in_place(bytes) {
        return compute();
    }
    compute::run(|| move |_: &Wanted<'_>| compute()).await
}

fn decoded(types: &Types, text: &[u8], call: &Call) -> Result<Bytes, Cause> {
    let mut memory = MessageMemory::default();
    let mut allow = |value: usize| {
        // The message exists together with the value. It has at most four times the bytes of the
        // text: a digit and a comma can become eight bytes of a packed field.
        memory.grow_to(value + 4 * text.len(), MemoryKind::Messages, call).is_ok()
    };
    let value = protojson::parse(text, &mut allow).map_err(|error| match error {
        NotParsed::NoMemory => Cause::NoMemory,
        NotParsed::Invalid(problem) => Cause::InvalidJson(problem),
    })?;
    let message = protojson::encode(&types.pool, types.input, &value);
    let message = message.map_err(Cause::InvalidJson)?;
    drop(value);
    with_prefix(&message, memory, MemoryKind::Messages, call)
}

fn encoded(types: &Types, message: &[u8], call: &Call) -> Result<Bytes, Cause> {
    // Reserves the usual memory before the message is printed. A longer text is counted once it is
    // printed.
    let mut memory = MessageMemory::default();
    memory.grow_to(USUAL_GROWTH * message.len(), MemoryKind::Responses, call)?;
    let text = protojson::print(&types.pool, types.output, message, false);
    let text = text.map_err(|_malformed| Cause::BrokenResponse)?;
    with_prefix(text.as_bytes(), memory, MemoryKind::Responses, call)
}

/// Returns a message with its prefix. `memory` is reserved for the message.
fn with_prefix(
    message: &[u8],
    mut memory: MessageMemory,
    kind: MemoryKind,
    call: &Call,
) -> Result<Bytes, Cause> {
    let length = PREFIX + message.len();
    memory.grow_to(2 * length, kind, call)?;
    let mut framed = BytesMut::with_capacity(length);
    framed.put_slice(&prefix(NOT_COMPRESSED, message.len()));
    framed.put_slice(message);
    memory.shrink_to(length);
    Ok(memory.attach_to(framed.freeze()))
}
