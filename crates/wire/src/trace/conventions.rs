//! The attributes of a call's span, and of its duration among the metrics, as OpenTelemetry's
//! semantic conventions for RPC name them
//! (<https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>).

use std::env;

use opentelemetry::{KeyValue, Value};
use tonic::Code;

use crate::code::code_name;

/// The variable that chooses between conventions: a list of categories, separated by commas.
const OPT_IN: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";

/// Which attributes spans have: today's, and those of before 1.38 too if `rpc/dup` asks for
/// both. `rpc` alone asks for what is done anyway.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conventions {
    before_too: bool,
}

impl Conventions {
    /// Today's alone.
    pub(crate) const TODAY: Self = Self { before_too: false };

    /// Returns what `OTEL_SEMCONV_STABILITY_OPT_IN` asks for.
    pub(crate) fn from_environment() -> Self {
        Self::of(&env::var(OPT_IN).unwrap_or_default())
    }

    fn of(categories: &str) -> Self {
        Self { before_too: categories.split(',').any(|category| category.trim() == "rpc/dup") }
    }

    /// Returns the attributes that are known when a call begins.
    pub(crate) fn of_begin(self, service: &str, method: &str) -> Vec<KeyValue> {
        // Before 1.38, the attribute of the same name was the method's own name: both cannot be sent.
        let mut attributes = of_method(format!("{service}/{method}").into());
        if self.before_too {
            attributes.push(KeyValue::new("rpc.system", "grpc"));
            attributes.push(KeyValue::new("rpc.service", service.to_owned()));
        }
        attributes
    }

    /// Returns the attributes that are known when a call of an unknown method begins.
    pub(crate) fn of_unknown() -> Vec<KeyValue> {
        of_method("_OTHER".into())
    }

    /// Returns the attributes that are known when a call has ended.
    pub(crate) fn of_end(self, code: Code, is_error: bool) -> impl Iterator<Item = KeyValue> {
        let name = code_name(code);
        let status = KeyValue::new("rpc.response.status_code", name);
        let error = is_error.then(|| KeyValue::new("error.type", name));
        let number = i64::from(i32::from(code));
        let before = self.before_too.then(|| KeyValue::new("rpc.grpc.status_code", number));
        [Some(status), error, before].into_iter().flatten()
    }
}

fn of_method(name: Value) -> Vec<KeyValue> {
    vec![KeyValue::new("rpc.system.name", "grpc"), KeyValue::new("rpc.method", name)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rpc_dup_asks_for_the_attributes_of_before() {
        for (categories, before_too) in [
            ("", false),
            ("rpc", false),
            ("rpc/dup", true),
            ("http,rpc/dup", true),
            ("rpc, rpc/dup", true),
            ("http/dup", false),
            ("rpc/duplicate", false),
        ] {
            assert_eq!(Conventions::of(categories).before_too, before_too, "{categories:?}");
        }
    }
}
