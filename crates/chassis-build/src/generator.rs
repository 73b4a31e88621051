//! Generates the code of one service: tonic's client and trait, and the chassis's server.

use std::{cell::RefCell, rc::Rc};

use proc_macro2::{Literal, Span, TokenStream};
use prost_build::{Method, Service, ServiceGenerator};
use quote::{ToTokens, quote};
use syn::{Attribute, Ident, Item, ItemTrait};

/// Generates the code of a service with tonic, and replaces the server in it.
pub(crate) struct Generator {
    tonic: Box<dyn ServiceGenerator>,
    /// The first error, because [`ServiceGenerator::generate`] cannot return one.
    error: Rc<RefCell<Option<String>>>,
}

impl Generator {
    pub(crate) fn new(client: bool, server: bool, error: Rc<RefCell<Option<String>>>) -> Self {
        let tonic = tonic_prost_build::configure()
            .build_client(client)
            .build_server(server)
            .build_transport(false)
            .service_generator();
        Self { tonic, error }
    }
}

impl ServiceGenerator for Generator {
    fn generate(&mut self, mut service: Service, buf: &mut String) {
        for method in &mut service.methods {
            name_primitive(&mut method.input_type);
            name_primitive(&mut method.output_type);
        }
        let mut code = String::new();
        self.tonic.generate(service.clone(), &mut code);
        match replace_server(&service, &code) {
            Ok(replaced) => buf.push_str(&replaced),
            Err(error) => {
                let name = &service.proto_name;
                self.error.borrow_mut().get_or_insert_with(|| {
                    format!("cannot replace the server that tonic generates for {name}: {error}")
                });
                // prost-build panics if a package with a service has no code.
                buf.push_str(&code);
            }
        }
    }
}

/// Replaces a primitive type by its path, because tonic takes `u32`, which is the type
/// of `google.protobuf.UInt32Value`, for a message of the package.
fn name_primitive(name: &mut String) {
    if matches!(name.as_str(), "bool" | "f32" | "f64" | "i32" | "i64" | "u32" | "u64") {
        name.insert_str(0, "::core::primitive::");
    }
}

fn replace_server(service: &Service, code: &str) -> syn::Result<String> {
    let mut file = syn::parse_file(code)?;
    for item in &mut file.items {
        if let Item::Mod(module) = item
            && module.ident.to_string().ends_with("_server")
            && let Some((_, items)) = &mut module.content
        {
            let server = Server::find(items)?.generate(service)?;
            *items = syn::parse2::<syn::File>(server)?.items;
        }
    }
    Ok(file.into_token_stream().to_string())
}

/// The parts that are kept of the server module that tonic generates.
struct Server<'a> {
    /// `SERVICE_NAME`.
    constants: Vec<&'a Item>,
    handler: &'a ItemTrait,
    name: &'a Ident,
    attributes: &'a [Attribute],
}

impl<'a> Server<'a> {
    fn find(items: &'a [Item]) -> syn::Result<Self> {
        let mut constants = Vec::new();
        let mut handler = None;
        let mut server = None;
        for item in items {
            match item {
                Item::Const(_) => constants.push(item),
                Item::Trait(item) => handler = Some(item),
                Item::Struct(item) => server = Some(item),
                _ => {}
            }
        }
        let missing = |what| syn::Error::new(Span::call_site(), format!("it has no {what}"));
        let handler = handler.ok_or_else(|| missing("trait"))?;
        let server = server.ok_or_else(|| missing("struct"))?;
        Ok(Self { constants, handler, name: &server.ident, attributes: &server.attrs })
    }

