//! Moving averages over the last seconds, without a timer: they are computed when they are
//! changed or read.

use std::time::Duration;

use tokio::time::Instant;

/// The time constant of all averages: after this time, the weight of an event has
/// fallen to 1/e.
///
/// It is the same for all of them, because the weight of a server is a quotient of two averages
/// (gRFC A58). After a pause or with few calls, it is right only if both rise and decay alike.
const WINDOW: Duration = Duration::from_secs(2);

/// A lower average is reported as 0, which begins about 40 seconds after the last event.
const NOTHING: f64 = 1e-9;

/// The average over time of a number that is known at every moment, such as that of busy workers.
#[derive(Debug)]
pub(crate) struct Level {
    value: f64,
    /// The average at the last change.
    average: f64,
    changed: Instant,
}

impl Level {
    /// Returns a number that has always been 0.
    pub(crate) fn new() -> Self {
        Self { value: 0.0, average: 0.0, changed: Instant::now() }
    }

    /// Adds to the number, or subtracts from it.
    pub(crate) fn add(&mut self, change: f64) {
        let now = Instant::now();
        self.average = self.at(now);
        self.changed = now;
        self.value += change;
    }

    pub(crate) fn average(&self) -> f64 {
        or_nothing(self.at(Instant::now()))
    }

    fn at(&self, now: Instant) -> f64 {
        let kept = kept(self.changed, now);
        self.average * kept + self.value * (1.0 - kept)
    }
}

/// The average number of events per second.
#[derive(Debug)]
pub(crate) struct Rate {
    /// The average at the last event.
    average: f64,
    changed: Instant,
}

impl Rate {
    /// Returns the rate of an event that has never happened.
    pub(crate) fn new() -> Self {
        Self { average: 0.0, changed: Instant::now() }
    }

    /// Counts one event.
    pub(crate) fn count(&mut self) {
        let now = Instant::now();
        self.average = self.average * kept(self.changed, now) + 1.0 / WINDOW.as_secs_f64();
        self.changed = now;
    }

    pub(crate) fn average(&self) -> f64 {
        or_nothing(self.average * kept(self.changed, Instant::now()))
    }
}

/// Returns the weight that an event at `then` has now, from 0 to 1.
fn kept(then: Instant, now: Instant) -> f64 {
    let age = now.saturating_duration_since(then);
    (-age.as_secs_f64() / WINDOW.as_secs_f64()).exp()
}

fn or_nothing(average: f64) -> f64 {
    if average < NOTHING { 0.0 } else { average }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    fn assert_near(value: f64, expected: f64) {
        assert!((value - expected).abs() < 0.02 * expected, "{value}, not {expected}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_level_approaches_its_value_and_decays() {
        let mut level = Level::new();
        assert_eq!(level.average(), 0.0);
        level.add(3.0);
        assert_eq!(level.average(), 0.0);
        advance(WINDOW).await;
        assert_near(level.average(), 3.0 * 0.632);
        advance(10 * WINDOW).await;
        assert_near(level.average(), 3.0);
        level.add(-3.0);
        assert_near(level.average(), 3.0);
        advance(WINDOW).await;
        assert_near(level.average(), 3.0 * 0.368);
        advance(30 * WINDOW).await;
        assert_eq!(level.average(), 0.0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_level_that_is_high_for_a_tenth_of_the_time_is_a_tenth() {
        let mut level = Level::new();
        for _ in 0..2000 {
            level.add(1.0);
            advance(MILLISECOND).await;
            level.add(-1.0);
            advance(9 * MILLISECOND).await;
        }
        assert_near(level.average(), 0.1);
    }

    #[tokio::test(start_paused = true)]
    async fn reading_changes_no_average() {
        let (mut level, mut rate) = (Level::new(), Rate::new());
        level.add(1.0);
        rate.count();
        for _ in 0..2000 {
            advance(MILLISECOND).await;
            let _ = (level.average(), rate.average());
        }
        assert_near(level.average(), 0.632);
        assert_near(rate.average(), 0.5 * 0.368);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_events_per_second_and_decays() {
        let mut rate = Rate::new();
        assert_eq!(rate.average(), 0.0);
        for _ in 0..1000 {
            advance(20 * MILLISECOND).await;
            rate.count();
        }
        assert_near(rate.average(), 50.0);
        advance(WINDOW).await;
        assert_near(rate.average(), 50.0 * 0.368);
        advance(30 * WINDOW).await;
        assert_eq!(rate.average(), 0.0);
    }

    /// A client divides the calls per second by the load that they cause.
    #[tokio::test(start_paused = true)]
    async fn the_quotient_is_the_same_for_few_calls_for_many_and_after_a_pause() {
        for pause in [0, 90, 4990] {
            let (mut busy, mut rate) = (Level::new(), Rate::new());
            for _ in 0..1000 {
                busy.add(1.0);
                advance(10 * MILLISECOND).await;
                busy.add(-1.0);
                rate.count();
                advance(pause * MILLISECOND).await;
            }
            // Calls of 10 ms.
            assert_near(rate.average() / busy.average(), 100.0);
            advance(Duration::from_secs(10)).await;
            assert_near(rate.average() / busy.average(), 100.0);
        }
    }
}
