//! Unary calls of Connect ("Unary-Request" and "Unary-Response" of the Connect protocol).

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderMap, HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY},
};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tonic::Code;
use wire::{
    encoding::Encoding,
    framing::{NOT_COMPRESSED, PREFIX, announced_length},
};

use super::{
    content_type::ContentType, error, json::Codec, messages::decompressed, metadata,
    response_body::Complete,
};
use crate::{
    body::{Body, joined},
    call::Call,
    cause::{Cause, trailers},
    http2::MemoryKind,
    message::{MessageMemory, compression, read_whole},
    method::Origin,
};

/// A unary call.
#[derive(Debug)]
pub(super) struct Unary {
    pub(super) codec: Codec,
    /// The encoding of the request.
    pub(super) encoding: Option<Encoding>,
    /// The `content-length` of the request.
    pub(super) length: Option<usize>,
    /// The encoding of the response.
    pub(super) response_encoding: Option<Encoding>,
    /// Whether the call is a GET, whose response caches may keep.
    pub(super) is_get: bool,
}

/// The message of a GET.
#[derive(Debug)]
pub(super) struct Query(pub(super) Bytes);

impl Unary {
    /// Translates the body of the request to gRPC: one message with its prefix.
    pub(super) fn request(&self, body: Body, query: Option<Query>, call: &Arc<Call>) -> Body {
        let (codec, encoding, length) = (self.codec.clone(), self.encoding, self.length);
        let call = Arc::clone(call);
        let message = async move {
            let mut memory = MessageMemory::default();
            let read = match query {
                Some(Query(message)) => Ok(message),
                None => read_whole(&mut { body }, length, &call, &mut memory).await,
            };
            let read = async { convert(read?, &codec, encoding, &call).await }.await;
            read.map(Frame::data).map_err(Cause::body_error)
        };
        Body::stream(StreamBody::new(stream::once(message)))
    }

    /// Translates the response of gRPC to Connect.
    pub(super) async fn response(
        self,
        response: Response<Body>,
        call: &Arc<Call>,
    ) -> Response<Body> {
        let mut status = metadata::status_in_head(&response);
        let (mut head, mut body) = response.into_parts();
        let (mut data, mut trailing) = (Bytes::new(), HeaderMap::new());
        while status.is_none()
            && let Some(frame) = body.frame().await
        {
            match frame.map(Frame::into_data) {
                Ok(Ok(more)) => data = joined(data, more),
                Ok(Err(frame)) => trailing = frame.into_trailers().unwrap_or_default(),
                Err(broken) => status = Some(broken),
            }
        }
        let status = status.unwrap_or_else(|| metadata::status_of(&trailing));
        let written = match status.code() {
            Code::Ok => {
                // The record has read OK from the response of gRPC, and the client may go away
                // while that is written in another form.
                call.set_unfinished();
                self.write(data, call).await.map_err(|cause| {
                    let status = cause.status();
                    call.read_status(&trailers(&status));
                    status
                })
            }
            _ => Err(status),
        };

        let succeeding = written.is_ok().then(|| Arc::clone(call));
        let metadata = std::mem::take(&mut head.headers);
        head.headers.extend(copied(metadata::of(&metadata)));
        for (name, value) in metadata::of(&trailing) {
            let name = HeaderName::try_from(format!("trailer-{name}"));
            head.headers.append(name.expect("a name with a prefix is a name"), value.clone());
        }
        let (text, content_type) = match written {
            Ok(message) => {
                if let Some(encoding) = self.response_encoding {
                    head.headers.insert(CONTENT_ENCODING, encoding.header());
                }
                (message, self.codec.content_type())
            }
            Err(status) => {
                head.status = match call.method().origin() {
                    // "Not Found" in the Connect protocol: there is no such path.
                    Origin::None => StatusCode::NOT_FOUND,
                    _ => error::http_status(status.code()),
                };
                // The metadata of a status that a handler makes, such as its retry hint, is in the
                // head already.
                metadata::add_retry_after(&mut head.headers);
                (error::json(&status).into(), ContentType::Unary { is_json: true })
            }
        };
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type.name()));
        head.headers.insert(CONTENT_LENGTH, text.len().into());
        if self.is_get {
            head.headers.append(VARY, HeaderValue::from_static("accept-encoding"));
        }
        Response::from_parts(head, Body::translated(Complete::new(text, body, succeeding)))
    }

    /// Returns the content of the response whose message is `framed`.
    async fn write(&self, framed: Bytes, call: &Arc<Call>) -> Result<Bytes, Cause> {
        let is_one = framed.first() == Some(&NOT_COMPRESSED)
            && announced_length(&framed) == Some(framed.len() - PREFIX);
        if !is_one {
            return Err(Cause::BrokenResponse);
        }
        let written = self.codec.encode(framed.slice(PREFIX..), call).await?;
        let Some(encoding) = self.response_encoding else { return Ok(written.slice(PREFIX..)) };
        let mut memory = MessageMemory::default();
        memory.grow_to(2 * written.len(), MemoryKind::Responses, call)?;
        let compressed = compression::compress(encoding, written[PREFIX..].to_vec()).await;
        memory.shrink_to(compressed.len());
        Ok(memory.attach_to(compressed.into()).slice(PREFIX..))
    }
}

fn copied<'a>(
    headers: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    headers.map(|(name, value)| (name.clone(), value.clone()))
}

/// Returns the message of a request, with its prefix.
async fn convert(
    read: Bytes,
    codec: &Codec,
    encoding: Option<Encoding>,
    call: &Arc<Call>,
) -> Result<Bytes, Cause> {
    let read = match encoding {
        Some(encoding) => decompressed(encoding, read, call).await?,
        None => read,
    };
    codec.decode(read, call).await
}

#[cfg(test)]
mod tests {
    use tokio_test::{assert_pending, task::spawn};

    use super::*;
    use crate::testing;

    #[tokio::test]
    async fn a_call_whose_client_goes_away_while_its_response_is_compressed_is_cancelled() {
        let message = vec![7; 1 << 20];
        let mut framed = vec![NOT_COMPRESSED];
        framed.extend((message.len() as u32).to_be_bytes());
        framed.extend(message);
        let unary = Unary {
            codec: Codec::new(None, false),
            encoding: None,
            length: None,
            response_encoding: Some(Encoding::Gzip),
            is_get: false,
        };
        let call = Arc::new(testing::call_with_limit(4 << 20));
        // As the record does when it has read the trailers.
        call.set_ok();
        let response = Response::new(Body::response(framed.into()));
        let mut responding = spawn(unary.response(response, &call));
        assert_pending!(responding.poll());
        drop(responding);
        assert_eq!(call.code(), Code::Cancelled);
    }
}
