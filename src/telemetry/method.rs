//! The methods that there are, by the names that metrics and spans give them.

/// A method of this server, or the one that stands for all that it has not: what
/// callers invent makes no new series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Method(usize);

/// The names of a method, and how its messages flow.
#[derive(Debug)]
struct Names {
    path: &'static str,
    service: &'static str,
    method: &'static str,
    /// As go-grpc-prometheus, whose metrics these are, names it.
    kind: &'static str,
}

const fn names(
    path: &'static str,
    service: &'static str,
    method: &'static str,
    kind: &'static str,
) -> Names {
    Names { path, service, method, kind }
}

const UNARY: &str = "unary";
const SERVER_STREAM: &str = "server_stream";
const BIDI_STREAM: &str = "bidi_stream";

const HEALTH: &str = "grpc.health.v1.Health";
const V1: &str = "grpc.reflection.v1.ServerReflection";
const V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";
const REFLECTION: &str = "ServerReflectionInfo";

// The service's own methods come first, then those beside it, then the rest.
const METHODS: [Names; 7] = [
    names("/SampleService/Call", "SampleService", "Call", UNARY),
    names("/grpc.health.v1.Health/Check", HEALTH, "Check", UNARY),
    names("/grpc.health.v1.Health/List", HEALTH, "List", UNARY),
    names("/grpc.health.v1.Health/Watch", HEALTH, "Watch", SERVER_STREAM),
    names("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", V1, REFLECTION, BIDI_STREAM),
    names(
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        V1ALPHA,
        REFLECTION,
        BIDI_STREAM,
    ),
    names("", "unknown", "unknown", UNARY),
];
const OWN: usize = 1;
const UNKNOWN: usize = METHODS.len() - 1;

impl Method {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..METHODS.len()).map(Self)
    }

    /// The method at that path.
    pub fn at(path: &str) -> Self {
        Self(METHODS.iter().position(|names| names.path == path).unwrap_or(UNKNOWN))
    }

    pub(super) fn index(self) -> usize {
        self.0
    }

    /// Whether it is the service's, and not health or reflection.
    pub fn is_own(self) -> bool {
        self.0 < OWN
    }

    pub(super) fn is_known(self) -> bool {
        self.0 != UNKNOWN
    }

    /// Empty where the method is not known.
    pub(super) fn path(self) -> &'static str {
        METHODS[self.0].path
    }

    /// The service that it is of, or `unknown`.
    pub fn service(self) -> &'static str {
        METHODS[self.0].service
    }

    /// Its name within the service, or `unknown`.
    pub fn name(self) -> &'static str {
        METHODS[self.0].method
    }

    pub(super) fn kind(self) -> &'static str {
        METHODS[self.0].kind
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use prost_types::FileDescriptorSet;

    use super::*;
    use crate::proto;

    #[test]
    fn a_path_is_the_method_that_is_there() {
        for method in Method::all().filter(|method| method.is_known()) {
            assert_eq!(Method::at(method.path()), method);
            assert_eq!(method.path(), format!("/{}/{}", method.service(), method.name()));
        }
        for path in ["", "/", "/SampleService", "/SampleService/call", "/SampleService/Call/"] {
            assert!(!Method::at(path).is_known(), "{path}");
        }
    }

    /// A method that is not in the table is not served.
    #[test]
    fn all_methods_of_the_service_are_known() {
        let files = FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
        let services = files.file.iter().flat_map(|file| &file.service);
        let mut count = 0;
        for service in services {
            for method in &service.method {
                let path = format!("/{}/{}", service.name(), method.name());
                assert!(Method::at(&path).is_own(), "{path} is missing");
                count += 1;
            }
        }
        assert_eq!(count, OWN);
    }

    #[test]
    fn only_the_services_methods_are_its_own() {
        let own: Vec<_> = Method::all().filter(|method| method.is_own()).collect();
        assert_eq!(own, [Method::at("/SampleService/Call")]);
    }
}
