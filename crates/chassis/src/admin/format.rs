//! The format of `/metrics` that a scraper asks for.

use http::{HeaderMap, header::ACCEPT};

/// A format of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// Prometheus' protobuf format, the only one with native histograms.
    Protobuf,
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' own text format.
    Prometheus,
}

impl Format {
    /// Returns the format that the client accepts by name: protobuf if it likes none better, else
    /// OpenMetrics at any weight. A client that accepts everything (`*/*`) is a person, and gets
    /// Prometheus' text format.
    pub(super) fn wanted(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let (mut protobuf, mut open_metrics, mut most) = (0.0_f64, 0.0_f64, 0.0_f64);
        for range in accepted.flat_map(|value| value.split(',')) {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let parts: Vec<_> = parts.filter_map(|part| part.split_once('=')).collect();
            let parameter = |name: &str| {
                let mut named =
                    parts.iter().filter(|part| part.0.trim().eq_ignore_ascii_case(name));
                named.next().map(|part| part.1.trim())
            };
            let weight = parameter("q").map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            match &*name {
                "application/openmetrics-text" => open_metrics = open_metrics.max(weight),
                "application/vnd.google.protobuf"
                    if parameter("proto") == Some("io.prometheus.client.MetricFamily")
                        && parameter("encoding") == Some("delimited") =>
                {
                    protobuf = protobuf.max(weight);
                }
                "text/plain" | "text/*" | "*/*" => {}
                // No other format can be had here.
                _ => continue,
            }
            most = most.max(weight);
        }
        if protobuf > 0.0 && protobuf >= most {
            Self::Protobuf
        } else if open_metrics > 0.0 {
            Self::OpenMetrics
        } else {
            Self::Prometheus
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Protobuf => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited"
            }
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wanted(accept: &str) -> Format {
        let accept = HeaderValue::from_str(accept).expect("a value");
        Format::wanted(&HeaderMap::from_iter([(ACCEPT, accept)]))
    }

    #[test]
    fn open_metrics_is_sent_only_to_clients_that_accept_it_by_name() {
        for (accept, expected) in [
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5,*/*;q=0.1", true),
            ("text/plain, application/openmetrics-text; version=0.0.1; q=0.2", true),
            ("application/openmetrics-text;q=0, text/plain", false),
            ("text/plain;version=0.0.4;q=1,*/*;q=0.1", false),
            ("*/*", false),
        ] {
            assert_eq!(wanted(accept) == Format::OpenMetrics, expected, "{accept}");
        }
        assert_eq!(Format::wanted(&HeaderMap::new()), Format::Prometheus);
    }

    #[test]
    fn protobuf_is_sent_only_if_no_other_format_has_a_higher_weight() {
        const PROTOBUF: &str = "application/vnd.google.protobuf;\
                                proto=io.prometheus.client.MetricFamily;encoding=delimited";
        for (accept, expected) in [
            (format!("{PROTOBUF},application/openmetrics-text;q=0.8,*/*;q=0.1"), Format::Protobuf),
            (format!("{PROTOBUF};q=0.6,text/plain;q=0.4"), Format::Protobuf),
            (format!("{PROTOBUF};q=0.4,application/openmetrics-text;q=0.6"), Format::OpenMetrics),
            (format!("text/plain,{PROTOBUF};q=0.9"), Format::Prometheus),
            (format!("text/html,{PROTOBUF};q=0.9,text/*;q=0.5"), Format::Protobuf),
            (format!("{PROTOBUF};q=0.9,{PROTOBUF};q=0.1,*/*;q=0.2"), Format::Protobuf),
            (PROTOBUF.replace("application", "Application") + "; Q=1", Format::Protobuf),
            (format!("{PROTOBUF};q=0"), Format::Prometheus),
            ("application/vnd.google.protobuf".to_owned(), Format::Prometheus),
            (PROTOBUF.replace("delimited", "text"), Format::Prometheus),
        ] {
            assert_eq!(wanted(&accept), expected, "{accept}");
        }
    }
}
