//! A connection of HTTP/1.1, with requests and responses as text.

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::timeout,
};

use super::process::NEVER;

/// A connection.
pub(crate) struct Http1<I>(BufReader<I>);

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The status line and the headers, in lower case.
    head: String,
    pub(crate) body: String,
}

impl Response {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        fields.find(|(field, _)| *field == name).map(|(_, value)| value)
    }
}

impl Http1<TcpStream> {
    pub(crate) async fn connect(address: &str) -> Self {
        Self::new(TcpStream::connect(address).await.expect("a server"))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Http1<I> {
    pub(crate) fn new(io: I) -> Self {
        Self(BufReader::new(io))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("it is open");
        self.0.flush().await.expect("it is open");
    }

    /// Calls the method of the sample with JSON. Each line of `headers` ends with CRLF.
    pub(crate) async fn call(&mut self, headers: &str, json: &str) {
        let length = json.len();
        self.send(&format!(
            "POST /SampleService/Call HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
             {headers}content-length: {length}\r\n\r\n{json}"
        ))
        .await;
    }

    /// Reads a response that has a content-length.
    pub(crate) async fn response(&mut self) -> Response {
        let read = async {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                head.push(char::from(self.0.read_u8().await.expect("a head")));
            }
            let head = head.to_ascii_lowercase();
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let response =
                Response { status: status.expect("a status"), head, body: String::new() };
            let length = response.header("content-length").and_then(|value| value.parse().ok());
            let mut body = vec![0; length.expect("a length")];
            self.0.read_exact(&mut body).await.expect("the whole body");
            Response { body: String::from_utf8(body).expect("UTF-8"), ..response }
        };
        timeout(NEVER, read).await.expect("a response")
    }

    /// Reads until the server closes the connection. Returns how many bytes came.
    pub(crate) async fn rest(&mut self) -> usize {
        let mut bytes = Vec::new();
        let read = timeout(NEVER, self.0.read_to_end(&mut bytes)).await;
        // A reset is an end too.
        let _ = read.expect("the connection is closed");
        bytes.len()
    }
}
