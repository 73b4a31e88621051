//! gRPC-Web and Connect: protocols at the edge of the layers.
//!
//! A request of either becomes a request of gRPC before the layers, and the response of gRPC
//! becomes one of its protocol after them. So every limit, deadline, log line and metric is the
//! same for all protocols, and no layer and no handler knows them.
//!
//! - `accept`: which protocol a request speaks, and its head as one of gRPC.
//! - `content_type`, `get`: the two forms of a request.
//! - `unary`, `stream`: calls of Connect. `error`: their errors.
//! - `grpc_web`: calls of gRPC-Web.
//! - `messages`, `response_body`: the messages of a body, and its end.
//! - `schema`, `json`: messages as JSON.
//! - `refuse`: what is no call.
//! - `cors`: what pages of other origins may read.

mod accept;
mod content_type;
mod cors;
mod error;
mod get;
mod grpc_web;
mod json;
mod messages;
mod metadata;
mod refuse;
mod response_body;
mod schema;
mod stream;
mod translation;
mod unary;

pub(crate) use accept::Refusal;
pub(crate) use schema::Schemas;
pub(crate) use translation::Translation;

use cors::Cors;

use crate::config;

/// The protocols of a server.
#[derive(Debug)]
pub(crate) struct Web {
    protocols: config::Protocols,
    /// When responses of unary calls are compressed.
    responses: config::Responses,
    cors: Cors,
    schemas: Schemas,
}

impl Web {
    pub(crate) fn new(settings: &config::Settings, schemas: Schemas) -> Self {
        Self {
            protocols: settings.server.protocols,
            responses: settings.compression.responses,
            cors: Cors::new(settings.cors.origins.clone()),
            schemas,
        }
    }

    /// Returns whether gRPC itself is served.
    pub(crate) fn has_grpc(&self) -> bool {
        self.protocols.grpc
    }
}
