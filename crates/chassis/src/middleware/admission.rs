//! Reads the request, and lets a limited number of calls run at once.

use std::{convert::Infallible, error::Error, mem, sync::Arc};

use bytes::Bytes;
use futures_util::future::Either;
use http::{Request, Response};
use http_body::Body as HttpBody;
use tokio::time::timeout_at;
use tonic::codegen::BoxFuture;
use tower::Service;

use wire::encoding::{ENCODING, Encoding};

use crate::{
    admission::{Queue, StreamPermit, Streams, WorkerPermit},
    body::Body,
    call::Call,
    cause::Cause,
    http2::MemoryKind,
    inbound::BoxInbound,
    message::{CheckedMessages, MessageMemory, compression, decompressed, read_one},
    method::Kind,
    mount,
};

/// The limits of all services of a process.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) queue: Queue,
    /// In front of `queue`, for calls whose message is decompressed on another thread.
    pub(crate) decompressed: Queue,
    pub(crate) streams: Arc<Streams>,
}

/// A service whose calls need a permit.
///
/// A unary call holds a worker from the moment that its whole message has arrived until its
/// response is complete. A client that sends or reads slowly occupies memory, and never a worker. A
/// call whose message is decompressed on another thread has a permit of a second limit throughout.
/// It holds no worker while its message is decompressed or its response is compressed. A stream
/// holds a slot of the limit of streams until it ends.
#[derive(Clone)]
pub(crate) struct Admission<S> {
    service: S,
    /// `None` for the chassis's own services, such as health, which never wait.
    limits: Option<Arc<Limits>>,
}

impl<S> Admission<S> {
    pub(crate) fn new(service: S, limits: Option<Arc<Limits>>) -> Self {
        Self { service, limits }
    }
}

impl<S, R> mount::Call for Admission<S>
where
    S: Service<Request<Body>, Response = Response<R>> + Clone + Send + Sync + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    S::Future: Send,
    R: HttpBody<Data = Bytes> + Send + 'static,
    R::Error: Into<Box<dyn Error + Send + Sync>>,
{
    fn call(&self, mut request: BoxInbound) -> BoxFuture<Response<Body>, Infallible> {
        let Self { mut service, limits } = self.clone();
        let call = Arc::clone(&request.call);
        Box::pin(async move {
            let admitted = admit(&mut request.request, &call, limits.as_deref()).await;
            let mut admitted = match admitted {
                Ok(admitted) => admitted,
                Err(cause) => return Ok(cause.response()),
            };
            if let Err(response) = mount::ready(&mut service).await {
                return Ok(response);
            }
            let called = service.call(request.request).await;
            let mut response = mount::response(called, &call);
            if call.method().kind() == Kind::Unary {
                if admitted.place.is_some() {
                    drop(admitted.worker.take());
                }
                if let Err(cause) = response.body_mut().complete().await {
                    return Ok(cause.response());
                }
            }
            if let Some(permit) = admitted.stream.take() {
                response.body_mut().hold(permit);
            }
            Ok(response)
        })
    }
}

/// The permits and the memory of a call while it is at work.
struct Admitted<'a> {
    worker: Option<WorkerPermit<'a>>,
    stream: Option<StreamPermit>,
    /// A permit of the limit in front of the workers, if the message was decompressed on another
    /// thread.
    place: Option<Box<WorkerPermit<'a>>>,
    _memory: MessageMemory,
}

/// Reads the one message of a request, if its method has one, and waits for a permit.
///
/// # Errors
///
/// Returns an error if the request is not valid, or if a limit has no room for it.
async fn admit<'a>(
    request: &mut Request<Body>,
    call: &'a Arc<Call>,
    limits: Option<&'a Limits>,
) -> Result<Admitted<'a>, Cause> {
    let kind = call.method().kind();
    let encoding = negotiate(request, call)?;
    let mut memory = MessageMemory::default();
    let message = match kind {
        Kind::Unary => read_one(request.body_mut(), call, &mut memory).await?,
        // The call has no slot yet, and perhaps no deadline.
        Kind::ServerStreaming => {
            let at = call.start() + call.shared().message_timeout;
            let read = timeout_at(at, read_one(request.body_mut(), call, &mut memory));
            // Boxed, so that the futures of other calls have no room for its timer.
            let read = Box::pin(read).await;
            read.map_err(|_late| Cause::DeadlineExceeded)??
        }
        Kind::ClientStreaming | Kind::BidiStreaming => Bytes::new(),
    };
    // At most 64 KiB are decompressed for a call that is then refused, or waits.
    let (message, place) = if !kind.has_one_request() {
        (message, None)
    } else {
        match decompressed(message, encoding, call) {
            Either::Left(message) => (message.into_inner()?, None),
            Either::Right(message) => {
                // Boxed, because few calls come here.
                let decompressed = async {
                    let place = match limits {
                        Some(limits) => limits.decompressed.admit_first(call).await?,
                        None => return Ok((message.await?, None)),
                    };
                    Ok((message.await?, Some(Box::new(place))))
                };
                Box::pin(decompressed).await?
            }
        }
    };
    let (mut worker, mut stream) = (None, None);
    match limits {
        Some(limits) if kind == Kind::Unary => worker = Some(limits.queue.admit(call).await?),
        Some(limits) => stream = Some(limits.streams.admit()?),
        None => {}
    }
    if kind.has_one_request() {
        // Twice its length: for the handler's decoded copy, and for what the handler makes of it.
        // The message itself is dropped once it is decoded; if it was decompressed, it is counted
        // on its own until then.
        memory.grow_to(2 * message.len(), MemoryKind::Messages, call)?;
        request.body_mut().set_message(message);
    } else {
        // Checked and decompressed as they arrive.
        let received = mem::take(request.body_mut());
        let messages = CheckedMessages::new(received, encoding, Arc::clone(call));
        *request.body_mut() = Body::stream(messages);
    }
    Ok(Admitted { worker, stream, place, _memory: memory })
}

/// Returns the encoding of the request's messages, and decides on the encoding of the response's
/// messages.
///
/// The messages are decompressed here, so the header is removed: the services of other
/// libraries must not decompress them again.
fn negotiate(request: &mut Request<Body>, call: &Call) -> Result<Option<Encoding>, Cause> {
    let encoding =
        if call.has_encoding() { compression::request_encoding(request.headers())? } else { None };
    let responses = call.shared().responses;
    if let Some(response) = compression::response_encoding(request.headers(), encoding, responses) {
        call.set_response_encoding(response);
    }
    if encoding.is_some() {
        request.headers_mut().remove(ENCODING);
    }
    Ok(encoding)
}

#[cfg(test)]
mod tests;
