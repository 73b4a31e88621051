//! The content type of gRPC.

/// Returns whether the value of `content-type` is gRPC's: `application/grpc` in any case, with a
/// suffix or parameters (RFC 9110, section 8.3.1), and not `application/grpc-web`, which is another
/// protocol.
pub fn is_grpc(value: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    // Nearly every peer sends exactly this.
    if value == GRPC {
        return true;
    }
    let parameters = value.iter().position(|byte| *byte == b';').unwrap_or(value.len());
    let media_type = value[..parameters].trim_ascii();
    media_type.split_at_checked(GRPC.len()).is_some_and(|(name, suffix)| {
        name.eq_ignore_ascii_case(GRPC) && matches!(suffix, [] | [b'+', ..])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_content_types_of_grpc_are_grpc() {
        for (text, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc+json", true),
            ("application/grpc;charset=utf-8", true),
            ("Application/GRPC", true),
            ("APPLICATION/GRPC+Proto", true),
            ("application/grpc ;x", true),
            ("application/grpc\t; charset=utf-8 ; x=y", true),
            ("application/grpc+proto ;x", true),
            ("application/grpc;", true),
            ("application/grpc ", true),
            ("application/grpc-web", false),
            ("Application/GRPC-Web", false),
            ("application/grpc-web+proto;x", false),
            ("application/grpc x", false),
            ("application /grpc", false),
            ("application/grp", false),
            ("text/plain;application/grpc", false),
            ("application/json", false),
            (";", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(text.as_bytes()), expected, "{text}");
        }
    }
}
