//! Checks that compare settings with each other.

use std::path::PathBuf;

use super::{
    reader::Reader,
    types::{NonZeroDuration, Size},
};

/// The least size for the headers that every gRPC request has, in bytes.
const LEAST_HEADER_LIST: u32 = 1024;

pub(super) fn check_deadline(values: &mut Reader<'_>) {
    let default: Option<NonZeroDuration> = values.valid("deadline.default");
    let max: Option<NonZeroDuration> = values.valid("deadline.max");
    if let (Some(default), Some(max)) = (default, max)
        && default > max
    {
        values.error("deadline.default", "is more than deadline.max");
    }
}

pub(super) fn check_limits(values: &mut Reader<'_>) {
    let header_list: Option<Size> = values.valid("limits.header_list");
    if header_list.is_some_and(|size| size.get() < LEAST_HEADER_LIST) {
        values.error("limits.header_list", "is less than the 1KiB that the headers of a call need");
    }
}

pub(super) fn check_tls(values: &mut Reader<'_>) {
    let file = |key| values.valid::<Option<PathBuf>>(key);
    let (Some(certificate), Some(key), Some(client_ca)) =
        (file("tls.certificate"), file("tls.key"), file("tls.client_ca"))
    else {
        return;
    };
    match (&certificate, &key) {
        (Some(_), None) => values.error("tls.certificate", "needs tls.key, the file of its key"),
        (None, Some(_)) => {
            values.error("tls.key", "needs tls.certificate, the file of its certificate");
        }
        _ => {}
    }
    if client_ca.is_some() && certificate.is_none() {
        values.error("tls.client_ca", "needs tls.certificate: client certificates need TLS");
    }
}
