//! The description of a service, which its author writes.

use std::{convert::Infallible, error::Error, sync::Arc};

use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use http::{Request, Response};
use http_body::Body as HttpBody;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;
use tonic::server::NamedService;
use tower::{Layer, Service as TowerService};
use wire::command::Command;

use crate::{
    admin::About,
    app::{self, App},
    body::Body,
    config::{FlagDeclaration, Loaded, Schema, Settings},
    descriptors,
    lifecycle::Lifecycle,
    method::{GrpcService, MethodTable, Origin, ServiceMethods},
    middleware::{Admission, Limits},
    mount::{AddLayer, Call, Next, add_layer},
    package::Package,
    server::{Server, Setup, StartError},
    telemetry::Telemetry,
};

/// Begins the description of the service of this package. The name of the program, the prefix
/// of its variables and its user agent follow from the package's name.
#[macro_export]
macro_rules! service {
    () => {
        $crate::Service::new($crate::Package {
            name: env!("CARGO_PKG_NAME"),
            version: env!("CARGO_PKG_VERSION"),
            description: env!("CARGO_PKG_DESCRIPTION"),
        })
    };
}

type BoxError = Box<dyn Error + Send + Sync>;
type Start<S, D> = Box<dyn FnOnce(App<S>) -> BoxFuture<'static, anyhow::Result<App<S, D>>> + Send>;
type Make<S, D> = Box<dyn FnOnce(&App<S, D>, &Arc<Limits>) -> Next + Send>;
type MakeLayer<S, D> = Box<dyn FnOnce(&App<S, D>) -> AddLayer + Send>;

/// A gRPC service, and the layers around this service only.
struct Mounted<S, D> {
    make: Make<S, D>,
    layers: Vec<MakeLayer<S, D>>,
}

/// A service on the chassis: its settings, its gRPC services, its layers, its commands.
///
/// Call [`Service::settings`] first, then [`Service::start`], then the rest in any order.
pub struct Service<S = (), D = ()> {
    schema: Schema,
    load: fn(&Schema, &crate::config::Layers) -> Result<Loaded<S>, crate::config::ConfigErrors>,
    start: Start<S, D>,
    has_start: bool,
    layers: Vec<MakeLayer<S, D>>,
    methods: Vec<ServiceMethods>,
    descriptors: Vec<&'static [u8]>,
    make: Vec<Mounted<S, D>>,
    commands: Vec<Command>,
}

/// The settings of a service that has none of its own.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
pub struct NoSettings {}

impl Service {
    /// Returns the description of a service without gRPC services. [`service!`](crate::service)
    /// calls it with the package of the caller.
    pub fn new(package: Package) -> Service<NoSettings> {
        Service::with_schema(Schema { package, service_defaults: "", flags: &[] })
    }
}

impl<S: DeserializeOwned + Send + Sync + 'static> Service<S> {
    fn with_schema(schema: Schema) -> Self {
        Self {
            schema,
            load: crate::config::load::<S>,
            start: Box::new(|app| async { Ok(app.with(())) }.boxed()),
            has_start: false,
            layers: Vec::new(),
            methods: Vec::new(),
            descriptors: Vec::new(),
            make: Vec::new(),
            commands: Vec::new(),
        }
    }

    /// Adds the service's own settings. `defaults` is commented TOML: the section `[service]`,
    /// from which `T` is read, and overrides of the chassis's defaults in other sections.
    ///
    /// # Panics
    ///
    /// Panics if the service already has a start, layers or gRPC services, because they depend
    /// on the type of the settings.
    pub fn settings<T: DeserializeOwned + Send + Sync + 'static>(
        self,
        defaults: &'static str,
    ) -> Service<T> {
        assert!(
            self.make.is_empty() && self.layers.is_empty(),
            "call `settings` before adding services and layers"
        );
        // A start that returns `()` does not change the type, so the compiler cannot refuse it.
        assert!(!self.has_start, "call `settings` before adding the start");
        let commands = self.commands;
        let schema = Schema { service_defaults: defaults, ..self.schema };
        Service { commands, ..Service::with_schema(schema) }
    }

    /// Adds the service's own start: it connects to the dependencies of the service, and returns
    /// those that the gRPC services need.
    ///
    /// While it runs, the state is `starting`: health says NOT_SERVING, and calls are refused
    /// with UNAVAILABLE and a retry hint. If it fails, the program ends with exit code 69.
    pub fn start<D, F, Fut>(self, start: F) -> Service<S, D>
    where
        F: FnOnce(App<S>) -> Fut + Send + 'static,
        Fut: Future<Output = anyhow::Result<D>> + Send + 'static,
        D: Send + Sync + 'static,
    {
        assert!(
            self.make.is_empty() && self.layers.is_empty(),
            "call `start` before adding services and layers"
        );
        // A start that returns `()` does not change the type, so the compiler cannot refuse it.
        assert!(!self.has_start, "call `start` once");
        Service {
            schema: self.schema,
            load: self.load,
            start: Box::new(|app| async move { Ok(app.clone().with(start(app).await?)) }.boxed()),
            has_start: true,
            layers: Vec::new(),
            methods: self.methods,
            descriptors: self.descriptors,
            make: Vec::new(),
            commands: self.commands,
        }
    }
}

