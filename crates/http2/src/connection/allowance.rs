//! Limits for frames that make work without progress: resets, stream errors and control frames.
//!
//! Each kind has an allowance, which such frames spend, and which time and progress refill. A count
//! over the life of a connection would close long-lived connections of honest callers. A proxy's
//! connection carries the calls of many callers, so the first breach ends it gracefully: no stream
//! is added, and open streams finish. If the peer goes on, it is hostile, and the connection is
//! closed at once.

use tokio::time::Instant;

use crate::abuse::Abuse;

/// The allowance of one kind, and what is left of it.
#[derive(Debug)]
pub(super) struct Allowance {
    abuse: Abuse,
    left: u32,
    most: u32,
    per_second: u32,
    /// When time last refilled it.
    refilled: Instant,
}

impl Allowance {
    pub(super) fn new(abuse: Abuse, most: u32, per_second: u32) -> Self {
        Self { abuse, left: most, most, per_second, refilled: Instant::now() }
    }

    /// Spends some of it.
    ///
    /// # Errors
    ///
    /// Returns the abuse if there is not enough left.
    pub(super) fn spend(&mut self, number: u32) -> Result<(), Abuse> {
        if self.left < number {
            self.refill();
        }
        self.left = self.left.checked_sub(number).ok_or(self.abuse)?;
        Ok(())
    }

    /// Gives some back, because of progress.
    pub(super) fn give_back(&mut self, number: u32) {
        self.left = self.left.saturating_add(number).min(self.most);
    }

    /// Gives all back, so that the peer can finish the calls that it has begun.
    pub(super) fn reset(&mut self) {
        self.left = self.most;
    }

    /// Gives back what the time since the last refill is worth. The clock is read only when
    /// there is not enough left.
    fn refill(&mut self) {
        let now = Instant::now();
        let time = now - self.refilled;
        let worth = (time.as_secs_f64() * f64::from(self.per_second)) as u32;
        if worth > 0 {
            self.refilled = now;
        }
        self.give_back(worth);
    }
}

/// All allowances of a connection.
#[derive(Debug)]
pub(super) struct Allowances {
    pub(super) resets: Allowance,
    pub(super) stream_errors: Allowance,
    pub(super) control_frames: Allowance,
}

impl Allowances {
    /// Returns the allowances of a connection that may have `streams` streams at once.
    pub(super) fn new(streams: u32) -> Self {
        // All callers of a connection can cancel at once, and again a second later: a stall of
        // the network looks like this. A reset costs less than the call that it ends.
        let resets = streams.saturating_mul(5).max(1000);
        let per_second = streams.saturating_mul(2).max(200);
        Self {
            resets: Allowance::new(Abuse::Resets, resets, per_second),
            stream_errors: Allowance::new(Abuse::StreamErrors, resets, per_second),
            // A frame costs a tenth of a microsecond. A client may send a WINDOW_UPDATE for every
            // kilobyte of a large response, and must not be closed for that.
            control_frames: Allowance::new(Abuse::ControlFrames, 20_000, 2_000),
        }
    }

    /// Gives back what a complete response is worth.
    pub(super) fn add_response(&mut self) {
        self.resets.give_back(1);
        self.stream_errors.give_back(1);
        // Some clients send SETTINGS, PRIORITY, PING and two WINDOW_UPDATEs for each response.
        self.control_frames.give_back(5);
    }

    /// Gives back what a DATA frame of this length is worth: a WINDOW_UPDATE that let it be
    /// sent, and one more for each 256 bytes of it.
    pub(super) fn add_sent(&mut self, bytes: usize) {
        self.control_frames.give_back(1 + (bytes / 256) as u32);
    }

    /// Gives everything back.
    pub(super) fn reset(&mut self) {
        self.resets.reset();
        self.stream_errors.reset();
        self.control_frames.reset();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    fn spend(allowance: &mut Allowance, number: u32) -> Result<(), Abuse> {
        (0..number).try_for_each(|_| allowance.spend(1))
    }

    #[tokio::test(start_paused = true)]
    async fn time_and_progress_refill_an_allowance() {
        let mut allowance = Allowance::new(Abuse::Resets, 100, 10);
        assert_eq!(spend(&mut allowance, 100), Ok(()));
        assert_eq!(allowance.spend(1), Err(Abuse::Resets));
        advance(Duration::from_secs(2)).await;
        assert_eq!(spend(&mut allowance, 20), Ok(()));
        assert_eq!(allowance.spend(1), Err(Abuse::Resets));
        assert_eq!(allowance.spend(2), Err(Abuse::Resets));
        allowance.give_back(1000);
        assert_eq!(spend(&mut allowance, 100), Ok(()));
        assert_eq!(allowance.spend(1), Err(Abuse::Resets));
    }

    #[tokio::test(start_paused = true)]
    async fn times_too_short_to_refill_anything_add_up() {
        let mut allowance = Allowance::new(Abuse::Resets, 1, 10);
        assert_eq!(allowance.spend(1), Ok(()));
        assert!(allowance.spend(1).is_err());
        for _ in 0..10 {
            advance(Duration::from_millis(9)).await;
            assert!(allowance.spend(1).is_err());
        }
        advance(Duration::from_millis(11)).await;
        assert_eq!(allowance.spend(1), Ok(()));
    }
}
