//! The method that a run calls, and its request.

use std::sync::Arc;

use bytes::Bytes;
use channel::{Channel, Failure, Target, arguments::WrongArguments};
use generic::{MethodArgs, MethodPath};
use http::HeaderMap;
use wire::framing::{NOT_COMPRESSED, prefix};

use crate::CheckMessage;

/// The method of a run's calls, the request, and the check of the response.
pub(super) struct MethodCall {
    pub(super) path: String,
    pub(super) message: Bytes,
    pub(super) message_size: usize,
    pub(super) check: CheckMessage,
}

/// Returns the call of the method that the arguments name. The schema comes from the server, unless
/// the arguments name files with it.
///
/// # Errors
///
/// Returns an error if there is no connection, or if there is no such unary method.
pub(super) async fn resolve(
    arguments: &MethodArgs,
    path: &MethodPath,
    target: &Target,
    metadata: HeaderMap,
) -> Result<MethodCall, Failure> {
    let channel = Channel::new(target);
    channel.connected().await?;
    let method = arguments.resolve(path, &channel, metadata).await?;
    if method.streams_responses() {
        let text = format!("{path} streams its responses, and load calls only unary methods");
        return Err(WrongArguments::Method(text).into());
    }
    let message = method.request();
    let mut framed = prefix(NOT_COMPRESSED, message.len()).to_vec();
    framed.extend_from_slice(message);
    Ok(MethodCall {
        path: method.path().to_owned(),
        message_size: message.len(),
        message: framed.into(),
        check: Arc::new(move |response| method.check(response)),
    })
}
