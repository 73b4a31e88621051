//! Compression of messages (compression.md of gRPC).

use std::io::{self, Read, Write};

use bytes::Bytes;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use futures_util::future::{Either, FutureExt, Map, Ready, ready};
use http::{HeaderMap, HeaderValue};
use wire::encoding::{ACCEPT_ENCODING, ENCODING, Encoding, window_log};
use wire::framing::{COMPRESSED, NOT_COMPRESSED, PREFIX, prefix};
use zstd::zstd_safe::{get_frame_content_size, zstd_sys::ZSTD_ErrorCode};

use super::memory::MessageMemory;
use crate::{
    call::Call,
    cause::Cause,
    compute::{self, Computation, Wanted},
    config::Responses,
    http2::MemoryKind,
};

/// zstd's own default level.
const ZSTD_LEVEL: i32 = 3;

/// The bytes that a computation processes before it checks whether its result is still wanted.
const CHUNK: usize = 64 * 1024;

/// Returns the encoding of the messages of a request, or `None` for identity.
///
/// # Errors
///
/// Returns [`Cause::UnknownEncoding`] if `grpc-encoding` names another one.
pub(crate) fn request_encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Cause> {
    let Some(name) = headers.get(&ENCODING).map(HeaderValue::as_bytes) else { return Ok(None) };
    if name == b"identity" {
        return Ok(None);
    }
    let unknown = || Cause::UnknownEncoding(String::from_utf8_lossy(name).into_owned());
    Encoding::named(name).map(Some).ok_or_else(unknown)
}

/// Returns the encoding for the messages of the response to a request with these headers,
/// whose messages have the encoding `request`.
///
/// Many clients accept compressed responses by default, and pay for each of them. So
/// only a client that compresses its requests gets them, unless `responses` says
/// otherwise.
pub(crate) fn response_encoding(
    headers: &HeaderMap,
    request: Option<Encoding>,
    responses: Responses,
) -> Option<Encoding> {
    let wanted = match responses {
        Responses::Never => false,
        Responses::Always => true,
        Responses::Mirror => request.is_some(),
    };
    if !wanted {
        return None;
    }
    let accepted = headers.get(&ACCEPT_ENCODING)?.as_bytes();
    accepted.split(|&byte| byte == b',').find_map(|name| Encoding::named(name.trim_ascii()))
}

/// The result for a message: at once if it was short, or else from a thread of [`compute`].
pub(crate) type Work<T> = Either<Ready<T>, Computation<T>>;

/// The result of decompressing a message.
pub(crate) type Decompression = Either<
    Ready<Result<Bytes, Cause>>,
    Map<Computation<Inflated>, fn(Inflated) -> Result<Bytes, Cause>>,
>;

/// Decompresses a message, and puts the prefix of an uncompressed one before it.
///
/// # Errors
///
/// Returns [`Cause::InflatedTooLarge`] if it has more bytes than the limit of its method: no more
/// are decompressed. Returns [`Cause::WindowTooLarge`] if its window of zstd is too large,
/// [`Cause::NoMemory`] if the memory budget has no room for it, or [`Cause::MalformedMessage`] if
/// it is not valid.
pub(crate) fn decompress(encoding: Encoding, message: Bytes, call: &Call) -> Decompression {
    let limit = call.message_limit();
    let mut memory = MessageMemory::default();
    if compute::in_place(message.len()) {
        let most = limit.min(compute::MAX_IN_PLACE);
        let mut buffer = buffer_for(most);
        let inflated =
            inflate(encoding, &message, &mut buffer, (most, limit), &Wanted::ALWAYS, &mut memory);
        compute::spent(if inflated.is_ok() { buffer.len() } else { most });
        if most == limit || !matches!(inflated, Err(Cause::InflatedTooLarge { .. })) {
            compact(&mut buffer);
            return Either::Left(ready(inflated.map(|()| buffer.into())));
        }
        // No prefix announces the decompressed size, so another thread begins again.
    }
    if let Err(cause) = memory.grow_to(compute::MAX_IN_PLACE, MemoryKind::Messages, call) {
        return Either::Left(ready(Err(cause)));
    }
    let computation = compute::run(move || {
        let mut buffer = buffer_for(limit);
        move |wanted: &Wanted<'_>| {
            let limits = (limit, limit);
            let result = inflate(encoding, &message, &mut buffer, limits, wanted, &mut memory);
            Inflated { result, buffer, memory }
        }
    });
    Either::Right(computation.map(Inflated::into_message))
}

/// The result of a thread that decompresses a message. It has the buffer after an error too, so
/// that the thread that allocated the buffer frees it.
pub(crate) struct Inflated {
    result: Result<(), Cause>,
    buffer: Vec<u8>,
    memory: MessageMemory,
}

impl Inflated {
    fn into_message(self) -> Result<Bytes, Cause> {
        let Self { result, mut buffer, mut memory } = self;
        compact(&mut buffer);
        result.map(|()| memory.attach_to(buffer.into()))
    }
}

/// Shrinks the buffer of a message that fills less than half of it: capacity takes memory although
/// it is not filled, if it was used before.
pub(super) fn compact(buffer: &mut Vec<u8>) {
    if buffer.capacity() > 2 * buffer.len() {
        buffer.shrink_to_fit();
    }
}

