//! Writes the bytes that peers send to files, which are seeds of the fuzzer.

use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::PathBuf,
    pin::Pin,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::frame::PREFACE;

/// The variable with the folder of the files. Without it nothing is written.
const FOLDER: &str = "HTTP2_JUDGE_CORPUS";
/// The most bytes of a seed: a longer one makes the fuzzer slow.
const MOST: usize = 2048;

/// A connection whose first bytes are written to a file at its end.
#[derive(Debug)]
pub(crate) struct Recorded<I> {
    io: I,
    folder: Option<PathBuf>,
    bytes: Vec<u8>,
}

impl<I> Recorded<I> {
    /// Returns a connection that is recorded if the environment has [`FOLDER`].
    pub(crate) fn new(io: I) -> Self {
        Self { io, folder: env::var_os(FOLDER).map(PathBuf::from), bytes: Vec::new() }
    }
}

impl<I> Drop for Recorded<I> {
    fn drop(&mut self) {
        let (Some(folder), Some(bytes)) = (&self.folder, self.bytes.strip_prefix(PREFACE)) else {
            return;
        };
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        // The first byte tells the target `connection` how to cut the others: 0 is not at all.
        let seed = [&[0], bytes].concat();
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(folder.join(format!("{:016x}", hasher.finish())), seed));
        if let Err(error) = written {
            eprintln!("no seed in {}: {error}", folder.display());
        }
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Recorded<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(cx, buffer);
        if self.folder.is_some() {
            let room = MOST - self.bytes.len();
            self.bytes.extend(buffer.filled()[before..].iter().take(room));
        }
        read
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Recorded<I> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}
