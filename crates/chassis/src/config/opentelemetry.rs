//! The variables that OpenTelemetry defines for every program
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>) and
//! that correspond to a setting. OpenTelemetry's SDK reads the others itself.

use std::ffi::OsString;

/// Which setting says where a signal is sent, and the variables that give it.
struct Signal {
    setting: &'static str,
    exporter: &'static str,
    endpoint: &'static str,
}

const TRACES: Signal = Signal {
    setting: "tracing.endpoint",
    exporter: "OTEL_TRACES_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
};
const METRICS: Signal = Signal {
    setting: "metrics.endpoint",
    exporter: "OTEL_METRICS_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
};
const SAMPLE: &str = "tracing.sample";

/// Returns the settings that the variables give: key, text, and name of the variable.
pub(super) fn settings(
    variables: &[(OsString, OsString)],
) -> Vec<(&'static str, &str, &'static str)> {
    // OpenTelemetry defines that an empty variable counts as not set.
    let get = |name: &'static str| {
        let value = variables.iter().find(|(variable, _)| variable == name)?.1.to_str()?;
        (!value.is_empty()).then_some((value, name))
    };
    let is = |name, value| get(name).is_some_and(|(text, _)| text.eq_ignore_ascii_case(value));

    let mut settings = Vec::new();
    for Signal { setting, exporter, endpoint } in [TRACES, METRICS] {
        if is("OTEL_SDK_DISABLED", "true") {
            settings.push((setting, "", "OTEL_SDK_DISABLED"));
        } else if is(exporter, "none") {
            settings.push((setting, "", exporter));
        } else if let Some((url, name)) =
            get(endpoint).or_else(|| get("OTEL_EXPORTER_OTLP_ENDPOINT"))
        {
            settings.push((setting, url, name));
        }
    }
    match get("OTEL_TRACES_SAMPLER") {
        Some(("always_on" | "parentbased_always_on", name)) => settings.push((SAMPLE, "1", name)),
        Some(("always_off" | "parentbased_always_off", name)) => settings.push((SAMPLE, "0", name)),
        Some(("traceidratio" | "parentbased_traceidratio", _)) => {
            settings
                .extend(get("OTEL_TRACES_SAMPLER_ARG").map(|(text, name)| (SAMPLE, text, name)));
        }
        // OpenTelemetry defines that unknown values are ignored.
        _ => {}
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings_of(variables: &[(&str, &str)]) -> Vec<(String, String)> {
        let variables: Vec<_> =
            variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        let settings = settings(&variables);
        settings.into_iter().map(|(key, text, _)| (key.to_owned(), text.to_owned())).collect()
    }

    #[test]
    fn the_endpoint_of_a_signal_wins_over_the_endpoint_of_all_signals() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4317");
        for signal in [TRACES, METRICS] {
            let own = (signal.endpoint, "http://own:4317");
            let endpoint = |variables: &[(&str, &str)]| {
                let settings = settings_of(variables).into_iter();
                let mut own = settings.filter(|(key, _)| key == signal.setting);
                own.next().map(|(_, url)| url)
            };
            assert_eq!(endpoint(&[all]).as_deref(), Some("http://all:4317"));
            assert_eq!(endpoint(&[all, own]).as_deref(), Some("http://own:4317"));
            assert_eq!(endpoint(&[own]).as_deref(), Some("http://own:4317"));
            assert_eq!(endpoint(&[all, (own.0, "")]).as_deref(), Some("http://all:4317"));
            for off in [("OTEL_SDK_DISABLED", "True"), (signal.exporter, "none")] {
                assert_eq!(endpoint(&[all, own, off]).as_deref(), Some(""), "{off:?}");
            }
            assert_eq!(endpoint(&[("OTEL_SDK_DISABLED", "no")]), None);
        }
        // What is for one signal changes no other.
        let traces = (TRACES.endpoint, "http://traces:4317");
        let expected = [("tracing.endpoint".to_owned(), "http://traces:4317".to_owned())];
        assert_eq!(settings_of(&[traces]), expected);
    }

    #[test]
    fn the_sampler_becomes_a_ratio() {
        let argument = ("OTEL_TRACES_SAMPLER_ARG", "0.25");
        for (sampler, ratio) in [
            ("always_on", Some("1")),
            ("parentbased_always_off", Some("0")),
            ("traceidratio", Some("0.25")),
            ("parentbased_traceidratio", Some("0.25")),
            ("jaeger_remote", None),
        ] {
            let ratio = ratio.map(|ratio| (SAMPLE.to_owned(), ratio.to_owned()));
            let settings = settings_of(&[("OTEL_TRACES_SAMPLER", sampler), argument]);
            assert_eq!(settings, Vec::from_iter(ratio), "{sampler}");
        }
        assert_eq!(settings_of(&[argument]), []);
    }
}
