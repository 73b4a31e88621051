//! The report as JSON.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use crate::{
    Pace,
    addresses::AddressReport,
    report::{QUANTILES, Report},
    tally::Outcomes,
};

impl Report {
    /// Writes the report as one JSON object. Names end in the unit of their values.
    ///
    /// # Errors
    ///
    /// Returns the error of `out`.
    pub fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        let (tally, total) = (&self.tally, &self.total);
        let errors: BTreeMap<_, _> = total
            .codes()
            .filter(|(_, _, message)| !message.is_empty())
            .map(|(name, _, message)| (name, message))
            .collect();
        let addresses: Vec<_> = self.addresses().iter().map(address).collect();
        let is_open = matches!(self.plan.pace, Pace::Open { .. });
        let report = json!({
            "settings": self.settings(),
            "calls": total.calls(),
            "codes": codes(total),
            "errors": errors,
            "unfinished": tally.unfinished,
            "missed": tally.missed,
            "elapsed_s": self.elapsed.as_secs_f64(),
            "throughput": self.throughput(),
            "achieved_rate": self.achieved_rate,
            "latency_from": if is_open { "due" } else { "begun" },
            "latency_ms": latency(total),
            "addresses": addresses,
            "late_ms": if is_open { summary(&tally.late) } else { Value::Null },
            "busy": tally.busy,
            "saturated": self.is_late() || self.is_busy(),
            "interrupted": self.interrupted,
        });
        writeln!(out, "{report}")
    }

    fn settings(&self) -> Value {
        let (rate, concurrency) = match self.plan.pace {
            Pace::Open { rate } => (Some(rate), None),
            Pace::Closed { concurrency } => (None, Some(concurrency)),
        };
        json!({
            "address": self.address.to_string(),
            "balance": self.balance.name(),
            "tls": self.tls,
            "rate": rate,
            "concurrency": concurrency,
            "connections": self.plan.connections,
            "warmup_s": self.plan.warmup.as_secs_f64(),
            "duration_s": self.plan.duration().map(|duration| duration.as_secs_f64()),
            "calls": self.plan.calls(),
            "message_bytes": self.plan.message_size,
            "timeout_ms": self.timeout.as_secs_f64() * 1e3,
        })
    }
}

fn address(address: &AddressReport<'_>) -> Value {
    let none = Outcomes::default();
    let outcomes = address.outcomes.unwrap_or(&none);
    json!({
        "address": address.address,
        "reached": address.is_reached(),
        "failure": address.failure(),
        "calls": address.calls(),
        "share": address.share(),
        "codes": codes(outcomes),
        "latency_ms": latency(outcomes),
    })
}

fn codes(outcomes: &Outcomes) -> BTreeMap<&'static str, u64> {
    outcomes.codes().map(|(name, calls, _)| (name, calls)).collect()
}

fn latency(outcomes: &Outcomes) -> Value {
    json!({ "ok": summary(&outcomes.ok), "failed": summary(&outcomes.failed) })
}

/// Returns the summary of times, or `null` if there are none.
fn summary(times: &Histogram<u64>) -> Value {
    if times.is_empty() {
        return Value::Null;
    }
    let ms = |nanoseconds: f64| json!(nanoseconds / 1e6);
    let mut summary = Map::new();
    summary.insert("count".into(), json!(times.len()));
    summary.insert("min".into(), ms(times.min() as f64));
    summary.insert("mean".into(), ms(times.mean()));
    for (_, name, quantile) in QUANTILES {
        summary.insert(name.into(), ms(times.value_at_quantile(quantile) as f64));
    }
    summary.insert("max".into(), ms(times.max() as f64));
    Value::Object(summary)
}
