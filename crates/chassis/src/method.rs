//! The methods that a server serves, as generated code, metrics and spans name them.

use std::{borrow::Cow, sync::Arc};

/// How the messages of a method flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One request, one response.
    Unary,
    /// A stream of requests, one response.
    ClientStreaming,
    /// One request, a stream of responses.
    ServerStreaming,
    /// A stream of requests and a stream of responses.
    BidiStreaming,
}

impl Kind {
    /// Returns whether the client sends exactly one message.
    pub fn has_one_request(self) -> bool {
        matches!(self, Self::Unary | Self::ServerStreaming)
    }

    /// Returns the value of the label `grpc_type`, as go-grpc-prometheus names it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Unary => "unary",
            Self::ClientStreaming => "client_stream",
            Self::ServerStreaming => "server_stream",
            Self::BidiStreaming => "bidi_stream",
        }
    }
}

/// A method in the table of a generated service.
#[derive(Debug)]
pub struct MethodDescriptor {
    /// The path of a request, such as `/acme.orders.v1.Orders/GetOrder`.
    pub path: &'static str,
    /// The name of the method, such as `GetOrder`.
    pub name: &'static str,
    /// How its messages flow.
    pub kind: Kind,
}

/// A generated service.
#[derive(Debug)]
pub struct ServiceDescriptor {
    /// The full name, such as `acme.orders.v1.Orders`.
    pub name: &'static str,
    /// All methods, in the order of the proto file.
    pub methods: &'static [MethodDescriptor],
    /// The encoded `FileDescriptorSet` that has the service, for server reflection.
    pub file_descriptor_set: &'static [u8],
}

/// A service that the code generator made, and that therefore knows its methods.
pub trait GrpcService {
    /// The name and the methods of the service.
    const DESCRIPTOR: &'static ServiceDescriptor;
}

impl<S: GrpcService, I> GrpcService for tonic::service::interceptor::InterceptedService<S, I> {
    const DESCRIPTOR: &'static ServiceDescriptor = S::DESCRIPTOR;
}

/// The label of a method without a known name: a path that is not served, or a method of a service
/// without descriptors. All of them share one series of each metric.
const UNKNOWN: &str = "unknown";

/// A method of a running server.
#[derive(Debug)]
pub struct Method {
    path: Cow<'static, str>,
    service: Cow<'static, str>,
    name: Cow<'static, str>,
    kind: Kind,
    origin: Origin,
    /// The position in the table of its service.
    position: usize,
    /// The position among the services of the server.
    mount: Option<usize>,
    /// The position among the methods of the server.
    index: usize,
    message_limit: Option<usize>,
}

/// The kind of service that a method belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A service that was added to the chassis.
    Service,
    /// Health, reflection or load reports, which the chassis itself serves.
    Chassis,
    /// No service: the path is not served.
    None,
}

impl Method {
    /// Returns the path of a request; empty if the method is unknown.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the full name of the service, or `unknown`.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Returns the name within the service, or `unknown`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how the messages flow.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the kind of service that the method belongs to.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    pub(crate) fn is_unary(&self) -> bool {
        self.kind == Kind::Unary
    }

    pub(crate) fn position(&self) -> usize {
        self.position
    }

    pub(crate) fn mount(&self) -> Option<usize> {
        self.mount
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Returns the size limit of a request message in bytes, or `None` for `limits.message`.
    pub(crate) fn message_limit(&self) -> Option<usize> {
        self.message_limit
    }
}

/// All methods of a server, found by path.
#[derive(Debug)]
pub(crate) struct MethodTable {
    /// Sorted by path.
    methods: Vec<Arc<Method>>,
    /// One for each service whose methods are not known. It stands for any path below the name of
    /// the service.
    by_prefix: Vec<Arc<Method>>,
    unknown: Arc<Method>,
}

