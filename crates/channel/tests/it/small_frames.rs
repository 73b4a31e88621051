//! Responses in many small DATA frames, as gRPC's interoperability tests
//! `no_df_padding_sanity_test` and `data_frame_padding` send them.

use http::Request;
use http_body_util::{BodyExt, Full};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::body::Body;
use tonic_prost::prost::Message;
use tower::Service;
use wire::framing::{PREFIX, framed};

use crate::support::{listen, target};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;

/// The size of the response in the interoperability tests.
const MESSAGE: usize = 314_159;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns literal header fields of HPACK, after the indexed field `:status: 200`.
fn fields(fields: &[(&str, &str)], with_status: bool) -> Vec<u8> {
    let mut block = if with_status { vec![0x88] } else { Vec::new() };
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).expect("it is short"));
            block.extend(text.as_bytes());
        }
    }
    block
}

/// The server's side of a connection with one call.
struct Server {
    tcp: TcpStream,
    /// The windows of the connection and of streams.
    connection: i64,
    stream: i64,
    unsent: Vec<u8>,
}

impl Server {
    async fn accept(mut tcp: TcpStream) -> Self {
        tcp.set_nodelay(true).expect("it is open");
        tcp.read_exact(&mut [0; 24]).await.expect("the preface");
        tcp.write_all(&frame(SETTINGS, 0, 0, &[])).await.expect("it is open");
        Self { tcp, connection: 65_535, stream: 65_535, unsent: Vec::new() }
    }

    /// Reads a frame and returns its kind.
    async fn read(&mut self) -> u8 {
        let mut head = [0; 9];
        self.tcp.read_exact(&mut head).await.expect("the client does not end the connection");
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.tcp.read_exact(&mut payload).await.expect("it is open");
        let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
        match head[3] {
            WINDOW_UPDATE if head[5..] == [0; 4] => self.connection += i64::from(number(&payload)),
            WINDOW_UPDATE => self.stream += i64::from(number(&payload)),
            SETTINGS if head[4] & ACK == 0 => {
                // The client uses its windows once the server has acknowledged them.
                let ack = frame(SETTINGS, ACK, 0, &[]);
                self.tcp.write_all(&ack).await.expect("it is open");
                let pairs = payload.chunks_exact(6);
                for window in pairs.filter(|pair| pair[..2] == [0, 4]) {
                    self.stream += i64::from(number(&window[2..])) - 65_535;
                }
            }
            _ => {}
        }
        head[3]
    }

    /// Adds a frame of DATA, as soon as the windows allow it.
    async fn send_data(&mut self, flags: u8, payload: &[u8]) {
        let length = i64::try_from(payload.len()).expect("it is small");
        while self.connection.min(self.stream) < length {
            self.flush().await;
            self.read().await;
        }
        self.connection -= length;
        self.stream -= length;
        self.unsent.extend(frame(DATA, flags, 1, payload));
    }

    /// Sends all frames at once, so that the client has all of them before it reads one.
    async fn flush(&mut self) {
        let unsent = std::mem::take(&mut self.unsent);
        self.tcp.write_all(&unsent).await.expect("it is open");
    }

    /// Waits for a request, and responds to it with DATA frames of `size` bytes. Returns when the
    /// client has taken them, whether or not they were read.
    async fn respond(mut self, size: usize, padding: Option<u8>) -> TcpStream {
        while self.read().await != HEADERS {}
        let head = fields(&[("content-type", "application/grpc")], true);
        self.tcp.write_all(&frame(HEADERS, END_HEADERS, 1, &head)).await.expect("it is open");
        // A message with a text in field 1.
        let mut message = vec![0x0a];
        let mut length = MESSAGE;
        while length >= 128 {
            message.push(u8::try_from(length % 128 + 128).expect("a byte"));
            length /= 128;
        }
        message.push(u8::try_from(length).expect("below 128"));
        message.extend(vec![b'x'; MESSAGE]);
        let length = u32::try_from(message.len()).expect("it is small").to_be_bytes();
        let message = [&[0], &length[..], &message].concat();
        for part in message.chunks(size) {
            match padding {
                None => self.send_data(0, part).await,
                Some(length) => {
                    let padding = vec![0; length.into()];
                    self.send_data(PADDED, &[&[length], part, &padding].concat()).await;
                }
            }
        }
        let trailers = fields(&[("grpc-status", "0")], false);
        self.unsent.extend(frame(HEADERS, END_HEADERS | END_STREAM, 1, &trailers));
        self.unsent.extend(frame(PING, 0, 0, &[0; 8]));
        self.flush().await;
        // The acknowledgement says that the client has taken all frames.
        while self.read().await != PING {}
        self.tcp
    }
}

/// Returns a request of the method `Unary`.
fn request() -> Request<Body> {
    let message = framed(&"small frames".to_owned());
    Request::post("/test.Echo/Unary")
        .header("content-type", "application/grpc")
        .body(Body::new(Full::new(message)))
        .expect("it is valid")
}

/// Calls a server that responds with DATA frames of `size` bytes. If `reads_late`, the response is
/// read only when all of its frames have arrived.
async fn assert_response_arrives(size: usize, padding: Option<u8>, reads_late: bool) {
    let (listener, address) = listen().await;
    let server = tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.expect("a client");
        Server::accept(tcp).await.respond(size, padding).await
    });
    let mut channel = channel::Channel::new(&target(&address));
    let response = channel.call(request()).await.expect("a response");
    let (tcp, body) = if reads_late {
        let tcp = server.await.expect("no panic");
        (tcp, response.into_body().collect().await)
    } else {
        let (tcp, body) = tokio::join!(server, response.into_body().collect());
        (tcp.expect("no panic"), body)
    };
    let body = body.unwrap_or_else(|status| panic!("{size} {padding:?}: {status}"));
    assert_eq!(body.trailers().expect("trailers")["grpc-status"], "0");
    let text = String::decode(&body.to_bytes()[PREFIX..]).expect("a message");
    assert_eq!(text.len(), MESSAGE);
    drop(tcp);
}

#[tokio::test]
async fn a_response_in_small_data_frames_arrives_however_late_it_is_read() {
    for size in [5, 50] {
        assert_response_arrives(size, None, false).await;
        assert_response_arrives(size, None, true).await;
    }
}

#[tokio::test]
async fn a_response_in_small_data_frames_with_long_padding_arrives() {
    assert_response_arrives(5, Some(255), false).await;
}
