//! Binary metadata: its values are base64 ("Custom-Metadata" in the gRPC HTTP/2 protocol).

use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::metadata::MetadataMap;

const NAME: &str = "x-bin";

/// Returns whether tonic decodes a value of binary metadata.
pub(crate) fn is_base64(value: HeaderValue) -> bool {
    let entry = (HeaderName::from_static(NAME), value);
    let map = MetadataMap::from_headers(HeaderMap::from_iter([entry]));
    map.get_bin(NAME).is_some_and(|value| value.to_bytes().is_ok())
}
