//! The metrics as text: OpenMetrics 1.0, and Prometheus' own format 0.0.4.
//!
//! Both are written from the same messages as the protobuf format and the export by OTLP, so that
//! all have the same series. prometheus-client's text encoder refuses native histograms.

use std::fmt::Write;

use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model::{
    Exemplar, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};

use super::native::as_classic;

/// The format of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// OpenMetrics, with exemplars.
    OpenMetrics,
    /// Prometheus' own format. A histogram that has only native buckets has one bucket, with
    /// all its values, because its buckets change.
    Prometheus,
    /// The same, but such a histogram has its native buckets: for the admin page.
    Detailed,
}

/// Returns the text of these metrics.
pub(super) fn text(families: &[MetricFamily], format: Format) -> String {
    let mut text = Text { text: String::new(), format };
    for family in families {
        text.family(family);
    }
    if format == Format::OpenMetrics {
        text.text.push_str("# EOF\n");
    }
    text.text
}

struct Text {
    text: String,
    format: Format,
}

impl Text {
    fn family(&mut self, family: &MetricFamily) {
        let (name, kind) = self.name_and_type(family);
        // Prometheus' own format escapes quotes in the values of labels alone.
        let quotes = self.format == Format::OpenMetrics;
        self.line(format_args!("# HELP {name} {}", Escaped { text: &family.help, quotes }));
        self.line(format_args!("# TYPE {name} {kind}"));
        for metric in &family.metric {
            self.metric(&family.name, metric);
        }
    }

    /// OpenMetrics names a family without the suffix of its series.
    fn name_and_type<'a>(&self, family: &'a MetricFamily) -> (&'a str, &'static str) {
        let name = family.name.as_str();
        let is_open = self.format == Format::OpenMetrics;
        let without = |suffix| name.strip_suffix(suffix).filter(|_| is_open);
        match family.r#type() {
            MetricType::Counter => (without("_total").unwrap_or(name), "counter"),
            MetricType::Histogram => (name, "histogram"),
            // The message has no type for it.
            _ => without("_info").map_or((name, "gauge"), |name| (name, "info")),
        }
    }

    fn metric(&mut self, name: &str, metric: &Metric) {
        if let Some(histogram) = &metric.histogram {
            self.histogram(name, &metric.label, histogram);
            return;
        }
        let counter = metric.counter.as_ref().map(|counter| counter.value);
        let value = counter.or(metric.gauge.as_ref().map(|gauge| gauge.value));
        self.series(name, "", &metric.label, None, value.unwrap_or_default(), None);
    }

    fn histogram(&mut self, name: &str, labels: &[LabelPair], histogram: &Histogram) {
        let Histogram { sample_count, sample_sum, bucket, .. } = histogram;
        self.series(name, "_sum", labels, None, *sample_sum, None);
        self.series(name, "_count", labels, None, *sample_count as f64, None);
        let mut write = |bound: f64, count: u64, exemplar| {
            self.series(name, "_bucket", labels, Some(bound), count as f64, exemplar);
        };
        for bucket in bucket {
            write(bucket.upper_bound, bucket.cumulative_count, bucket.exemplar.as_ref());
        }
        if bucket.is_empty() {
            match self.format {
                Format::Detailed => {
                    for (bound, count) in as_classic(histogram) {
                        self.series(name, "_bucket", labels, Some(bound), count as f64, None);
                    }
                }
                // Both formats need the last bucket.
                _ => {
                    let newest = histogram.exemplars.last();
                    let count = *sample_count as f64;
                    self.series(name, "_bucket", labels, Some(f64::INFINITY), count, newest);
                }
            }
        }
    }

    fn series(
        &mut self,
        name: &str,
        suffix: &str,
        labels: &[LabelPair],
        bound: Option<f64>,
        value: f64,
        exemplar: Option<&Exemplar>,
    ) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        let bound = bound.map(|bound| LabelPair { name: "le".to_owned(), value: float(bound) });
        if !labels.is_empty() || bound.is_some() {
            self.labels(bound.iter().chain(labels));
        }
        self.push(format_args!(" {}", number(value)));
        if let Some(exemplar) = exemplar.filter(|_| self.format == Format::OpenMetrics) {
            self.text.push_str(" # ");
            self.labels(exemplar.label.iter());
            self.push(format_args!(" {}", float(exemplar.value)));
            if let Some(at) = exemplar.timestamp {
                self.push(format_args!(" {}.{:03}", at.seconds, at.nanos / 1_000_000));
            }
        }
        self.text.push('\n');
    }

    fn labels<'a>(&mut self, labels: impl Iterator<Item = &'a LabelPair>) {
        let mut before = '{';
        for LabelPair { name, value } in labels {
            let value = Escaped { text: value, quotes: true };
            self.push(format_args!("{before}{name}=\"{value}\""));
            before = ',';
        }
        self.text.push('}');
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        self.push(line);
        self.text.push('\n');
    }

    fn push(&mut self, part: std::fmt::Arguments<'_>) {
        self.text.write_fmt(part).expect("text takes all that is written");
    }
}

