//! Standard output and error, also if a parent process made them non-blocking, as Python's asyncio
//! does with its pipes.

use std::{
    io::{self, Write},
    os::fd::AsFd,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};

/// Returns standard output. Each write waits until there is room. Nothing is buffered.
pub fn stdout() -> Waiting<io::Stdout> {
    Waiting(io::stdout())
}

/// Returns standard error. Each write waits until there is room. Nothing is buffered.
pub fn stderr() -> Waiting<io::Stderr> {
    Waiting(io::stderr())
}

/// Writes to a descriptor, and waits if it is non-blocking and has no room.
#[derive(Debug)]
pub struct Waiting<F>(F);

impl<F: AsFd> Write for Waiting<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(&self.0, bytes) {
                Err(Errno::AGAIN) => wait_for_room(&self.0)?,
                Err(Errno::INTR) => {}
                written => return Ok(written?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Waits until a write to `file` has room for some bytes, or fails.
///
/// # Errors
///
/// Returns the system's error if the wait fails.
pub fn wait_for_room(file: impl AsFd) -> io::Result<()> {
    let mut polled = [PollFd::new(&file, PollFlags::OUT)];
    match poll(&mut polled, None) {
        Err(Errno::INTR) | Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, thread};

    use rustix::io::ioctl_fionbio;

    use super::*;

    #[test]
    fn all_is_written_to_a_non_blocking_pipe_with_a_slow_reader() {
        let (mut reader, writer) = io::pipe().expect("a pipe");
        ioctl_fionbio(&writer, true).expect("a pipe");
        let text: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
        let sent = text.clone();
        let sender = thread::spawn(move || Waiting(writer).write_all(&sent));
        let (mut read, mut some) = (Vec::new(), [0; 777]);
        loop {
            match reader.read(&mut some).expect("a pipe") {
                0 => break,
                length => read.extend_from_slice(&some[..length]),
            }
        }
        sender.join().expect("no panic").expect("it is written");
        assert!(read == text, "{} of {} bytes", read.len(), text.len());
    }

    #[test]
    fn a_closed_pipe_is_an_error() {
        let (reader, writer) = io::pipe().expect("a pipe");
        ioctl_fionbio(&writer, true).expect("a pipe");
        drop(reader);
        let error = Waiting(writer).write_all(b"line\n").expect_err("no reader");
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
