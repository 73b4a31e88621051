//! The report.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use channel::{Address, Balance, Target};
use wire::escape::Escaped;

use crate::{
    Pace, Plan,
    chart::{self, milliseconds},
    tally::{Outcomes, Tally},
};

/// The schedule is kept if 99 % of the calls begin at most this time after they are due.
const LATE: Duration = Duration::from_millis(10);
/// A thread that is busy for this share of its time counts as saturated.
const BUSY: f64 = 0.95;

/// The quantiles of latency: the name in the text report, the name in JSON, and the value.
pub(super) const QUANTILES: [(&str, &str, f64); 5] = [
    ("p50", "p50", 0.5),
    ("p90", "p90", 0.9),
    ("p99", "p99", 0.99),
    ("p99.9", "p99_9", 0.999),
    ("p99.99", "p99_99", 0.9999),
];

/// The results of a [`Plan`].
pub struct Report {
    pub(super) address: Address,
    pub(super) balance: Balance,
    pub(super) tls: bool,
    pub(super) timeout: Duration,
    pub(super) plan: Plan,
    pub(super) elapsed: Duration,
    /// The calls per second that were begun, if the plan has a rate.
    pub(super) achieved_rate: Option<f64>,
    pub(super) interrupted: bool,
    pub(super) tally: Tally,
    pub(super) total: Outcomes,
}

impl std::fmt::Debug for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Report").field("plan", &self.plan).finish_non_exhaustive()
    }
}

impl Report {
    pub(super) fn new(target: &Target, plan: &Plan, begun: Instant, tally: Tally) -> Self {
        let since = |moment: Option<Instant>| {
            moment.map(|moment| moment.saturating_duration_since(begun)).unwrap_or_default()
        };
        let total = tally.total();
        let achieved_rate = match plan.pace {
            Pace::Closed { .. } => None,
            Pace::Open { rate } => {
                // The last of n calls is due n - 1 intervals after the first.
                let calls = (total.calls() + tally.unfinished) as f64;
                let seconds =
                    (since(tally.last_begun).as_secs_f64() + 1.0 / rate).max(calls / rate);
                Some(calls / seconds)
            }
        };
        Self {
            address: target.address.clone(),
            balance: target.balance,
            tls: target.tls.is_some(),
            timeout: target.timeout,
            plan: plan.clone(),
            elapsed: since(tally.last_ended),
            achieved_rate,
            interrupted: false,
            tally,
            total,
        }
    }

    /// Marks the report as that of an interrupted run.
    pub(super) fn interrupted(self) -> Self {
        Self { interrupted: true, ..self }
    }

    /// Returns whether at least one call was made and all calls succeeded.
    pub fn is_success(&self) -> bool {
        self.total.failed.is_empty() && !self.total.ok.is_empty()
    }

    /// Returns the calls per second that ended.
    pub(super) fn throughput(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 { self.total.calls() as f64 / seconds } else { 0.0 }
    }

    /// Returns whether this process could not begin calls when they were due.
    pub(super) fn is_late(&self) -> bool {
        self.tally.missed > 0
            || u128::from(self.tally.late.value_at_quantile(0.99)) > LATE.as_nanos()
    }

    /// Returns whether a thread of this process was saturated.
    pub(super) fn is_busy(&self) -> bool {
        self.tally.busy.is_some_and(|busy| busy >= BUSY)
    }

    /// Writes the report for people.
    ///
    /// # Errors
    ///
    /// Returns the error of `out`.
    pub fn write_text(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { address, plan, tally, total, .. } = self;
        let (connections, size) = (plan.connections, plan.message_size);
        let pace = match plan.pace {
            Pace::Open { rate } => format!("open loop, {rate} calls/s"),
            Pace::Closed { concurrency } => format!("closed loop, {concurrency} calls at once"),
        };
        let (calls, seconds) = (total.calls(), self.elapsed.as_secs_f64());
        let end = if self.interrupted { ", interrupted" } else { "" };
        writeln!(out, "{address}: {pace}, connections {connections}, message {size} bytes")?;
        writeln!(out, "{calls} calls in {seconds:.2} s: {:.1} calls/s{end}", self.throughput())?;
        if let Some(rate) = self.achieved_rate {
            writeln!(out, "{rate:.1} calls/s were begun")?;
        }
        if !plan.warmup.is_zero() {
            let seconds = plan.warmup.as_secs_f64();
            writeln!(out, "the calls of the first {seconds:.2} s, the warm-up, are left out")?;
        }
        if tally.unfinished > 0 {
            writeln!(out, "{} more were in flight and were cancelled", tally.unfinished)?;
        }
        if tally.missed > 0 {
            writeln!(out, "{} more were due and never begun: the run ended first", tally.missed)?;
        }
        writeln!(out)?;
        for (name, calls, message) in total.codes() {
            let message = Escaped(message);
            writeln!(out, "{}", format!("  {name:<19} {calls:>10}  {message}").trim_end())?;
        }
        self.write_addresses(out)?;
        self.write_latency(out)?;
        self.write_warning(out)
    }

    fn write_latency(&self, out: &mut impl Write) -> io::Result<()> {
        let from = match self.plan.pace {
            Pace::Open { .. } => {
                "the moment at which the call was due (corrected for coordinated omission)"
            }
            Pace::Closed { .. } => "the start of the call",
        };
        writeln!(out, "\nlatency in ms, from {from}\n")?;
        write!(out, "  {:<8}", "")?;
        for (name, _, _) in QUANTILES {
            write!(out, " {name:>10}")?;
        }
        writeln!(out, " {:>10}", "max")?;
        let Outcomes { ok, failed, .. } = &self.total;
        for (name, times) in [("OK", ok), ("failed", failed)] {
            if times.is_empty() {
                continue;
            }
            write!(out, "  {name:<8}")?;
            for (_, _, quantile) in QUANTILES {
                write!(out, " {:>10}", milliseconds(times.value_at_quantile(quantile)))?;
            }
            writeln!(out, " {:>10}", milliseconds(times.max()))?;
        }
        for (name, times) in [("OK", ok), ("failed", failed)] {
            if !times.is_empty() {
                writeln!(out, "\n{name}")?;
                chart::draw(times, out)?;
            }
        }
        Ok(())
    }

    fn write_warning(&self, out: &mut impl Write) -> io::Result<()> {
        if self.is_late() {
            let late = milliseconds(self.tally.late.value_at_quantile(0.99));
            writeln!(
                out,
                "\nSaturated: the schedule was not kept, one call in a hundred began more than \
                 {late} ms late.\nThese figures say more of this process than of the server."
            )?;
        } else if self.is_busy() {
            writeln!(
                out,
                "\nSaturated: a thread of this process worked, or waited for a processor, all \
                 the time.\nThe server may be faster than these figures."
            )?;
        }
        Ok(())
    }
}
