//! Streams of Connect ("Streaming-Request" and "Streaming-Response" of the Connect protocol): the
//! framing is that of gRPC, and the status is in a last message of its own.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, header::CONTENT_TYPE};
use protojson::quoted;
use tonic::Code;
use wire::{
    encoding::{ENCODING as GRPC_ENCODING, Encoding},
    framing::{COMPRESSED, NOT_COMPRESSED, PREFIX, prefix},
};

use super::{
    error,
    json::Codec,
    messages::{Converted, Converting, decompressed},
    metadata,
    response_body::WithEnd,
};
use crate::{body::Body, call::Call, message::wrong_flag};

/// The flag of the last message of a response.
const END: u8 = 2;

const CONNECT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");

/// A call whose messages are a stream, in one direction or in both.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) codec: Codec,
    /// The encoding of the request, if it is JSON.
    pub(super) encoding: Option<Encoding>,
}

impl Stream {
    /// Translates the body of the request to gRPC.
    pub(super) fn request(&self, body: Body, call: &Arc<Call>) -> Body {
        if !self.codec.is_json() {
            return body;
        }
        let (codec, encoding, its_call) = (self.codec.clone(), self.encoding, Arc::clone(call));
        let convert = move |flag, message| -> Converting {
            let (codec, call) = (codec.clone(), Arc::clone(&its_call));
            Box::pin(async move {
                let text = match (flag, encoding) {
                    (NOT_COMPRESSED, _) => message,
                    (COMPRESSED, Some(encoding)) => decompressed(encoding, message, &call).await?,
                    (flag, _) => return Err(wrong_flag(flag)),
                };
                codec.decode(text, &call).await
            })
        };
        Body::stream(Converted::of_request(body, Arc::clone(call), Box::new(convert)))
    }

    /// Translates the response of gRPC to Connect. Its HTTP status is always 200.
    pub(super) fn response(self, response: Response<Body>, call: Arc<Call>) -> Response<Body> {
        let is_over = metadata::status_in_head(&response).is_some();
        let (mut head, body) = response.into_parts();
        let all = std::mem::take(&mut head.headers);
        if let Some(encoding) = all.get(GRPC_ENCODING) {
            head.headers.insert(CONNECT_ENCODING, encoding.clone());
        }
        let name = self.codec.stream_content_type().name();
        head.headers.insert(CONTENT_TYPE, HeaderValue::from_static(name));
        if !is_over {
            for (name, value) in metadata::of(&all) {
                head.headers.append(name, value.clone());
            }
        }
        let in_head = is_over.then_some(all);
        let body = if self.codec.is_json() {
            let (codec, its_call) = (self.codec, Arc::clone(&call));
            let convert = move |_, message| -> Converting {
                let (codec, call) = (codec.clone(), Arc::clone(&its_call));
                Box::pin(async move { codec.encode(message, &call).await })
            };
            let body = Converted::of_response(body, Arc::clone(&call), Box::new(convert));
            Body::translated(WithEnd::new(body, call, end, in_head))
        } else {
            Body::translated(WithEnd::new(body, call, end, in_head))
        };
        Response::from_parts(head, body)
    }
}

/// Returns the last message: the error if the call has failed, and the metadata.
fn end(trailers: &HeaderMap) -> Bytes {
    let status = metadata::status_of(trailers);
    let mut members = Vec::new();
    if status.code() != Code::Ok {
        members.push(format!("\"error\":{}", error::json(&status)));
    }
    let mut names: Vec<&HeaderName> = metadata::of(trailers).map(|(name, _)| name).collect();
    names.dedup();
    let metadata: Vec<_> = names
        .iter()
        .map(|name| {
            let values = trailers.get_all(*name).iter().filter_map(|value| value.to_str().ok());
            let values: Vec<_> = values.map(quoted).collect();
            format!("{}:[{}]", quoted(name.as_str()), values.join(","))
        })
        .collect();
    if !metadata.is_empty() {
        members.push(format!("\"metadata\":{{{}}}", metadata.join(",")));
    }
    let text = format!("{{{}}}", members.join(","));
    let mut bytes = BytesMut::with_capacity(PREFIX + text.len());
    bytes.put_slice(&prefix(END, text.len()));
    bytes.put_slice(text.as_bytes());
    bytes.freeze()
}

#[cfg(test)]
mod tests {
    use tonic::Status;

    use super::*;
    use crate::cause;

    fn text(trailers: &HeaderMap) -> String {
        let end = end(trailers);
        assert_eq!(end[..PREFIX], prefix(END, end.len() - PREFIX));
        String::from_utf8(end[PREFIX..].to_vec()).expect("JSON")
    }

    #[test]
    fn the_last_message_has_the_error_and_the_metadata() {
        let mut trailers = cause::trailers(&Status::ok(""));
        assert_eq!(text(&trailers), "{}");
        trailers.append("a", HeaderValue::from_static("1"));
        trailers.append("a", HeaderValue::from_static("2"));
        assert_eq!(text(&trailers), r#"{"metadata":{"a":["1","2"]}}"#);
        let failed = cause::trailers(&Status::not_found("none"));
        assert_eq!(text(&failed), r#"{"error":{"code":"not_found","message":"none"}}"#);
    }
}
