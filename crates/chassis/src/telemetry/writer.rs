//! The writer of the log: a bounded queue, and one thread that writes.
//!
//! Logging never waits for the reader of the log. If the reader stalls, lines are lost and
//! counted; calls and the shutdown are not delayed.

use std::{
    io::{self, Write},
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard},
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// The limit of the queue in bytes.
const QUEUE: usize = 4 * 1024 * 1024;
/// Lines of about this time are written together: waking the writer for each would cost more
/// than the line.
const GATHER: Duration = Duration::from_millis(25);
/// A batch of this many bytes is written at once.
const BATCH: usize = 256 * 1024;

const NEVER_POISONED: &str = "nothing panics while it holds the queue";

/// Passes lines to the thread that writes them.
#[derive(Debug, Clone)]
pub(crate) struct LogWriter(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Notified of the first line after an idle time, of a full batch, and of a flush.
    work: Condvar,
    /// Notified when a batch has been written.
    written: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Batch,
    /// The lines and bytes that are being written.
    writing: (usize, usize),
    lost: usize,
    flush: bool,
    /// Whether the thread waits to be notified, because there was nothing to write.
    idle: bool,
}

#[derive(Debug, Default)]
struct Batch {
    text: Vec<u8>,
    lines: usize,
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect(NEVER_POISONED)
    }
}

impl LogWriter {
    /// Starts the thread, which writes to `out`.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it has no thread left.
    pub(crate) fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        thread::Builder::new().name("log".into()).spawn(move || write_all(&writer, out))?;
        Ok(Self(shared))
    }

    /// Waits until all lines so far are written, for no longer than `bound`. Returns how many
    /// lines were lost, including those that are not written by then.
    pub(crate) fn flush(&self, bound: Duration) -> usize {
        let mut queue = self.0.queue();
        queue.flush = true;
        self.0.work.notify_one();
        let unwritten = |queue: &mut Queue| queue.waiting.lines + queue.writing.0 > 0;
        let wait = self.0.written.wait_timeout_while(queue, bound, unwritten);
        let (queue, _) = wait.expect(NEVER_POISONED);
        queue.lost + queue.waiting.lines + queue.writing.0
    }

    /// Returns how many lines were lost so far.
    pub(crate) fn lost(&self) -> usize {
        self.0.queue().lost
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

/// Each write is one line, as `tracing_subscriber` writes them. Never fails.
impl Write for &LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut queue = self.0.queue();
        let waiting = queue.waiting.text.len();
        if waiting + queue.writing.1 + line.len() > QUEUE {
            queue.lost += 1;
            return Ok(line.len());
        }
        queue.waiting.text.extend_from_slice(line);
        queue.waiting.lines += 1;
        let batch_is_full = waiting < BATCH && waiting + line.len() >= BATCH;
        let wake = queue.idle || batch_is_full;
        queue.idle = false;
        drop(queue);
        if wake {
            self.0.work.notify_one();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(shared: &Shared, mut out: impl Write) {
    let mut batch = Batch::default();
    loop {
        // First, so that the thread need not be woken while there are lines in each such time.
        let few = |queue: &mut Queue| queue.waiting.text.len() < BATCH && !queue.flush;
        let gathered = shared.work.wait_timeout_while(shared.queue(), GATHER, few);
        let (mut queue, _) = gathered.expect(NEVER_POISONED);
        let nothing = |queue: &mut Queue| queue.waiting.lines == 0 && !queue.flush;
        if nothing(&mut queue) {
            queue.idle = true;
            drop(shared.work.wait_while(queue, nothing).expect(NEVER_POISONED));
            continue;
        }
        mem::swap(&mut batch, &mut queue.waiting);
        queue.writing = (batch.lines, batch.text.len());
        queue.flush = false;
        drop(queue);

        let failed = out.write_all(&batch.text).and_then(|()| out.flush()).is_err();
        let mut queue = shared.queue();
        queue.writing = (0, 0);
        if failed {
            // There is no reader now. Later lines may find one again.
            queue.lost += batch.lines;
        }
        drop(queue);
        shared.written.notify_all();
        batch.lines = 0;
        batch.text.clear();
        // After a burst, memory is returned.
        batch.text.shrink_to(BATCH);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Writes nothing until it is told to, and then everything.
    struct Stalled(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error means that the test no longer stalls it.
            let _ = self.0.recv();
            self.1.send(bytes.to_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stalled_reader_loses_counted_lines_and_takes_bounded_memory() {
        let (go, held) = channel();
        let (sender, written) = channel();
        let writer = LogWriter::start(Stalled(held, sender)).expect("a thread");
        let line = [b'x'; 1024];
        let lines = 3 * QUEUE / line.len();
        for _ in 0..lines {
            (&writer).write_all(&line).expect("writing to the queue never fails");
        }
        let queue = writer.0.queue();
        assert!(queue.waiting.text.len() + queue.writing.1 <= QUEUE);
        drop(queue);
        assert_eq!(writer.flush(Duration::ZERO), lines, "none is written yet");

        drop(go);
        let lost = writer.flush(Duration::from_secs(60));
        assert!(lost > 0);
        let bytes: usize = written.try_iter().map(|bytes| bytes.len()).sum();
        assert_eq!(bytes / line.len() + lost, lines, "every line is written or counted");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_as_lost() {
        let (reader, closed) = io::pipe().expect("a pipe");
        drop(reader);
        let writer = LogWriter::start(closed).expect("a thread");
        (&writer).write_all(b"line\n").expect("writing to the queue never fails");
        assert_eq!(writer.flush(Duration::from_secs(60)), 1);
    }
}