impl<S: Send + Sync + 'static, D: Send + Sync + 'static> Service<S, D> {
    /// Adds flags for the service's own settings, such as `--work` for `service.work`.
    #[must_use]
    pub fn flags(mut self, flags: &'static [FlagDeclaration]) -> Self {
        self.schema.flags = flags;
        self
    }

    /// Adds a generated gRPC service, bare or with an interceptor around it.
    ///
    /// An interceptor that is part of the service runs after admission: a call that it refuses
    /// has waited in the queue. For authentication use [`Service::layer`] with
    /// `tonic::service::InterceptorLayer`.
    #[must_use]
    pub fn grpc<G, R>(mut self, make: impl FnOnce(&App<S, D>) -> G + Send + 'static) -> Self
    where
        G: GrpcService
            + TowerService<Request<Body>, Response = Response<R>>
            + Clone
            + Send
            + Sync
            + 'static,
        G::Error: Into<BoxError>,
        G::Future: Send,
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        self.methods.push(ServiceMethods::described(G::DESCRIPTOR, Origin::Service));
        self.add_descriptors(G::DESCRIPTOR.file_descriptor_set);
        self.mount(make);
        self
    }

    /// Adds a server of tonic that another library has generated, such as
    /// `greeter_server::GreeterServer`. It passes through the same layers.
    ///
    /// Its methods are known from an encoded `FileDescriptorSet`. Without one, all of its calls
    /// count as streams of one method `unknown`.
    ///
    /// # Panics
    ///
    /// Panics if the descriptor set is not valid or does not have the service.
    #[must_use]
    pub fn tonic<G, R>(
        mut self,
        descriptors: Option<&'static [u8]>,
        make: impl FnOnce(&App<S, D>) -> G + Send + 'static,
    ) -> Self
    where
        G: NamedService
            + TowerService<Request<Body>, Response = Response<R>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        G::Future: Send,
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let methods = descriptors.map(|descriptors| descriptors::methods_of(descriptors, G::NAME));
        let service = G::NAME.into();
        let origin = Origin::Service;
        self.methods.push(ServiceMethods { service, origin, methods, message_limit: None });
        if let Some(descriptors) = descriptors {
            self.add_descriptors(descriptors);
        }
        self.mount(make);
        self
    }

    /// Adds a tower layer around every gRPC service, sync or async, such as authentication. The
    /// first layer that is added is the outermost.
    ///
    /// The layer runs between the deadline and admission, so a call that it refuses takes no
    /// worker. For the same reason, `server.max_workers` does not bound the outgoing calls of a
    /// layer: as many can run at once as there are incoming calls. A layer that needs a limit must
    /// set its own.
    ///
    /// An error of the layer becomes the `tonic::Status` that it contains, or else UNKNOWN.
    #[must_use]
    pub fn layer<L, R>(mut self, make: impl FnOnce(&App<S, D>) -> L + Send + 'static) -> Self
    where
        L: Layer<Next> + Send + Sync + 'static,
        L::Service:
            TowerService<Request<Body>, Response = Response<R>> + Clone + Send + Sync + 'static,
        <L::Service as TowerService<Request<Body>>>::Error: Into<BoxError>,
        <L::Service as TowerService<Request<Body>>>::Future: Send,
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        self.layers.push(Box::new(|app| add_layer(make(app))));
        self
    }

    /// Adds a tower layer around the gRPC service that was added last, and no other. It runs
    /// within the layers of [`Service::layer`], and before admission like them.
    ///
    /// # Panics
    ///
    /// Panics if no gRPC service was added before.
    #[must_use]
    pub fn layer_last<L, R>(mut self, layer: impl FnOnce(&App<S, D>) -> L + Send + 'static) -> Self
    where
        L: Layer<Next> + Send + Sync + 'static,
        L::Service:
            TowerService<Request<Body>, Response = Response<R>> + Clone + Send + Sync + 'static,
        <L::Service as TowerService<Request<Body>>>::Error: Into<BoxError>,
        <L::Service as TowerService<Request<Body>>>::Future: Send,
        R: HttpBody<Data = Bytes> + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let last = self.make.last_mut().expect("call `layer_last` after adding a service");
        last.layers.push(Box::new(|app| add_layer(layer(app))));
        self
    }

    /// Adds a command to the program.
    #[must_use]
    pub fn command(mut self, command: Command) -> Self {
        self.commands.push(command);
        self
    }

    /// Returns the service's part of the configuration.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// Loads the settings and listens on the configured addresses, as `serve` does, but without a
    /// log. Calls are served in the runtime of `calls`. The health address and the metrics are
    /// served in the current runtime.
    ///
    /// # Errors
    ///
    /// Returns an error if the settings or the files of TLS are not valid, or if an address
    /// cannot be listened on.
    pub fn bind(
        self,
        layers: &crate::config::Layers,
        calls: &Handle,
    ) -> Result<Server, StartError> {
        let loaded = self.load(layers)?;
        self.bind_with(loaded, calls, |_| Ok(Telemetry::default()))
    }

    pub(crate) fn load(
        &self,
        layers: &crate::config::Layers,
    ) -> Result<Loaded<S>, crate::config::ConfigErrors> {
        (self.load)(&self.schema, layers)
    }

    pub(crate) fn take_commands(&mut self) -> Vec<Command> {
        std::mem::take(&mut self.commands)
    }

    /// Binds the server. `telemetry` gets the methods of the server.
    pub(crate) fn bind_with(
        self,
        loaded: Loaded<S>,
        calls: &Handle,
        telemetry: impl FnOnce(&MethodTable) -> Result<Telemetry, StartError>,
    ) -> Result<Server, StartError> {
        let Self { schema, start, layers, methods, descriptors, make, .. } = self;
        let settings: Arc<Settings> = Arc::new(loaded.chassis);
        let about = About { package: schema.package, effective: loaded.effective };
        let (lifecycle, tasks) = (Lifecycle::new(), TaskTracker::new());
        let table = Setup::methods(&settings, &methods);
        let telemetry = telemetry(&table)?;
        let app = App::new(app::Inner {
            package: schema.package,
            settings: loaded.service,
            chassis: Arc::clone(&settings),
            lifecycle: lifecycle.clone(),
            telemetry: telemetry.clone(),
            calls: calls.clone(),
            tasks: tasks.clone(),
        });
        let make_services = Box::new(move |limits: Arc<Limits>| {
            async move {
                let app = start(app).await?;
                let made = |layers: Vec<MakeLayer<S, D>>| -> Vec<_> {
                    layers.into_iter().map(|make| make(&app)).collect()
                };
                // The first layer is the outermost, so it is added last.
                let wrap = |next: Next, layers: &[AddLayer]| {
                    layers.iter().rev().fold(next, |next, add| add(next))
                };
                let shared = made(layers);
                let services = make.into_iter().map(|Mounted { make, layers }| {
                    wrap(wrap(make(&app, &limits), &made(layers)), &shared)
                });
                Ok(services.collect())
            }
            .boxed()
        });
        let services = methods;
        let setup =
            Setup { about, settings, services, descriptors, make_services, lifecycle, tasks };
        Server::bind(setup, table, calls, &telemetry)
    }

    fn mount<G>(&mut self, make: impl FnOnce(&App<S, D>) -> G + Send + 'static)
    where
        Admission<G>: Call + 'static,
    {
        let make: Make<S, D> = Box::new(move |app, limits| {
            Next::new(Admission::new(make(app), Some(Arc::clone(limits))))
        });
        self.make.push(Mounted { make, layers: Vec::new() });
    }

    /// Adds a descriptor set, once: services of one build share one set.
    fn add_descriptors(&mut self, descriptors: &'static [u8]) {
        if !self.descriptors.contains(&descriptors) {
            self.descriptors.push(descriptors);
        }
    }
}

impl<S, D> std::fmt::Debug for Service<S, D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("package", &self.schema.package).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "call `settings` before adding services and layers")]
    fn a_layer_that_settings_would_drop_is_refused() {
        let service = crate::service!().layer(|_| tower::layer::util::Identity::new());
        let _ = service.settings::<NoSettings>("");
    }

    #[test]
    #[should_panic(expected = "call `settings` before adding the start")]
    fn a_start_that_settings_would_drop_is_refused() {
        let service = crate::service!().start(async |_| Ok(()));
        let _ = service.settings::<NoSettings>("");
    }
}
