//! The variables that OpenTelemetry defines for every program
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>) and
//! that correspond to a setting. OpenTelemetry's SDK reads the others itself.

use std::ffi::OsString;

const ENDPOINT: &str = "tracing.endpoint";
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
    if is("OTEL_SDK_DISABLED", "true") {
        settings.push((ENDPOINT, "", "OTEL_SDK_DISABLED"));
    } else if is("OTEL_TRACES_EXPORTER", "none") {
        settings.push((ENDPOINT, "", "OTEL_TRACES_EXPORTER"));
    } else if let Some((url, name)) =
        get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(|| get("OTEL_EXPORTER_OTLP_ENDPOINT"))
    {
        settings.push((ENDPOINT, url, name));
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
    fn the_endpoint_of_traces_wins_over_the_endpoint_of_all_signals() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4317");
        let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:4317");
        let endpoint = |url: &str| vec![(ENDPOINT.to_owned(), url.to_owned())];
        assert_eq!(settings_of(&[all]), endpoint("http://all:4317"));
        assert_eq!(settings_of(&[all, traces]), endpoint("http://traces:4317"));
        assert_eq!(settings_of(&[all, (traces.0, "")]), endpoint("http://all:4317"));
        for off in [("OTEL_SDK_DISABLED", "True"), ("OTEL_TRACES_EXPORTER", "none")] {
            assert_eq!(settings_of(&[all, traces, off]), endpoint(""));
        }
        assert_eq!(settings_of(&[("OTEL_SDK_DISABLED", "no")]), []);
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
