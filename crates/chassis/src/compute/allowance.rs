//! How much a thread that does I/O may compute itself.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// The most bytes of one computation in place. To compress them takes about 2 ms.
pub(crate) const MAX_IN_PLACE: usize = 64 * 1024;

/// In this time, a thread may compute [`MAX_IN_PLACE`] bytes in place.
const REFILL: Duration = Duration::from_millis(4);

/// The least cost of a computation, in bytes.
const MIN_COST: usize = 1024;

thread_local! {
    static ALLOWANCE: Cell<Option<Allowance>> = const { Cell::new(None) };
}

/// Returns whether this thread may compute `bytes` now, and counts them.
///
/// A limit for each message alone would not do: a thousand small messages can arrive together,
/// and the handler of a stream may read all of them without a pause.
pub(crate) fn in_place(bytes: usize) -> bool {
    bytes <= MAX_IN_PLACE && change(|allowance| allowance.take(bytes))
}

/// Counts bytes that [`in_place`] did not know of, such as those of the output.
pub(crate) fn spent(bytes: usize) {
    change(|allowance| allowance.left = allowance.left.saturating_sub(bytes));
}

fn change<T>(change: impl FnOnce(&mut Allowance) -> T) -> T {
    let now = Instant::now();
    let mut allowance = match ALLOWANCE.get() {
        Some(allowance) if now.duration_since(allowance.begun) < REFILL => allowance,
        _ => Allowance { left: MAX_IN_PLACE, begun: now },
    };
    let result = change(&mut allowance);
    ALLOWANCE.set(Some(allowance));
    result
}

/// The bytes that a thread may still compute in place, since `begun`.
#[derive(Clone, Copy)]
struct Allowance {
    left: usize,
    begun: Instant,
}

impl Allowance {
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.left.checked_sub(bytes.max(MIN_COST));
        self.left = left.unwrap_or(self.left);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_thread_computes_64_kib_in_place_and_then_no_more_for_a_while() {
        assert!(!in_place(MAX_IN_PLACE + 1));
        assert!(in_place(MAX_IN_PLACE / 2));
        assert!(in_place(MAX_IN_PLACE / 2));
        assert!(!in_place(1));
        advance(REFILL).await;
        assert!(in_place(MAX_IN_PLACE));
        assert!(!in_place(0));
    }

    #[tokio::test(start_paused = true)]
    async fn the_output_counts_and_so_does_a_computation_of_no_bytes() {
        assert!(in_place(1));
        spent(MAX_IN_PLACE);
        assert!(!in_place(1));
        advance(REFILL).await;
        assert_eq!((0..1000).filter(|_| in_place(0)).count(), MAX_IN_PLACE / MIN_COST);
    }
}
