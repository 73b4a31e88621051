//! What the exports to a collector share.

mod resource;

pub(crate) use resource::{parse as parse_attributes, resource};
