//! The variables that OpenTelemetry defines for every program
//! (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>) and
//! that correspond to a setting. OpenTelemetry's SDK reads the others itself.

use std::ffi::OsString;

/// The setting that has the endpoint of a signal, and the variables that give it.
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
const LOGS: Signal = Signal {
    setting: "log.endpoint",
    exporter: "OTEL_LOGS_EXPORTER",
    endpoint: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
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
    let disabled = get("OTEL_SDK_DISABLED").filter(|(text, _)| text.eq_ignore_ascii_case("true"));

    let mut settings = Vec::new();
    for Signal { setting, exporter, endpoint } in [TRACES, METRICS, LOGS] {
        // OpenTelemetry's default is otlp.
        let off = disabled.or_else(|| get(exporter).filter(|(list, _)| !names_otlp(list)));
        let url = || get(endpoint).or_else(|| get("OTEL_EXPORTER_OTLP_ENDPOINT"));
        let chosen = off.map(|(_, name)| ("", name)).or_else(url);
        settings.extend(chosen.map(|(url, name)| (setting, url, name)));
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

/// Returns whether a list of exporters has OTLP's. `none` and `console` are others.
fn names_otlp(list: &str) -> bool {
    list.split(',').any(|name| name.trim().eq_ignore_ascii_case("otlp"))
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
    fn a_signal_is_sent_to_its_endpoint_unless_another_exporter_is_named() {
        let all = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://all:4317");
        for signal in [TRACES, METRICS, LOGS] {
            let own = (signal.endpoint, "http://own:4317");
            let exporter = |name| (signal.exporter, name);
            for (variables, url) in [
                (&[all][..], Some("http://all:4317")),
                (&[own], Some("http://own:4317")),
                (&[all, own], Some("http://own:4317")),
                (&[all, (own.0, "")], Some("http://all:4317")),
                (&[all, own, exporter("OTLP")], Some("http://own:4317")),
                (&[own, exporter("console, otlp")], Some("http://own:4317")),
                (&[own, exporter("")], Some("http://own:4317")),
                (&[all, own, exporter("none")], Some("")),
                (&[own, exporter("console")], Some("")),
                (&[own, exporter("prometheus")], Some("")),
                (&[own, exporter("otlp/stdout")], Some("")),
                (&[all, own, ("OTEL_SDK_DISABLED", "True")], Some("")),
                (&[("OTEL_SDK_DISABLED", "no")], None),
            ] {
                let settings = settings_of(variables).into_iter();
                let mut of_signal = settings.filter(|(key, _)| key == signal.setting);
                let endpoint = of_signal.next().map(|(_, url)| url);
                assert_eq!(endpoint.as_deref(), url, "{variables:?}");
            }
            // A variable of one signal changes no other.
            let expected = [(signal.setting.to_owned(), own.1.to_owned())];
            assert_eq!(settings_of(&[own]), expected);
        }
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
