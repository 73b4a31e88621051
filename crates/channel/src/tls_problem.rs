//! TLS errors, explained to the person who can correct them.

use std::{
    io,
    time::{Duration, UNIX_EPOCH},
};

use tokio_rustls::rustls::{self, AlertDescription, CertificateError, pki_types::UnixTime};

/// The problem of a server that does not negotiate HTTP/2.
pub(crate) const NO_HTTP2: &str = "the server does not offer HTTP/2 in its TLS handshake (ALPN)";

/// Returns why the handshake or the first read failed, with the way to correct it if there
/// is a usual one.
pub(crate) fn explain(error: &io::Error) -> String {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(problem)) => explain_certificate(problem),
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::CertificateRequired => {
                "the server asks for a client certificate: pass --cert and --key".to_owned()
            }
            AlertDescription::NoApplicationProtocol => NO_HTTP2.to_owned(),
            alert => format!("the server refused: TLS alert {alert:?}"),
        },
        Some(rustls::Error::InvalidMessage(_)) => "the server does not speak TLS".to_owned(),
        Some(error) => format!("TLS failed: {error}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "the server closed the connection".to_owned()
        }
        None => error.to_string(),
    }
}

fn explain_certificate(problem: &CertificateError) -> String {
    let date = |time: &UnixTime| {
        humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(time.as_secs()))
    };
    match problem {
        // A bad signature: an authority has the same name and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is not signed by a trusted authority: pass the right one with --ca"
                .to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("the server's certificate has expired: it was valid until {}", date(not_after))
        }
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "the server's certificate is not valid yet: it will be valid from {}",
            date(not_before)
        ),
        CertificateError::NotValidForNameContext { expected, presented } => format!(
            "the server's certificate is not for {} but for {}: pass the right name with --server-name",
            expected.to_str(),
            presented.join(", ")
        ),
        // rustls has no variant for this error of webpki, only its text.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the server's certificate is that of an authority (CA:TRUE), not of a server".to_owned()
        }
        other => format!("the server's certificate is refused: {other}"),
    }
}
