//! The file that the log is written to.

use std::{io, os::fd::AsFd};

use rustix::{
    fs::{FileType, fstat},
    io::Errno,
};
use wire::output::wait_for_room;

/// A pipe takes up to this number of bytes whole or not at all (`PIPE_BUF`), and if it has room for
/// any, it has room for these.
const WHOLE: usize = 4096;

/// A file, pipe, socket or terminal. Another process may have made it non-blocking.
#[derive(Debug)]
pub(super) struct Output<F> {
    file: F,
    is_regular: bool,
}

impl<F: AsFd> Output<F> {
    pub(super) fn new(file: F) -> Self {
        let is_regular = fstat(&file)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
        Self { file, is_regular }
    }

    /// Returns how many bytes to write at once.
    pub(super) fn most(&self) -> usize {
        if self.is_regular { usize::MAX } else { WHOLE }
    }

    /// Waits until a write has room, so that it need not wait itself.
    pub(super) fn wait(&self) -> io::Result<()> {
        if self.is_regular { Ok(()) } else { wait_for_room(&self.file) }
    }

    /// Writes once. Returns how many bytes were written: 0 if it must be tried again.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match rustix::io::write(&self.file, bytes) {
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            written => Ok(written?),
        }
    }
}
