//! HTTP/1.0 requests, each on a new connection.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
};

use super::process::NEVER;

/// A response.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// The status line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Reply {
    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut values = fields.filter(|(field, _)| field.eq_ignore_ascii_case(name));
        values.next().map(|(_, value)| value)
    }
}

pub(crate) fn get(address: &str, target: &str) -> Reply {
    request(address, "GET", target, "").expect("a response")
}

/// Makes a request. Each line of `headers` ends with CRLF.
pub(crate) fn request(
    address: &str,
    method: &str,
    target: &str,
    headers: &str,
) -> io::Result<Reply> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(NEVER))?;
    stream.write_all(format!("{method} {target} HTTP/1.0\r\n{headers}\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or(io::ErrorKind::InvalidData)?;
    Ok(Reply { status, head: head.to_owned(), body: body.to_owned() })
}