/// The methods of one service, for [`MethodTable::new`].
#[derive(Debug, Clone)]
pub(crate) struct ServiceMethods {
    pub(crate) service: Cow<'static, str>,
    pub(crate) origin: Origin,
    /// The name and the kind of each method; `None` if they are not known.
    pub(crate) methods: Option<Vec<(Cow<'static, str>, Kind)>>,
    /// The size limit of a request message in bytes; `None` for `limits.message`.
    pub(crate) message_limit: Option<usize>,
}

impl ServiceMethods {
    pub(crate) fn described(service: &'static ServiceDescriptor, origin: Origin) -> Self {
        let methods = service.methods.iter().map(|method| (method.name.into(), method.kind));
        let methods = Some(methods.collect());
        Self { service: service.name.into(), origin, methods, message_limit: None }
    }
}

impl MethodTable {
    /// Returns the table of these services, which are mounted in this order.
    pub(crate) fn new(services: &[ServiceMethods]) -> Self {
        let mut methods = Vec::new();
        let mut by_prefix = Vec::new();
        for (mount, ServiceMethods { service, origin, methods: known, message_limit }) in
            services.iter().enumerate()
        {
            let method = |position, name: Cow<'static, str>, path: String, kind| Method {
                path: path.into(),
                service: service.clone(),
                name,
                kind,
                origin: *origin,
                position,
                mount: Some(mount),
                index: 0,
                message_limit: *message_limit,
            };
            match known {
                Some(known) => {
                    methods.extend(known.iter().enumerate().map(|(position, (name, kind))| {
                        method(position, name.clone(), format!("/{service}/{name}"), *kind)
                    }));
                }
                // Bidirectional streaming allows any number of messages.
                None => by_prefix.push(method(
                    0,
                    UNKNOWN.into(),
                    format!("/{service}/"),
                    Kind::BidiStreaming,
                )),
            }
        }
        methods.sort_by(|a, b| a.path.cmp(&b.path));
        let mut index = 0;
        let mut number = |mut method: Method| {
            method.index = index;
            index += 1;
            Arc::new(method)
        };
        Self {
            methods: methods.into_iter().map(&mut number).collect(),
            by_prefix: by_prefix.into_iter().map(&mut number).collect(),
            unknown: number(Method {
                path: "".into(),
                service: UNKNOWN.into(),
                name: UNKNOWN.into(),
                kind: Kind::Unary,
                origin: Origin::None,
                position: 0,
                mount: None,
                index: 0,
                message_limit: None,
            }),
        }
    }

    /// Returns the method at this path, or the method that stands for unknown paths.
    // Always inlined, because every call of gRPC runs it. The compiler might not, because calls of
    // other protocols are a second caller.
    #[inline(always)]
    pub(crate) fn find(&self, path: &str) -> &Arc<Method> {
        match self.methods.binary_search_by(|method| (*method.path).cmp(path)) {
            Ok(found) => &self.methods[found],
            Err(_) => self
                .by_prefix
                .iter()
                .find(|method| path.starts_with(&*method.path))
                .unwrap_or(&self.unknown),
        }
    }

    /// Returns all methods in the order of their indices.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Method> {
        self.methods.iter().chain(&self.by_prefix).chain([&self.unknown]).map(|method| &**method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> MethodTable {
        let methods = vec![("Call".into(), Kind::Unary), ("Watch".into(), Kind::ServerStreaming)];
        MethodTable::new(&[
            ServiceMethods {
                service: "acme.Sample".into(),
                origin: Origin::Service,
                methods: Some(methods),
                message_limit: None,
            },
            ServiceMethods {
                service: "Other".into(),
                origin: Origin::Service,
                methods: None,
                message_limit: None,
            },
        ])
    }

    #[test]
    fn a_path_finds_its_method_and_each_has_its_index() {
        let table = table();
        for (index, method) in table.all().enumerate() {
            assert_eq!(method.index(), index);
            if method.name() != UNKNOWN {
                assert_eq!(method.path(), format!("/{}/{}", method.service(), method.name()));
                assert_eq!(table.find(method.path()).index(), index);
            }
        }
        assert_eq!(table.find("/acme.Sample/Watch").kind(), Kind::ServerStreaming);
        assert_eq!(table.find("/acme.Sample/Watch").position(), 1);
    }

    #[test]
    fn unknown_paths_share_one_method_and_so_do_those_of_a_service_without_descriptors() {
        let table = table();
        for path in
            ["", "/", "/acme.Sample", "/acme.Sample/call", "/acme.Sample/Call/", "/Others/X"]
        {
            let method = table.find(path);
            assert_eq!((method.origin(), method.service()), (Origin::None, UNKNOWN), "{path}");
        }
        for path in ["/Other/A", "/Other/B"] {
            let method = table.find(path);
            assert_eq!((method.mount(), method.service()), (Some(1), "Other"), "{path}");
            assert_eq!(method.name(), UNKNOWN);
        }
    }
}
