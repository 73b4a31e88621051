//! Metrics that are read where they are counted, at each scrape.

use std::fmt;

use prometheus_client::{
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
};

/// Where they are written. Names have no prefix, and those of counters no `_total`.
#[derive(Debug)]
pub struct Families<'a>(pub(super) DescriptorEncoder<'a>);

/// Label values and what they are labels of.
pub(super) type Series<'a> = &'a [(&'a str, f64)];

impl Families<'_> {
    /// A value that goes up and down.
    pub fn gauge(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.one(name, help, &ConstGauge::new(value))
    }

    /// A value that only grows.
    pub fn counter(&mut self, name: &str, help: &str, value: f64) -> fmt::Result {
        self.one(name, help, &ConstCounter::new(value))
    }

    /// Gauges that differ in one label.
    pub fn gauges(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        series: Series<'_>,
    ) -> fmt::Result {
        self.many(name, help, label, series, ConstGauge::new)
    }

    /// Counters that differ in one label.
    pub fn counters(
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
