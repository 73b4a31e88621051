//! gRPC-Web and Connect: protocols at the edge of the layers.
//!
//! A request of either becomes a request of gRPC before the layers, and the response of gRPC
//! becomes one of its protocol after them. So every limit, deadline, log line and metric is the
//! same for all protocols, and no layer and no handler knows them.
//!
//! - `accept`: finds the protocol of a request, and makes its head one of gRPC.
//! - `content_type`, `get`: the two forms of a request. `head`: its headers.
//! - `unary`, `stream`: calls of Connect. `error`: their errors.
//! - `grpc_web`: calls of gRPC-Web.
//! - `messages`, `response_body`: the messages of a body, and its end.
//! - `schema`, `json`: messages as JSON.
//! - `refuse`: requests that are no calls. `unread`: the rest of a request that its call does not
//!   read.
//! - `cors`: the responses that pages of other origins may read.

mod accept;
mod content_type;
mod cors;
mod error;
mod get;
mod grpc_web;
mod head;
mod json;
mod messages;
mod metadata;
mod refuse;
mod response_body;
mod schema;
mod stream;
mod translation;
mod unary;
mod unread;

pub(crate) use accept::Web;
pub(crate) use refuse::Refusal;
pub(crate) use schema::Schemas;
pub(crate) use translation::{Responses, Translation};
