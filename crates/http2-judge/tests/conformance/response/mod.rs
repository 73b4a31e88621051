//! Responses (RFC 9113, section 8).

mod bodies;
mod early;
mod headers;
