//! Requests (RFC 9113, section 8).

mod authority;
mod connect;
mod content_length;
mod field_names;
mod field_values;
mod fields_of_connections;
mod header_list;
mod pseudo_fields;
