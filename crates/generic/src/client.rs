//! Calls whose messages are bytes.

use bytes::{Buf, Bytes};
use channel::{Channel, OneMessage, ResponseBody, attempts, read_status};
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::{BodyExt, Full};
use tonic::{Status, body::Body};
use tower::Service;
use wire::framing::{NOT_COMPRESSED, PREFIX, prefix};

/// Makes calls whose messages are bytes.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pub(crate) channel: Channel,
    /// The metadata of each call.
    pub(crate) metadata: HeaderMap,
}

/// The response of a call.
#[derive(Debug)]
pub(crate) struct Response {
    headers: HeaderMap,
    body: ResponseBody,
}

impl Client {
    /// Makes a call with all of its request messages.
    ///
    /// # Errors
    ///
    /// Returns the status of the call if there is no response.
    pub(crate) async fn call(
        &self,
        path: &str,
        messages: &[Vec<u8>],
        expects_one: bool,
    ) -> Result<Response, Status> {
        let mut body = Vec::new();
        for message in messages {
            body.extend_from_slice(&prefix(NOT_COMPRESSED, message.len()));
            body.extend_from_slice(message);
        }
        let mut request = Request::new(Body::new(Full::new(Bytes::from(body))));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = path.parse().expect("the path of a method has only names");
        let headers = request.headers_mut();
        *headers = self.metadata.clone();
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        if expects_one {
            request.extensions_mut().insert(OneMessage);
        }
        let response = self.channel.clone().call(request).await?;
        let (head, body) = response.into_parts();
        Ok(Response { headers: head.headers, body })
    }
}

impl Response {
    /// Returns the next message, or `None` at the end of a call that has succeeded. The channel
    /// has already checked each message.
    ///
    /// # Errors
    ///
    /// Returns the status of a call that has failed.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Status> {
        match self.body.frame().await {
            Some(frame) => match frame?.into_data() {
                Ok(mut message) => {
                    message.advance(PREFIX);
                    Ok(Some(message))
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().unwrap_or_default();
                    read_status(&trailers).map(|()| None)
                }
            },
            // A response without messages has its trailers in the headers.
            None => read_status(&self.headers).map(|()| None),
        }
    }

    /// Returns how many attempts the call took.
    pub(crate) fn attempts(&self) -> u32 {
        attempts(&self.headers)
    }
}
