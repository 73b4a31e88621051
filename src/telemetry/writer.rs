//! Log lines on their way out: a bounded queue, and one thread that writes.
//!
//! Whoever logs never waits for whoever reads: a reader that stalls costs lines,
//! which are counted, and neither calls nor the end of the server.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Bytes that may wait to be written.
const QUEUE: usize = 4 * 1024 * 1024;
/// Lines are written together up to about this many bytes.
const BATCH: usize = 64 * 1024;

enum Order {
    Write(Vec<u8>),
    /// Everything before this is written: say so.
    Flush(Sender<()>),
}

#[derive(Debug, Default)]
struct Counts {
    waiting_bytes: AtomicUsize,
    waiting_lines: AtomicUsize,
    lost_lines: AtomicUsize,
}

/// Gives lines to the thread that writes them.
#[derive(Debug, Clone)]
pub struct LogWriter {
    orders: Sender<Order>,
    counts: Arc<Counts>,
}

impl LogWriter {
    /// Starts the thread, which writes to `out`.
    ///
    /// # Errors
    ///
    /// Where the system has no thread left.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (orders, queue) = channel();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        thread::Builder::new().name("log".into()).spawn(move || write_all(&queue, out, &shared))?;
        Ok(Self { orders, counts })
    }

    /// Waits until all lines so far are written, for no longer than `bound`.
    /// Returns how many were lost, with those that still wait then.
    pub fn flush(&self, bound: Duration) -> usize {
        let (written, wait) = channel();
        // Without the thread there is nothing to wait for.
        let _ = self.orders.send(Order::Flush(written));
        let _ = wait.recv_timeout(bound);
        self.counts.lost_lines.load(Ordering::Relaxed)
            + self.counts.waiting_lines.load(Ordering::Relaxed)
    }
}

impl<'a> MakeWriter<'a> for LogWriter {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

/// Takes one line with each write, as `tracing_subscriber` writes them. Never fails.
impl Write for &LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let counts = &self.counts;
        let waiting = counts.waiting_bytes.fetch_add(line.len(), Ordering::Relaxed);
        counts.waiting_lines.fetch_add(1, Ordering::Relaxed);
        if waiting + line.len() > QUEUE || self.orders.send(Order::Write(line.to_owned())).is_err()
        {
            counts.waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            counts.waiting_lines.fetch_sub(1, Ordering::Relaxed);
            counts.lost_lines.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(orders: &Receiver<Order>, mut out: impl Write, counts: &Counts) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(first) = orders.recv() {
        let mut lines = 0;
        let mut flushed = Vec::new();
        for order in std::iter::once(first).chain(orders.try_iter()) {
            match order {
                Order::Write(line) => {
                    batch.extend(line);
                    lines += 1;
                }
                Order::Flush(written) => flushed.push(written),
            }
            if batch.len() >= BATCH {
                break;
            }
        }
        if out.write_all(&batch).and_then(|()| out.flush()).is_err() {
            // Nobody is there to read: later lines may find a reader again.
            counts.lost_lines.fetch_add(lines, Ordering::Relaxed);
        }
        counts.waiting_bytes.fetch_sub(batch.len(), Ordering::Relaxed);
        counts.waiting_lines.fetch_sub(lines, Ordering::Relaxed);
        batch.clear();
        for written in flushed {
            // Whoever asked may have stopped waiting.
            let _ = written.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes nothing until it is told to, and then all.
    struct Stalled(Receiver<()>, Sender<Vec<u8>>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            // An error is that the test no longer holds it back.
            let _ = self.0.recv();
            self.1.send(bytes.to_owned()).map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_that_stalls_costs_lines_which_are_counted_and_no_memory() {
        let (go, held) = channel();
        let (sender, written) = channel();
        let writer = LogWriter::start(Stalled(held, sender)).expect("a thread");
        let line = [b'x'; 1024];
        let lines = 3 * QUEUE / line.len();
        for _ in 0..lines {
            (&writer).write_all(&line).expect("it never fails");
        }
        assert!(writer.counts.waiting_bytes.load(Ordering::Relaxed) <= QUEUE);
        assert_eq!(writer.flush(Duration::ZERO), lines, "none is written yet");

        drop(go);
        let lost = writer.flush(Duration::from_secs(60));
        assert!(lost > 0);
        let bytes: usize = written.try_iter().map(|bytes| bytes.len()).sum();
        assert_eq!(bytes / line.len() + lost, lines, "every line is written or counted");
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted() {
        let (reader, closed) = io::pipe().expect("a pipe");
        drop(reader);
        let writer = LogWriter::start(closed).expect("a thread");
        (&writer).write_all(b"line\n").expect("it never fails");
        assert_eq!(writer.flush(Duration::from_secs(60)), 1);
    }
}
