//! When the client of a connection has to connect again (GOAWAY), and so can find another server.

use std::{future::pending, time::Duration};

use tokio::time::sleep;

/// The longest time within which a lame duck asks the clients of all its connections to connect
/// again: not all at once, because other servers have to take them.
const LONGEST_SPREAD: Duration = Duration::from_secs(3);

/// The least age of a connection to a lame duck. Clients treat a connection that ends sooner as one
/// that could not be opened.
const LEAST_AGE: Duration = Duration::from_secs(1);

/// Resolves at the age, with a jitter of a tenth either way, so that connections that were
/// opened together are not all opened again together. Never resolves if the age is zero.
pub(super) async fn old_age(age: Duration) {
    if age.is_zero() {
        return pending().await;
    }
    sleep(age.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
}

/// Resolves when a connection to a lame duck has to move; `time` is the whole lame duck time.
///
/// The connections that are open when this time begins move within its first tenth. A client that
/// resolves the name again then can still get this server's address, such as from a cache. Its new
/// connection, with `is_lame`, moves after a quarter of the time, so that the client resolves the
/// name again.
pub(super) async fn as_lame_duck(time: Duration, is_lame: bool) {
    if is_lame {
        old_age((time / 4).max(LEAST_AGE)).await;
    } else {
        sleep((time / 10).min(LONGEST_SPREAD).mul_f64(fastrand::f64())).await;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ages_differ_by_up_to_a_tenth() {
        let age = Duration::from_secs(1000);
        let mut ages = Vec::new();
        for _ in 0..100 {
            let start = Instant::now();
            old_age(age).await;
            ages.push(start.elapsed().as_secs());
        }
        assert!(ages.iter().all(|age| (900..=1100).contains(age)), "{ages:?}");
        assert!(
            ages.iter().any(|age| *age < 970) && ages.iter().any(|age| *age > 1030),
            "{ages:?}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_age_of_zero_never_ends() {
        assert_eq!(old_age(Duration::ZERO).now_or_never(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lame_duck_moves_its_connections_early_and_new_ones_after_a_quarter() {
        let seconds = Duration::from_secs;
        for (time, is_lame, range) in [
            (seconds(100), false, seconds(0)..=seconds(3)),
            (seconds(10), false, seconds(0)..=seconds(1)),
            (seconds(100), true, Duration::from_millis(22_500)..=Duration::from_millis(27_500)),
            (seconds(1), true, Duration::from_millis(900)..=Duration::from_millis(1100)),
        ] {
            let mut ages = Vec::new();
            for _ in 0..100 {
                let start = Instant::now();
                as_lame_duck(time, is_lame).await;
                ages.push(start.elapsed());
            }
            assert!(ages.iter().all(|age| range.contains(age)), "{time:?}, {is_lame}: {ages:?}");
            let (first, last) = (ages.iter().min(), ages.iter().max());
            let spread = last.zip(first).map(|(last, first)| *last - *first);
            assert!(spread > Some((*range.end() - *range.start()) / 2), "{time:?}: {spread:?}");
        }
    }
}
