//! Helpers of unit tests.

use std::{sync::Arc, time::Duration};

use crate::{
    call::{Call, KnownHeaders, Shared, Unread},
    config::{Flag, Layers, Responses, Schema, Settings, load},
    lifecycle::Lifecycle,
    method::{Kind, MethodTable, Origin, ServiceMethods},
    package::Package,
    telemetry::Metrics,
    web::{Schemas, Web},
};

/// The path of a unary method in [`methods`].
pub(crate) const UNARY: &str = "/test.Service/Unary";
/// The path of a bidirectional streaming method in [`methods`].
pub(crate) const STREAM: &str = "/test.Service/Stream";

/// The path of a server-streaming method in [`methods`].
pub(crate) const WATCH: &str = "/test.Service/Watch";

pub(crate) fn methods() -> MethodTable {
    MethodTable::new(&[ServiceMethods {
        service: "test.Service".into(),
        origin: Origin::Service,
        methods: Some(vec![
            ("Unary".into(), Kind::Unary),
            ("Stream".into(), Kind::BidiStreaming),
            ("Watch".into(), Kind::ServerStreaming),
        ]),
        message_limit: None,
    }])
}

pub(crate) fn shared(message_limit: usize) -> Arc<Shared> {
    let (lifecycle, responses) = (Lifecycle::new(), Responses::Mirror);
    let message_timeout = Duration::from_secs(30);
    let (stalled, unread) = (Duration::from_secs(30), Unread::default());
    Arc::new(Shared {
        lifecycle,
        message_limit,
        message_timeout,
        responses,
        stalled,
        unread,
        load_reports: None,
    })
}

/// Returns the protocols of the default settings, without a schema.
pub(crate) fn web() -> Arc<Web> {
    Arc::new(Web::new(&settings(&[]), Schemas::new(&[])))
}

/// Returns the metrics of these methods.
pub(crate) fn metrics(methods: &MethodTable) -> Metrics {
    Metrics::new(methods, "1", &settings(&[]).metrics)
}

/// Returns the builder of a request of gRPC.
pub(crate) fn post(path: &str) -> http::request::Builder {
    let request = http::Request::post(path).version(http::Version::HTTP_2);
    request.header("content-type", "application/grpc")
}

pub(crate) fn call() -> Call {
    call_with_limit(1 << 20)
}

pub(crate) fn call_with_limit(message_limit: usize) -> Call {
    let method = methods().find(UNARY).clone();
    let headers = KnownHeaders::default();
    Call::begin(shared(message_limit), method, UNARY, headers, None, None)
}

/// Returns the default settings of a service with these changes.
pub(crate) fn settings(changes: &[(&'static str, &str)]) -> Settings {
    let package = Package { name: "test-service", version: "0.1.0", description: "A test" };
    let schema = Schema { package, service_defaults: "", flags: &[] };
    let flag = |(key, text): &(&'static str, &str)| Flag { name: key, key, text: (*text).into() };
    let flags = changes.iter().map(flag).collect();
    let layers = Layers { flags, ..Layers::default() };
    load::<NoSettings>(&schema, &layers).expect("the changes are valid").chassis
}

#[derive(serde::Deserialize)]
struct NoSettings {}
