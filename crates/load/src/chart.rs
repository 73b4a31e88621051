//! A histogram for a terminal.

use std::io::{self, Write};

use hdrhistogram::Histogram;

const BARS: usize = 10;
/// The length of the longest bar in characters.
const WIDTH: u64 = 40;
/// If the longest time is at least this multiple of the shortest, the bounds of the bars grow
/// by a constant factor. Otherwise they grow by a constant difference.
const WIDE: f64 = 10.0;

/// Draws a bar for each range of times, as long as its share of the times.
///
/// # Errors
///
/// Returns the error of `out`.
pub(super) fn draw(times: &Histogram<u64>, out: &mut impl Write) -> io::Result<()> {
    let bounds = bounds(times.min().max(1), times.max());
    let mut counts = vec![0_u64; bounds.len()];
    for time in times.iter_recorded() {
        let bar = bounds.partition_point(|&bound| bound < time.value_iterated_to());
        counts[bar.min(bounds.len() - 1)] += time.count_at_value();
    }
    let most = counts.iter().max().copied().unwrap_or_default().max(1);
    for (bound, count) in bounds.into_iter().zip(counts) {
        // Rounded up, so that a count above 0 is visible.
        let length = (count * WIDTH).div_ceil(most);
        let bar = "█".repeat(usize::try_from(length).unwrap_or_default());
        let line = format!("  up to {:>10} ms {count:>10} {bar}", milliseconds(bound));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// Returns the longest time of each bar, in ascending order.
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

/// Formats nanoseconds as milliseconds.
pub(super) fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.3}", nanoseconds as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw_times(times: &[u64]) -> String {
        let mut histogram = Histogram::new(3).expect("three digits are allowed");
        times.iter().for_each(|&time| {
            histogram.record(time * 1_000_000).expect("the histogram resizes itself");
        });
        let mut out = Vec::new();
        draw(&histogram, &mut out).expect("memory");
        String::from_utf8(out).expect("UTF-8")
    }

    fn counts(chart: &str) -> Vec<u64> {
        let count = |line: &str| line.split_whitespace().nth(4).and_then(|text| text.parse().ok());
        chart.lines().map(|line| count(line).expect("a count")).collect()
    }

    #[test]
    fn ranges_of_close_times_grow_by_a_difference() {
        let chart = draw_times(&[10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
        assert_eq!(counts(&chart), [1; 10], "{chart}");
    }

    #[test]
    fn ranges_of_distant_times_grow_by_a_factor() {
        let chart = draw_times(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]);
        assert!(counts(&chart).iter().all(|&count| count >= 1), "{chart}");
        assert_eq!(counts(&chart).iter().sum::<u64>(), 11, "{chart}");
    }

    #[test]
    fn equal_times_are_one_bar() {
        let chart = draw_times(&[5, 5, 5]);
        assert_eq!(counts(&chart).iter().sum::<u64>(), 3, "{chart}");
        assert!(chart.lines().count() <= 10, "{chart}");
    }
}
