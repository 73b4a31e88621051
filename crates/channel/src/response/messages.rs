//! The messages of a response: checked, and decompressed.

use std::io::Read;

use bytes::{Buf, Bytes, BytesMut};
use flate2::read::GzDecoder;
use http::HeaderMap;
use tonic::Status;
use wire::{
    encoding::{ENCODING, Encoding, window_log},
    framing::{COMPRESSED, NOT_COMPRESSED, PREFIX, announced_length, prefix},
};

use crate::limits::Limits;

/// Takes the data of a response, and returns its messages.
#[derive(Debug)]
pub(super) struct Messages {
    received: Bytes,
    encoding: ResponseEncoding,
    limits: Limits,
    count: u64,
}

#[derive(Debug)]
enum ResponseEncoding {
    Identity,
    Known(Encoding),
    Unknown(String),
}

impl Messages {
    /// Reads the encoding from the headers, and removes it, because `next` returns messages that
    /// are not compressed.
    pub(super) fn new(headers: &mut HeaderMap, limits: Limits) -> Self {
        let encoding = match headers.remove(ENCODING) {
            None => ResponseEncoding::Identity,
            Some(name) if name == "identity" => ResponseEncoding::Identity,
            Some(name) => match Encoding::named(name.as_bytes()) {
                Some(encoding) => ResponseEncoding::Known(encoding),
                None => {
                    let name = String::from_utf8_lossy(name.as_bytes()).into_owned();
                    ResponseEncoding::Unknown(name)
                }
            },
        };
        Self { received: Bytes::new(), encoding, limits, count: 0 }
    }

    /// Takes data that has arrived.
    pub(super) fn push(&mut self, data: Bytes) {
        if self.received.is_empty() {
            self.received = data;
            return;
        }
        let received = std::mem::take(&mut self.received);
        let mut joined =
            received.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        joined.extend_from_slice(&data);
        self.received = joined.freeze();
    }

    /// Returns the next message with its prefix, decompressed, or `None` if it has not arrived in
    /// full.
    ///
    /// # Errors
    ///
    /// Returns RESOURCE_EXHAUSTED if the message is larger than the limit. Returns INTERNAL if it
    /// is malformed or cannot be decompressed (compression.md of gRPC), and UNIMPLEMENTED if it is
    /// the second message of a response that must have one.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, Status> {
        let Some(length) = announced_length(&self.received) else { return Ok(None) };
        let flag = self.received[0];
        if !matches!(flag, NOT_COMPRESSED | COMPRESSED) {
            return Err(Status::internal(format!(
                "the compressed flag of a response message is {flag}, and must be 0 or 1"
            )));
        }
        if length > self.limits.message {
            return Err(too_large(&format!("has {length} bytes"), self.limits.message));
        }
        if self.limits.expects_one && self.count > 0 {
            return Err(Status::unimplemented(
                "the response has more than one message, and the method has one",
            ));
        }
        if self.received.len() < PREFIX + length {
            return Ok(None);
        }
        self.count += 1;
        let mut message = self.received.split_to(PREFIX + length);
        if flag == NOT_COMPRESSED {
            return Ok(Some(message));
        }
        message.advance(PREFIX);
        match &self.encoding {
            ResponseEncoding::Known(encoding) => {
                inflate(*encoding, &message, self.limits.message).map(Some)
            }
            ResponseEncoding::Identity => Err(Status::internal(
                "a response message is compressed, and grpc-encoding names no encoding",
            )),
            ResponseEncoding::Unknown(name) => Err(Status::internal(format!(
                "a response message is compressed with {name}, which was not asked for"
            ))),
        }
    }

    /// Checks the messages of a response that has ended with the status OK.
    ///
    /// # Errors
    ///
    /// Returns INTERNAL if the last message is not complete, or UNIMPLEMENTED if there is no
    /// message and there must be one.
    pub(super) fn end(&self) -> Result<(), Status> {
        if !self.received.is_empty() {
            return Err(Status::internal("the response ends within a message"));
        }
        if self.limits.expects_one && self.count == 0 {
            return Err(Status::unimplemented(
                "the response has no message, and the method has one",
            ));
        }
        Ok(())
    }
}

fn inflate(encoding: Encoding, compressed: &[u8], limit: usize) -> Result<Bytes, Status> {
    let mut framed = vec![0; PREFIX];
    // One byte more than the limit shows that the message is too large.
    let most = limit as u64 + 1;
    let inflated = match encoding {
        Encoding::Gzip => GzDecoder::new(compressed).take(most).read_to_end(&mut framed),
        Encoding::Zstd => zstd::Decoder::with_buffer(compressed).and_then(|mut decoder| {
            decoder.window_log_max(window_log(limit))?;
            decoder.take(most).read_to_end(&mut framed)
        }),
    };
    if let Err(error) = inflated {
        return Err(Status::internal(format!(
            "a response message cannot be decompressed: {error}"
        )));
    }
    let length = framed.len() - PREFIX;
    if length > limit {
        return Err(too_large("is larger once it is decompressed", limit));
    }
    framed[..PREFIX].copy_from_slice(&prefix(NOT_COMPRESSED, length));
    Ok(framed.into())
}

fn too_large(what: &str, limit: usize) -> Status {
    Status::resource_exhausted(format!("a response message {what}, and the limit is {limit}"))
}
