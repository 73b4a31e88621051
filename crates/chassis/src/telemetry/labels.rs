//! The labels of metrics.

use prometheus_client::encoding::{
    EncodeLabelSet, prometheus_protobuf::prometheus_data_model as message,
};
use tonic::Code;

use crate::method::Method;

/// The codes by number, as go-grpc-prometheus names them.
pub(super) const CODES: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct MethodLabels {
    pub(super) grpc_type: &'static str,
    pub(super) grpc_service: String,
    pub(super) grpc_method: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ReasonLabels {
    pub(super) reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct CodeLabels {
    pub(super) grpc_type: &'static str,
    pub(super) grpc_service: String,
    pub(super) grpc_method: String,
    pub(super) grpc_code: &'static str,
}

impl MethodLabels {
    pub(super) fn of(method: &Method) -> Self {
        Self {
            grpc_type: method.kind().label(),
            grpc_service: method.service().to_owned(),
            grpc_method: method.name().to_owned(),
        }
    }

    /// Returns the names of the service and of the method.
    pub(super) fn names(&self) -> (&str, &str) {
        (&self.grpc_service, &self.grpc_method)
    }

    /// Returns the same from the labels of a series.
    pub(super) fn names_in(labels: &[message::LabelPair]) -> (&str, &str) {
        let value = |name| {
            let label = labels.iter().find(|label| label.name == name);
            label.map_or("", |label| &*label.value)
        };
        (value("grpc_service"), value("grpc_method"))
    }

    pub(super) fn with(&self, grpc_code: &'static str) -> CodeLabels {
        let Self { grpc_type, grpc_service, grpc_method } = self.clone();
        CodeLabels { grpc_type, grpc_service, grpc_method, grpc_code }
    }
}

/// Returns the position of a code in [`CODES`].
pub(super) fn code_number(code: Code) -> usize {
    usize::try_from(i32::from(code)).expect("no code is negative")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_are_in_numerical_order() {
        for (number, name) in CODES.iter().enumerate() {
            let code = Code::from_i32(i32::try_from(number).expect("it is small"));
            // Go writes "Canceled" with one l, and no underscores.
            let expected = wire::code::code_name(code).replace('_', "").replace("LL", "L");
            assert_eq!(name.to_uppercase(), expected);
        }
    }
}
