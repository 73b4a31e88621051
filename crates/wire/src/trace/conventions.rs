//! The attributes of a call's span, as OpenTelemetry's semantic conventions for RPC name them
//! (<https://opentelemetry.io/docs/specs/semconv/rpc/grpc/>).

use std::env;

use opentelemetry::KeyValue;
use tonic::Code;

use crate::code::code_name;

/// The variable that chooses between conventions: a list of categories, separated by commas.
const OPT_IN: &str = "OTEL_SEMCONV_STABILITY_OPT_IN";

/// Which attributes spans have: today's, and those of before 1.38 too if `rpc/dup` asks for
/// both. `rpc` alone asks for what is done anyway.
#[derive(Debug, Clone, Copy)]
pub(super) struct Conventions {
    before_too: bool,
}

impl Conventions {
    /// Returns what `OTEL_SEMCONV_STABILITY_OPT_IN` asks for.
    pub(super) fn from_environment() -> Self {
        Self::of(&env::var(OPT_IN).unwrap_or_default())
    }

    fn of(categories: &str) -> Self {
        Self { before_too: categories.split(',').any(|category| category.trim() == "rpc/dup") }
    }

    /// Returns the attributes that are known when a call begins.
    pub(super) fn of_begin(self, service: &str, method: &str) -> Vec<KeyValue> {
        let mut attributes = vec![
            KeyValue::new("rpc.system.name", "grpc"),
            // It has replaced the method's own name, so that both cannot be sent.
            KeyValue::new("rpc.method", format!("{service}/{method}")),
        ];
        if self.before_too {
            attributes.push(KeyValue::new("rpc.system", "grpc"));
            attributes.push(KeyValue::new("rpc.service", service.to_owned()));
        }
        attributes
    }

    /// Returns the attributes that are known when a call has ended.
    pub(super) fn of_end(self, code: Code, is_error: bool) -> impl Iterator<Item = KeyValue> {
        let name = code_name(code);
        let status = KeyValue::new("rpc.response.status_code", name);
        let error = is_error.then(|| KeyValue::new("error.type", name));
        let number = i64::from(i32::from(code));
        let before = self.before_too.then(|| KeyValue::new("rpc.grpc.status_code", number));
        [Some(status), error, before].into_iter().flatten()
    }
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
