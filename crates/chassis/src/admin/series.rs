//! The metrics as values: read from a text as that of `/metrics`, so that the admin page has the
//! same numbers.

use serde_json::{Map, Value, json};

/// One line of the text: the value of a series.
#[derive(Debug)]
pub(super) struct Series<'a> {
    pub(super) name: &'a str,
    labels: &'a str,
    pub(super) value: f64,
}

impl<'a> Series<'a> {
    /// Returns the labels in their order. No value may have quotes: values are names of methods,
    /// codes and reasons.
    pub(super) fn labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.labels.split("\",").filter_map(|pair| pair.split_once("=\""));
        pairs.map(|(name, value)| (name, value.trim_end_matches('"')))
    }

    pub(super) fn label(&self, name: &str) -> Option<&'a str> {
        self.labels().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// Returns the series of a text in Prometheus' own format, which has no exemplars.
pub(super) fn series(text: &str) -> impl Iterator<Item = Series<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let (labels, value) = (labels.trim_end_matches('}'), value.parse().ok()?);
        Some(Series { name, labels, value })
    })
}

/// Returns the metrics of the chassis and of the process as `{"workers_busy": 1, "refused":
/// {"queue_full": 2}}`: without `chassis_` and `_total`, and by label if there is one. Metrics of
/// calls and buckets of histograms are left out.
pub(super) fn by_name(text: &str) -> Value {
    let mut values = Map::new();
    for series in series(text) {
        let name = series.name.strip_prefix("chassis_");
        let Some(name) = name.or_else(|| Some(series.name).filter(|n| n.starts_with("process_")))
        else {
            continue;
        };
        let name = name.strip_suffix("_total").unwrap_or(name);
        let mut labels = series.labels();
        match (labels.next(), labels.next()) {
            (None, _) => {
                values.insert(name.to_owned(), json!(series.value));
            }
            // A bucket of a histogram has the label le.
            (Some((label, value)), None) if label != "le" => {
                let family = values.entry(name).or_insert_with(|| json!({}));
                family[value] = json!(series.value);
            }
            _ => {}
        }
    }
    Value::Object(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_values_by_name_and_label() {
        let text = "# TYPE x gauge\nchassis_workers_busy 1.0\n\
                    chassis_refused_total{reason=\"queue_full\"} 2\n\
                    chassis_refused_total{reason=\"streams\"} 0\n\
                    chassis_queue_wait_seconds_bucket{le=\"0.1\"} 4\n\
                    chassis_queue_wait_seconds_count 4\n\
                    process_threads 7\n\
                    grpc_server_started_total{grpc_type=\"unary\",grpc_service=\"S\"} 3\n# EOF\n";
        let expected = json!({
            "workers_busy": 1.0,
            "refused": {"queue_full": 2.0, "streams": 0.0},
            "queue_wait_seconds_count": 4.0,
            "process_threads": 7.0,
        });
        assert_eq!(by_name(text), expected);
    }

    #[test]
    fn a_series_has_its_labels() {
        let text = "a_total{one=\"x y\",two=\"z\"} 3\n";
        let first = series(text).next().expect("a series");
        assert_eq!(first.labels().collect::<Vec<_>>(), [("one", "x y"), ("two", "z")]);
        assert_eq!((first.label("two"), first.value), (Some("z"), 3.0));
    }
}
