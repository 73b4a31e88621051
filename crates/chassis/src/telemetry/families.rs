//! Metrics that are read from their source at each scrape.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Writes metrics. Their names have no prefix, and those of counters no `_total`.
#[derive(Debug)]
pub(crate) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

/// Label values, each with the value of its series.
pub(super) type Series<'a> = &'a [(&'a str, f64)];

impl Families<'_> {
    /// Writes a value that goes up and down.
    pub(crate) fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.one(name, help, &ConstGauge::new(value))
    }

    /// Writes a value that only grows.
    pub(crate) fn counter(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.one(name, help, &ConstCounter::new(value))
    }

    /// Writes gauges that differ in one label.
    pub(crate) fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        series: Series<'_>,
    ) -> fmt::Result {
        self.many(name, help, label, series, ConstGauge::new)
    }

    /// Writes counters that differ in one label.
    pub(crate) fn counters(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        series: Series<'_>,
    ) -> fmt::Result {
        self.many(name, help, label, series, ConstCounter::new)
    }

    fn one(&mut self, name: &str, help: &str, metric: &impl EncodeMetric) -> fmt::Result {
        metric.encode(self.0.encode_descriptor(name, help, None, metric.metric_type())?)
    }

    fn many<M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        series: Series<'_>,
        metric: impl Fn(f64) -> M,
    ) -> fmt::Result {
        let kind = metric(0.0).metric_type();
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for &(labelled, value) in series {
            metric(value).encode(family.encode_family(&[(label, labelled)])?)?;
        }
        Ok(())
    }
}
