//! Log lines on their way out: a bounded queue, and one thread that writes.
//!
//! Whoever logs never waits for whoever reads: a reader that stalls costs lines,
//! which are counted, and neither calls nor the end of the server.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel},
    },
    thread,
    time::Duration,
};

use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait to be written: a few megabytes.
const QUEUE: usize = 16 * 1024;
/// Lines are written together up to this many bytes.
const BATCH: usize = 64 * 1024;

enum Order {
    Write(Vec<u8>),
    /// Everything before this is written: say so.
    Flush(Sender<()>),
}

/// Gives lines to the thread that writes them.
#[derive(Debug, Clone)]
pub struct LogWriter {
    orders: SyncSender<Order>,
    lost: Arc<AtomicU64>,
}

impl LogWriter {
    /// Starts the thread, which writes to `out`.
    ///
    /// # Errors
    ///
    /// Where the system has no thread left.
    pub fn start(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (orders, queue) = sync_channel(QUEUE);
        let lost = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&lost);
        thread::Builder::new()
            .name("log".into())
            .spawn(move || write_all(&queue, out, &counter))?;
        Ok(Self { orders, lost })
    }

    /// Waits until all lines so far are written, for no longer than `bound`.
    /// Returns how many lines were lost in all.
    pub fn flush(&self, bound: Duration) -> u64 {
        let (written, wait) = channel();
        // A queue that is full is one that nobody reads: it is waited for all
        // the same, from a thread of its own, for `send` has no bound.
        let orders = self.orders.clone();
        thread::spawn(move || orders.send(Order::Flush(written)));
        let _ = wait.recv_timeout(bound);
        self.lost.load(Ordering::Relaxed)
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
        match self.orders.try_send(Order::Write(line.to_owned())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.lost.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn write_all(orders: &Receiver<Order>, mut out: impl Write, lost: &AtomicU64) {
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
            lost.fetch_add(lines, Ordering::Relaxed);
        }
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
    fn a_reader_that_stalls_costs_lines_which_are_counted_and_no_time() {
        let (go, held) = channel();
        let (sender, written) = channel();
        let writer = LogWriter::start(Stalled(held, sender)).expect("a thread");
        let lines = QUEUE as u64 * 3;
        for _ in 0..lines {
            (&writer).write_all(b"line\n").expect("it never fails");
        }
        assert!(writer.flush(Duration::ZERO) > 0);

        drop(go);
        let lost = writer.flush(Duration::from_secs(60));
        let bytes: u64 = written.try_iter().map(|bytes| bytes.len() as u64).sum();
        assert_eq!(bytes / 5 + lost, lines, "every line is written or counted");
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