    /// Generates the contents of the module.
    ///
    /// Types are written with their path, because the trait has the name of the service,
    /// which may be `Service` or `Arc`.
    fn generate(&self, service: &Service) -> syn::Result<TokenStream> {
        let Self { constants, handler, name, attributes } = self;
        let trait_name = &handler.ident;

        let mut arms = TokenStream::new();
        let mut methods = TokenStream::new();
        for (index, method) in service.methods.iter().enumerate() {
            arms.extend(arm(index, method, trait_name)?);
            methods.extend(method_descriptor(service, method));
        }

        Ok(quote! {
            use ::chassis::codegen::{self, *};

            #handler

            #(#attributes)*
            pub struct #name<T> {
                inner: std::sync::Arc<T>,
            }

            impl<T> #name<T> {
                pub fn new(inner: T) -> Self {
                    Self::from_arc(std::sync::Arc::new(inner))
                }

                pub fn from_arc(inner: std::sync::Arc<T>) -> Self {
                    Self { inner }
                }

                pub fn with_interceptor<F>(
                    inner: T,
                    interceptor: F,
                ) -> codegen::InterceptedService<Self, F>
                where
                    F: codegen::Interceptor,
                {
                    codegen::InterceptedService::new(Self::new(inner), interceptor)
                }
            }

            impl<T> std::clone::Clone for #name<T> {
                fn clone(&self) -> Self {
                    Self::from_arc(std::sync::Arc::clone(&self.inner))
                }
            }

            impl<T> codegen::Service<http::Request<codegen::Body>> for #name<T>
            where
                T: #trait_name,
            {
                type Response = http::Response<codegen::Body>;
                type Error = std::convert::Infallible;
                type Future = codegen::BoxFuture<Self::Response, Self::Error>;

                fn poll_ready(
                    &mut self,
                    _cx: &mut std::task::Context<'_>,
                ) -> std::task::Poll<std::result::Result<(), Self::Error>> {
                    std::task::Poll::Ready(Ok(()))
                }

                fn call(&mut self, request: http::Request<codegen::Body>) -> Self::Future {
                    let inner = std::sync::Arc::clone(&self.inner);
                    match codegen::method_index(&request, &DESCRIPTOR) {
                        #arms
                        _ => Box::pin(codegen::unimplemented(request)),
                    }
                }
            }

            #(#constants)*

            impl<T> codegen::NamedService for #name<T> {
                const NAME: &'static str = SERVICE_NAME;
            }

            impl<T> codegen::GrpcService for #name<T> {
                const DESCRIPTOR: &'static codegen::ServiceDescriptor = &DESCRIPTOR;
            }

            /// The service's name, its methods, and the descriptor set that describes them.
            pub const DESCRIPTOR: codegen::ServiceDescriptor = codegen::ServiceDescriptor {
                name: SERVICE_NAME,
                methods: &[#methods],
                file_descriptor_set: include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin")),
            };
        })
    }
}

/// Generates the arm that calls the handler of the method.
fn arm(index: usize, method: &Method, trait_name: &Ident) -> syn::Result<TokenStream> {
    let index = Literal::usize_unsuffixed(index);
    let handler: Ident = syn::parse_str(&method.name)?;
    let run = match (method.client_streaming, method.server_streaming) {
        (false, false) => quote!(unary),
        (false, true) => quote!(server_streaming),
        (true, false) => quote!(client_streaming),
        (true, true) => quote!(bidi_streaming),
    };
    Ok(quote! {
        Some(#index) => Box::pin(codegen::#run(request, move |request| async move {
            <T as #trait_name>::#handler(&inner, request).await
        })),
    })
}

/// Generates the method's entry in the method table.
fn method_descriptor(service: &Service, method: &Method) -> TokenStream {
    let name = &method.proto_name;
    let path = match service.package.as_str() {
        "" => format!("/{}/{name}", service.proto_name),
        package => format!("/{package}.{}/{name}", service.proto_name),
    };
    let kind = match (method.client_streaming, method.server_streaming) {
        (false, false) => quote!(Unary),
        (false, true) => quote!(ServerStreaming),
        (true, false) => quote!(ClientStreaming),
        (true, true) => quote!(BidiStreaming),
    };
    quote! {
        codegen::MethodDescriptor { path: #path, name: #name, kind: codegen::Kind::#kind },
    }
}
