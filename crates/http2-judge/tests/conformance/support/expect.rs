//! The expectations of a script.

use http2_judge::{frame::PING, hpack::Field};

use crate::deviations::compression_error;

use super::{Client, NO_ERROR, PROTOCOL_ERROR, calls::Call};

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    /// Without `:status`.
    pub(crate) headers: Vec<Field>,
    pub(crate) status: u16,
    pub(crate) data: Vec<u8>,
    pub(crate) trailers: Option<Vec<Field>>,
    /// How many frames the headers came in.
    pub(crate) header_frames: usize,
}

impl Client {
    /// Waits for the complete response.
    pub(crate) async fn response(&mut self, id: u32) -> Response {
        self.until(&format!("a response on {id}"), |state| {
            let stream = &state.streams[&id];
            stream.is_ended && !stream.blocks.is_empty() || stream.reset.is_some()
        })
        .await;
        let stream = &self.state.streams[&id];
        assert!(stream.is_ended, "stream {id} is reset with {:?}", stream.reset);
        let mut blocks = stream.blocks.clone().into_iter();
        let mut headers = blocks.next().expect("headers");
        let status = String::from_utf8(headers.remove(0).1).expect("digits");
        Response {
            headers,
            status: status.parse().expect("a number"),
            data: stream.data.clone(),
            trailers: blocks.next(),
            header_frames: stream.block_frames[0],
        }
    }

    /// Expects the response of the default handler.
    pub(crate) async fn ok(&mut self, id: u32) {
        let response = self.response(id).await;
        assert_eq!((response.status, &response.data[..]), (200, &b"ok"[..]));
    }

    /// Returns what the handler has seen of the last request.
    pub(crate) fn last_call(&self) -> Call {
        self.calls.all().pop().expect("a request")
    }

    /// Sends a valid request, and returns what the handler has seen of it.
    pub(crate) async fn accepted(&mut self, block: &[u8]) -> Call {
        let id = self.fresh();
        self.request(id, block).await;
        self.ok(id).await;
        self.last_call()
    }

    /// Sends a PING, and waits for its acknowledgement. By then, the server has taken all frames
    /// before it.
    pub(crate) async fn ping(&mut self) {
        let count = self.state.pings.len();
        let payload = (count as u64).to_be_bytes();
        self.send(PING, 0, 0, &payload).await;
        self.until("a PING is answered", |state| state.pings.len() > count).await;
        assert_eq!(self.state.pings[count], payload);
    }

    /// Expects that the connection serves further requests.
    pub(crate) async fn alive(&mut self) {
        self.ping().await;
        let id = self.fresh();
        self.get(id).await;
        self.ok(id).await;
        assert_eq!(self.state.goaways, [], "GOAWAY");
    }

    /// Expects that the server resets the stream, and that the connection lives. Section 5.4.1
    /// allows a server to end the connection instead, but this would end the calls of others.
    pub(crate) async fn stream_error(&mut self, id: u32, codes: &[u32]) {
        self.until(&format!("an error on {id}"), |state| {
            state.streams[&id].reset.is_some() || !state.goaways.is_empty()
        })
        .await;
        assert_eq!(self.state.goaways, [], "GOAWAY instead of RST_STREAM");
        let code = self.state.streams[&id].reset.expect("a reset");
        assert!(codes.contains(&code), "RST_STREAM with {code}, not {codes:?}");
        self.alive().await;
    }

    /// Expects GOAWAY, which section 5.4.1 recommends, and that the server closes the connection.
    pub(crate) async fn connection_error(&mut self, codes: &[u32]) {
        let most = self.state.streams.last_key_value().map_or(0, |(id, _)| *id);
        self.until("GOAWAY", |state| !state.goaways.is_empty()).await;
        let (last, code) = self.state.goaways[0];
        assert!(codes.contains(&code), "GOAWAY with {code}, not {codes:?}");
        assert!(last <= most, "GOAWAY with the stream {last}, which was never opened");
        self.until("the end of the connection", |state| state.is_closed).await;
        self.close().await;
        let ended = (&mut self.server.ended).await.expect("no panic");
        assert!(!matches!(ended, http2::Ended::Cut), "the server was not stopped");
    }

    /// Expects that the server cannot decode a header block.
    pub(crate) async fn compression_error(&mut self) {
        self.connection_error(&[compression_error(self.layer)]).await;
    }

    /// Expects that the server resets the stream or ends the connection.
    pub(crate) async fn either_error(&mut self, id: u32, codes: &[u32]) {
        self.until(&format!("an error on {id}"), |state| {
            state.streams[&id].reset.is_some() || !state.goaways.is_empty()
        })
        .await;
        if self.state.goaways.is_empty() {
            self.stream_error(id, codes).await;
        } else {
            self.connection_error(codes).await;
        }
    }

    /// Expects that the server treats a request as malformed (RFC 9113, section 8.1.1). The handler
    /// does not see it, and the connection lives. The stream is reset, perhaps after a response
    /// with a status of 400 or more.
    pub(crate) async fn malformed(&mut self, block: &[u8]) {
        let seen = self.calls.all().len();
        let id = self.fresh();
        self.request(id, block).await;
        self.until(&format!("an error on {id}"), |state| {
            let stream = &state.streams[&id];
            stream.reset.is_some() || stream.is_ended || !state.goaways.is_empty()
        })
        .await;
        self.settle().await;
        assert_eq!(self.calls.all().len(), seen, "the handler sees the request");
        if self.state.streams[&id].is_ended {
            assert!(self.response(id).await.status >= 400, "an error");
            let reset = self.state.streams[&id].reset;
            assert!(matches!(reset, None | Some(NO_ERROR | PROTOCOL_ERROR)), "{reset:?}");
            self.alive().await;
        } else {
            self.stream_error(id, &[PROTOCOL_ERROR]).await;
        }
    }
}
