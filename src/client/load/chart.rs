//! A histogram for a terminal.

use std::io::{self, Write};

use hdrhistogram::Histogram;

use super::report::milliseconds;

const BARS: usize = 10;
/// The longest bar, in characters.
const WIDTH: u64 = 40;
/// From this ratio of the longest time to the shortest on, each bar stands for times
/// that are longer by the same factor, not by the same difference.
const WIDE: f64 = 10.0;

/// Draws how many of the times there are from each of some bounds to the next.
pub(super) fn draw(times: &Histogram<u64>, out: &mut impl Write) -> io::Result<()> {
    let bounds = bounds(times.min().max(1), times.max());
    let mut counts = vec![0_u64; bounds.len()];
    for time in times.iter_recorded() {
        let bar = bounds.partition_point(|&bound| bound < time.value_iterated_to());
        counts[bar.min(bounds.len() - 1)] += time.count_at_value();
    }
    let most = counts.iter().max().copied().unwrap_or_default().max(1);
    for (bound, count) in bounds.into_iter().zip(counts) {
        // What there is can be seen.
        let length = (count * WIDTH).div_ceil(most);
        let bar = "█".repeat(usize::try_from(length).unwrap_or_default());
        let line = format!("  up to {:>10} ms {count:>10} {bar}", milliseconds(bound));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// The longest time of each bar, in rising order.
fn bounds(shortest: u64, longest: u64) -> Vec<u64> {
    let (low, high) = (shortest as f64, longest as f64);
    let bound = |number: usize| {
        let part = number as f64 / BARS as f64;
        if high / low < WIDE { low + (high - low) * part } else { low * (high / low).powf(part) }
    };
    let mut bounds: Vec<_> = (1..BARS).map(|number| bound(number) as u64).collect();
    bounds.push(longest);
    bounds.dedup();
    bounds
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(times: &[u64]) -> String {
        let mut histogram = Histogram::new(3).expect("digits");
        times.iter().for_each(|&time| histogram.record(time * 1_000_000).expect("it grows"));
        let mut out = Vec::new();
        draw(&histogram, &mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    fn counts(chart: &str) -> Vec<u64> {
        let count = |line: &str| line.split_whitespace().nth(4).and_then(|text| text.parse().ok());
        chart.lines().map(|line| count(line).expect("a count")).collect()
    }

    #[test]
    fn times_that_are_close_are_spread_evenly() {
        let chart = drawn(&[10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
        assert_eq!(counts(&chart), [1; 10], "{chart}");
    }

    #[test]
    fn times_that_are_far_apart_are_spread_by_a_factor() {
        let chart = drawn(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
        assert!(counts(&chart).iter().all(|&count| count >= 1), "{chart}");
        assert_eq!(counts(&chart).iter().sum::<u64>(), 11, "{chart}");
    }

    #[test]
    fn times_that_are_the_same_are_one_bar() {
        let chart = drawn(&[5, 5, 5]);
        assert_eq!(counts(&chart).iter().sum::<u64>(), 3, "{chart}");
        assert!(chart.lines().count() <= 10, "{chart}");
    }
}
