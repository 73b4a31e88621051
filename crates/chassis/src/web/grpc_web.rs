//! Calls of gRPC-Web (PROTOCOL-WEB.md of gRPC): the framing is that of gRPC, and the trailers are
//! in a last message of their own. In the text format, the whole body is base64.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Response};
use http_body::{Body as HttpBody, Frame};
use tonic::Status;
use wire::framing::{PREFIX, prefix};

use super::{metadata::status_in_head, response_body::WithEnd};
use crate::{body::Body, call::Call, cause::Cause};

/// The flag of the message that has the trailers.
const TRAILERS: u8 = 0x80;

/// The number of base64 characters that stand for three bytes.
const GROUP: usize = 4;

/// Base64 with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Translates a response of gRPC to gRPC-Web.
pub(super) fn response(response: Response<Body>, is_text: bool, call: Arc<Call>) -> Response<Body> {
    // Clients read a status in the head, as they do with gRPC.
    if status_in_head(&response).is_some() {
        return response;
    }
    response.map(|body| {
        let body = WithEnd::new(body, call, end, None);
        Body::translated(if is_text { body.into_text() } else { body })
    })
}

/// Returns the last message: the trailers as the lines of HTTP/1.
fn end(trailers: &HeaderMap) -> Bytes {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        lines.put_slice(name.as_str().as_bytes());
        lines.put_slice(b": ");
        lines.put_slice(value.as_bytes());
        lines.put_slice(b"\r\n");
    }
    let mut bytes = BytesMut::with_capacity(PREFIX + lines.len());
    bytes.put_slice(&prefix(TRAILERS, lines.len()));
    bytes.put_slice(&lines);
    bytes.freeze()
}

/// Decodes a body of base64.
pub(super) fn decoded(body: Body) -> Body {
    Body::stream(Decoded { body, rest: Vec::new(), is_over: false })
}

struct Decoded {
    body: Body,
    /// Characters of a group that is not complete.
    rest: Vec<u8>,
    is_over: bool,
}

impl HttpBody for Decoded {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        while !self.is_over {
            let decoded = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.rest.extend_from_slice(&data);
                    let complete = self.rest.len() / GROUP * GROUP;
                    let groups: Vec<u8> = self.rest.drain(..complete).collect();
                    decode(&groups)
                }
                Some(Err(status)) => return Poll::Ready(Some(Err(status))),
                None => {
                    self.is_over = true;
                    decode(&self.rest)
                }
            };
            match decoded {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data.into())))),
                Err(cause) => {
                    self.is_over = true;
                    return Poll::Ready(Some(Err(cause.body_error())));
                }
            }
        }
        Poll::Ready(None)
    }
}

/// Decodes whole groups. Padding can stand in the middle, because a client may encode each message
/// by itself.
fn decode(groups: &[u8]) -> Result<Vec<u8>, Cause> {
    let mut bytes = Vec::with_capacity(groups.len() / GROUP * 3 + 3);
    let mut rest = groups;
    while !rest.is_empty() {
        let padded = rest.iter().position(|byte| *byte == b'=');
        let end = padded.map_or(rest.len(), |at| (at / GROUP + 1) * GROUP).min(rest.len());
        let (part, after) = rest.split_at(end);
        rest = after;
        BASE64
            .decode_vec(part, &mut bytes)
            .map_err(|_| Cause::InvalidRequest("the body is not base64".to_owned()))?;
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use futures_util::stream::iter;
    use http_body_util::{BodyExt, StreamBody};
    use tonic::Code;

    use super::*;
    use crate::cause;

    async fn decoded_from(text: &[u8], size: usize) -> Result<Bytes, Code> {
        let frame = |chunk| Ok::<_, Status>(Frame::data(Bytes::copy_from_slice(chunk)));
        let body = StreamBody::new(iter(text.chunks(size).map(frame).collect::<Vec<_>>()));
        let collected = decoded(Body::stream(body)).collect().await;
        collected.map(|read| read.to_bytes()).map_err(|status| status.code())
    }

    #[tokio::test]
    async fn base64_is_decoded_whatever_frames_and_paddings_it_has() {
        for text in ["AAECAwQ=BQYHCA==CQ==", "AAECAwQFBgcICQ==", "AAECAwQFBgcICQ"] {
            for size in 1..=text.len() {
                let expected = Bytes::from_static(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
                assert_eq!(decoded_from(text.as_bytes(), size).await, Ok(expected), "{text}");
            }
        }
        for text in ["AA.C", "A", "=", "AAEC=", "A==="] {
            assert_eq!(decoded_from(text.as_bytes(), 3).await, Err(Code::InvalidArgument));
        }
    }

    #[test]
    fn the_last_message_has_the_trailers() {
        let end = end(&cause::trailers(&Status::not_found("none")));
        assert_eq!(end[..PREFIX], [0x80, 0, 0, 0, 36]);
        assert_eq!(end[PREFIX..], *b"grpc-status: 5\r\ngrpc-message: none\r\n");
    }
}
