//! The writer of the log: a bounded queue, and one thread that writes.
//!
//! Logging never waits for the reader of the log. If the reader stalls, lines are lost and
//! counted; calls and the shutdown are not delayed. If only a part of a line can be written,
//! such as to a full disk, the rest follows before any other line.

use std::{
    io::{self, Write},
    os::fd::AsFd,
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

use super::{batch::Batch, output::Output};

/// The limit of the queue in bytes.
const QUEUE: usize = 4 * 1024 * 1024;
/// Lines of about this time are written together: waking the writer for each would cost more
/// than the line.
const GATHER: Duration = Duration::from_millis(25);
/// A batch of this many bytes is written at once.
const BATCH: usize = 256 * 1024;
/// How long a write may take that is in progress when the log is closed.
const LAST_WRITE: Duration = Duration::from_millis(20);

const NEVER_POISONED: &str = "nothing panics while it holds the lock";

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
    /// The lines that the thread has taken from the queue and not written whole.
    unwritten: AtomicUsize,
    /// Whether nothing more is written. The thread holds it during a write, and not while it
    /// waits for room.
    is_closed: Mutex<bool>,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: Batch,
    /// The bytes that are being written, if any.
    writing: Option<usize>,
    lost: usize,
    flush: bool,
    /// Whether the thread waits to be notified, because there was nothing to write.
    idle: bool,
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
    pub(crate) fn start(out: impl AsFd + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let writer = Arc::clone(&shared);
        let write = move || write_all(&writer, &Output::new(out));
        thread::Builder::new().name("log".into()).spawn(write)?;
        Ok(Self(shared))
    }

    /// Waits until all lines so far are written or cannot be written, for no longer than `bound`.
    /// Returns how many lines were lost, including those that are not written by then.
    pub(crate) fn flush(&self, bound: Duration) -> usize {
        let mut queue = self.0.queue();
        queue.flush = true;
        self.0.work.notify_one();
        let unwritten = |queue: &mut Queue| queue.flush || queue.writing.is_some();
        let wait = self.0.written.wait_timeout_while(queue, bound, unwritten);
        let (queue, _) = wait.expect(NEVER_POISONED);
        self.not_written(&queue)
    }

    /// Does the same as [`LogWriter::flush`], and nothing is written later, so that the number
    /// stays right.
    pub(crate) fn close(&self, bound: Duration) -> usize {
        self.flush(bound);
        // The lock is taken for longer only if a write blocks, whose lines then count as lost.
        for _ in 0..LAST_WRITE.as_millis() {
            if let Ok(mut is_closed) = self.0.is_closed.try_lock() {
                *is_closed = true;
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.not_written(&self.0.queue())
    }

    fn not_written(&self, queue: &Queue) -> usize {
        queue.lost + queue.waiting.lines() + self.0.unwritten.load(Relaxed)
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
        let waiting = queue.waiting.len();
        if waiting + queue.writing.unwrap_or_default() + line.len() > QUEUE {
            queue.lost += 1;
            return Ok(line.len());
        }
        queue.waiting.push(line);
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

fn write_all<F: AsFd>(shared: &Shared, out: &Output<F>) {
    // Between batches, it has the rest of a line of which a part is written.
    let mut batch = Batch::default();
    loop {
        // First, so that the thread need not be woken while there are lines in each such time.
        let few = |queue: &mut Queue| queue.waiting.len() < BATCH && !queue.flush;
        let gathered = shared.work.wait_timeout_while(shared.queue(), GATHER, few);
        let (mut queue, _) = gathered.expect(NEVER_POISONED);
        let nothing = |queue: &mut Queue| queue.waiting.lines() == 0 && !queue.flush;
        if nothing(&mut queue) {
            queue.idle = true;
            drop(shared.work.wait_while(queue, nothing).expect(NEVER_POISONED));
            continue;
        }
        batch.append(&mut queue.waiting);
        queue.writing = Some(batch.len());
        queue.flush = false;
        shared.unwritten.store(batch.lines(), Relaxed);
        drop(queue);

        let written = write_batch(shared, out, &mut batch);
        let mut queue = shared.queue();
        queue.writing = None;
        match written {
            // After a burst, memory is returned.
            Ok(Written::All) => batch.clear(BATCH),
            Ok(Written::UntilClosed) => return,
            Err(_) => {
                // There is no reader now, or no room. Later lines may find one again.
                queue.lost += batch.keep_begun();
                shared.unwritten.store(batch.lines(), Relaxed);
            }
        }
        drop(queue);
        shared.written.notify_all();
    }
}

enum Written {
    All,
    UntilClosed,
}

fn write_batch<F: AsFd>(
    shared: &Shared,
    out: &Output<F>,
    batch: &mut Batch,
) -> io::Result<Written> {
    while batch.lines() > 0 {
        out.wait()?;
        let is_closed = shared.is_closed.lock().expect(NEVER_POISONED);
        if *is_closed {
            return Ok(Written::UntilClosed);
        }
        let written = out.write(batch.next(out.most()))?;
        batch.wrote(written);
        shared.unwritten.store(batch.lines(), Relaxed);
    }
    Ok(Written::All)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{PipeReader, Read},
        sync::mpsc::channel,
    };

    use super::*;

    const NEVER: Duration = Duration::from_secs(60);

    /// Reads in another thread when it is told to. Returns how many bytes there were.
    fn reader(mut pipe: PipeReader) -> (impl FnOnce(), thread::JoinHandle<usize>) {
        let (go, held) = channel::<()>();
        let read = thread::spawn(move || {
            // An error means that it is told to.
            let _ = held.recv();
            let mut text = Vec::new();
            pipe.read_to_end(&mut text).expect("a pipe")
        });
        (move || drop(go), read)
    }

    #[test]
    fn a_stalled_reader_loses_counted_lines_and_takes_bounded_memory() {
        let (pipe, out) = io::pipe().expect("a pipe");
        let (go, read) = reader(pipe);
        let writer = LogWriter::start(out).expect("a thread");
        let line = [b'x'; 1024];
        let lines = 3 * QUEUE / line.len();
        for _ in 0..lines {
            (&writer).write_all(&line).expect("writing to the queue never fails");
        }
        let queue = writer.0.queue();
        assert!(queue.waiting.len() + queue.writing.unwrap_or_default() <= QUEUE);
        drop(queue);
        let lost = writer.flush(Duration::ZERO);
        assert!(lost > lines / 2, "the pipe has room for few: {lost} of {lines}");

        go();
        let lost = writer.flush(NEVER);
        assert!(lost > 0);
        assert_eq!(writer.close(NEVER), lost);
        // The thread ends with the first line that it must not write.
        (&writer).write_all(&line).expect("writing to the queue never fails");
        let bytes = read.join().expect("no panic");
        assert_eq!(bytes / line.len() + lost, lines, "every line is written or counted");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_as_lost() {
        let (reader, closed) = io::pipe().expect("a pipe");
        drop(reader);
        let writer = LogWriter::start(closed).expect("a thread");
        (&writer).write_all(b"line\n").expect("writing to the queue never fails");
        assert_eq!(writer.flush(NEVER), 1);
        let full = std::fs::File::options().write(true).open("/dev/full").expect("a device");
        let writer = LogWriter::start(full).expect("a thread");
        (&writer).write_all(b"line\n").expect("writing to the queue never fails");
        assert_eq!((writer.flush(NEVER), writer.lost()), (1, 1));
    }
}