/// Returns a buffer for a message of up to `most` bytes, and one byte more, which shows whether the
/// message is larger. Capacity that is not filled takes no memory, unless it was used before.
fn buffer_for(most: usize) -> Vec<u8> {
    let mut buffer = Vec::with_capacity(PREFIX + most + 1);
    buffer.extend_from_slice(&[0; PREFIX]);
    buffer
}

/// Compresses a message, and puts its prefix before it.
pub(crate) fn compress(encoding: Encoding, message: Vec<u8>) -> Work<Vec<u8>> {
    // Compression makes some messages larger.
    let buffer = |message: &[u8]| buffer_for(message.len() + message.len() / 8 + 1024);
    if compute::in_place(message.len()) {
        let buffer = buffer(&message);
        return Either::Left(ready(deflate(encoding, &message, buffer, &Wanted::ALWAYS)));
    }
    Either::Right(compute::run(move || {
        let buffer = buffer(&message);
        move |wanted: &Wanted<'_>| deflate(encoding, &message, buffer, wanted)
    }))
}

/// Decompresses up to `most` bytes of a message that may have `limit` bytes into the buffer.
fn inflate(
    encoding: Encoding,
    message: &[u8],
    buffer: &mut Vec<u8>,
    (most, limit): (usize, usize),
    wanted: &Wanted<'_>,
    memory: &mut MessageMemory,
) -> Result<(), Cause> {
    let too_large = Cause::InflatedTooLarge { compressed: message.len(), limit: most };
    let inflated = match encoding {
        Encoding::Gzip => read(GzDecoder::new(message), buffer, most, wanted, memory, 1),
        Encoding::Zstd => {
            if let Ok(Some(size)) = get_frame_content_size(message)
                && size > most as u64
            {
                return Err(too_large);
            }
            zstd::Decoder::with_buffer(message).and_then(|mut decoder| {
                decoder.window_log_max(window_log(limit))?;
                // The window of the decoder is another copy of the last decompressed bytes.
                read(decoder, buffer, most, wanted, memory, 2)
            })
        }
    };
    inflated.map_err(|error| {
        if error.kind() == io::ErrorKind::OutOfMemory {
            Cause::NoMemory
        } else if is_window_too_large(&error) {
            Cause::WindowTooLarge { limit: 1 << window_log(limit) }
        } else {
            Cause::MalformedMessage(format!("cannot decompress: {error}"))
        }
    })?;
    if buffer.len() > PREFIX + most { Err(too_large) } else { Ok(()) }
}

/// Reads up to `most` bytes, and one more if there are more, and sets the prefix in front of them.
///
/// Reserves memory for `copies` copies of these bytes, and fails with `OutOfMemory` if there is no
/// room.
fn read(
    mut decoder: impl Read,
    framed: &mut Vec<u8>,
    most: usize,
    wanted: &Wanted<'_>,
    memory: &mut MessageMemory,
    copies: usize,
) -> io::Result<()> {
    let end = PREFIX + most + 1;
    let mut reserved = 0;
    while wanted.check() {
        let chunk = CHUNK.min(end - framed.len());
        let needed = framed.len() + chunk;
        if reserved < needed {
            reserved = (2 * reserved).clamp(needed, end);
            memory.grow_reserved(copies * reserved).map_err(|_| io::ErrorKind::OutOfMemory)?;
        }
        if decoder.by_ref().take(chunk as u64).read_to_end(framed)? < CHUNK {
            break;
        }
    }
    let prefix = prefix(NOT_COMPRESSED, framed.len() - PREFIX);
    framed[..PREFIX].copy_from_slice(&prefix);
    memory.shrink_to(framed.len());
    Ok(())
}

fn is_window_too_large(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<zstd::Error>());
    error.is_some_and(|error| error.is(ZSTD_ErrorCode::ZSTD_error_frameParameter_windowTooLarge))
}

fn deflate(
    encoding: Encoding,
    message: &[u8],
    mut framed: Vec<u8>,
    wanted: &Wanted<'_>,
) -> Vec<u8> {
    let written = match encoding {
        Encoding::Gzip => {
            let mut encoder = GzEncoder::new(&mut framed, Compression::new(6));
            write(&mut encoder, message, wanted).and_then(|()| encoder.finish().map(drop))
        }
        Encoding::Zstd => zstd::Encoder::new(&mut framed, ZSTD_LEVEL).and_then(|mut encoder| {
            write(&mut encoder, message, wanted)?;
            encoder.finish().map(drop)
        }),
    };
    written.expect("writing to memory does not fail");
    let prefix = prefix(COMPRESSED, framed.len() - PREFIX);
    framed[..PREFIX].copy_from_slice(&prefix);
    framed
}

fn write(encoder: &mut impl Write, message: &[u8], wanted: &Wanted<'_>) -> io::Result<()> {
    let mut chunks = message.chunks(CHUNK).take_while(|_| wanted.check());
    chunks.try_for_each(|chunk| encoder.write_all(chunk))
}

#[cfg(test)]
mod tests;