/// Text in which backslashes, line ends and, with `quotes`, quotes are escaped.
struct Escaped<'a> {
    text: &'a str,
    quotes: bool,
}

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.text.chars().try_for_each(|character| match character {
            '\\' => out.write_str("\\\\"),
            '"' if self.quotes => out.write_str("\\\""),
            '\n' => out.write_str("\\n"),
            other => out.write_char(other),
        })
    }
}

/// Returns a number with a decimal point, as OpenMetrics wants it in labels.
fn float(value: f64) -> String {
    if value == f64::INFINITY { "+Inf".to_owned() } else { format!("{value:?}") }
}

/// Returns a whole number without a decimal point.
fn number(value: f64) -> String {
    // Above that, a float has not every whole number.
    const MOST: f64 = 9_007_199_254_740_992.0;
    let is_whole = value.fract() == 0.0 && value.abs() <= MOST;
    if is_whole { format!("{value}") } else { float(value) }
}

#[cfg(test)]
mod tests {
    use prometheus_client::{
        encoding::prometheus_protobuf::encode,
        metrics::{counter::Counter, family::Family, gauge::ConstGauge, info::Info},
        registry::Registry,
    };

    use super::*;
    use crate::{
        config::Histograms,
        telemetry::latency::{Exemplars, histogram},
    };

    #[test]
    fn counters_and_infos_have_their_names_in_both_formats() {
        let mut registry = Registry::default();
        let counts = Family::<Vec<(String, String)>, Counter>::default();
        counts.get_or_create(&vec![("c".to_owned(), "d \"e\"\n\\".to_owned())]).inc();
        registry.register("a_b", "Counts \"c\"", counts);
        registry.register("i", "Says", Info::new([("v", "1")]));
        registry.register("g", "Is", ConstGauge::new(2.5));
        let families = encode(&registry).expect("it is valid");
        let escaped = r#"d \"e\"\n\\"#;
        let open_metrics = format!(
            "# HELP a_b Counts \\\"c\\\".\n# TYPE a_b counter\na_b_total{{c=\"{escaped}\"}} 1\n\
             # HELP i Says.\n# TYPE i info\ni_info{{v=\"1\"}} 1\n\
             # HELP g Is.\n# TYPE g gauge\ng 2.5\n# EOF\n"
        );
        assert_eq!(text(&families, Format::OpenMetrics), open_metrics);
        let prometheus = format!(
            "# HELP a_b_total Counts \"c\".\n# TYPE a_b_total counter\na_b_total{{c=\"{escaped}\"}} 1\n\
             # HELP i_info Says.\n# TYPE i_info gauge\ni_info{{v=\"1\"}} 1\n\
             # HELP g Is.\n# TYPE g gauge\ng 2.5\n"
        );
        assert_eq!(text(&families, Format::Prometheus), prometheus);
    }

    /// Returns a histogram with these values, each with an exemplar.
    fn families(buckets: Histograms, values: &[f64]) -> Vec<MetricFamily> {
        let (histogram, exemplars) = (histogram(buckets), Exemplars::default());
        for &value in values {
            histogram.observe(value);
            exemplars.keep((1.into(), 2.into()), value);
        }
        let mut registry = Registry::default();
        registry.register("h", "Times", histogram);
        let mut families = encode(&registry).expect("it is valid");
        exemplars.add_to(families[0].metric[0].histogram.as_mut().expect("a histogram"));
        families
    }

    #[test]
    fn an_exemplar_is_in_openmetrics_alone() {
        let families = families(Histograms::Classic, &[0.003, 7.0]);
        let open_metrics = text(&families, Format::OpenMetrics);
        let labels = "{trace_id=\"00000000000000000000000000000001\",span_id=\"0000000000000002\"}";
        for start in [
            format!("h_bucket{{le=\"0.005\"}} 1 # {labels} 0.003 "),
            format!("h_bucket{{le=\"10.0\"}} 2 # {labels} 7.0 "),
        ] {
            let mut lines = open_metrics.lines();
            assert!(lines.any(|line| line.starts_with(&start)), "no {start} in {open_metrics}");
        }
        assert_eq!(open_metrics.matches('#').count(), 5, "{open_metrics}");
        assert!(!text(&families, Format::Prometheus).contains("trace_id"));
    }

    #[test]
    fn a_histogram_without_classic_buckets_has_its_sum_and_count_as_text() {
        let families = families(Histograms::Native, &[0.5, 2.0]);
        let lines = "h_sum 2.5\nh_count 2\nh_bucket{le=\"+Inf\"} 2";
        let open_metrics = text(&families, Format::OpenMetrics);
        assert!(open_metrics.contains(&format!("{lines} # {{trace_id=")), "{open_metrics}");
        assert!(text(&families, Format::Prometheus).ends_with(&format!("{lines}\n")));
        // 0.5 and 2 are bounds of native buckets.
        let detailed = text(&families, Format::Detailed);
        assert!(detailed.contains("h_bucket{le=\"0.5\"} 1\n"), "{detailed}");
        assert!(detailed.contains("h_bucket{le=\"2.0\"} 2\n"), "{detailed}");
    }
}
