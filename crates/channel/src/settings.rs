//! A channel in a service's own settings.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Deserializer, de::Error};

use crate::{
    address::Address,
    outlier::OutlierDetection,
    pick::Balance,
    settings_values::{duration, optional},
    tls::Tls,
    tls_config::{TlsError, TlsFiles},
};

/// The settings of a channel, as a section of a service's own settings.
///
/// An empty text of an optional field is the same as none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address of the servers, such as `orders:9999`, or several separated by commas.
    pub address: Address,
    /// The timeout of each call with its retries, such as `5s`.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// How calls are balanced over the servers: `least_request` or `round_robin`.
    #[serde(default)]
    pub balance: Balance,
    /// When a server that fails gets no calls for some time (gRFC A50).
    ///
    /// Without this section no server is ejected, which is gRPC's default too. Every status but OK
    /// counts as a failure, also if the caller caused it, and an ejection takes capacity away.
    /// Least request already sends few calls to a server that fails.
    #[serde(default, deserialize_with = "outlier_detection")]
    pub outlier_detection: Option<OutlierDetection>,
    /// Whether to use TLS. The following fields imply it.
    #[serde(default)]
    pub tls: bool,
    /// A PEM file with the certificate authorities to trust, instead of the system's.
    #[serde(default, deserialize_with = "optional")]
    pub ca: Option<PathBuf>,
    /// A PEM file with the client's certificate chain.
    #[serde(default, deserialize_with = "optional")]
    pub cert: Option<PathBuf>,
    /// A PEM file with the private key of `cert`.
    #[serde(default, deserialize_with = "optional")]
    pub key: Option<PathBuf>,
    /// The name that the server's certificate must have, if it is not the host of `address`.
    #[serde(default, deserialize_with = "optional")]
    pub server_name: Option<String>,
}

impl Settings {
    /// Returns how connections are secured, or `None` for plaintext.
    ///
    /// # Errors
    ///
    /// Returns an error if only one of `cert` and `key` is given, or if a file cannot be
    /// read.
    pub(crate) fn tls(&self) -> Result<Option<Tls>, TlsError> {
        let Self { tls, ca, cert, key, server_name, .. } = self.clone();
        let identity = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => return Err(TlsError::Identity),
        };
        if !(tls || ca.is_some() || identity.is_some() || server_name.is_some()) {
            return Ok(None);
        }
        Tls::load(&TlsFiles { ca, identity, server_name }).map(Some)
    }
}

fn outlier_detection<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<OutlierDetection>, D::Error> {
    let settings = OutlierDetection::deserialize(deserializer)?;
    if settings.success_rate.is_none() && settings.failure_percentage.is_none() {
        let problem = "expected success_rate or failure_percentage, or both (with {} for defaults)";
        return Err(D::Error::custom(problem));
    }
    Ok(Some(settings))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(settings: serde_json::Value) -> Result<Settings, String> {
        serde_json::from_value(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_and_a_timeout_are_enough() {
        let settings = parse(json!({ "address": "orders:9999", "timeout": "250ms" }));
        let settings = settings.expect("valid");
        assert_eq!(settings.address.to_string(), "orders:9999");
        assert_eq!(settings.timeout, Duration::from_millis(250));
        assert!(settings.tls().expect("no files").is_none());
    }

    #[test]
    fn an_empty_text_is_none() {
        let settings = parse(json!({
            "address": "orders:9999", "timeout": "5s", "ca": "", "cert": "", "key": "",
            "server_name": "",
        }));
        assert!(settings.expect("valid").tls().expect("no files").is_none());
    }

    #[test]
    fn wrong_settings_are_refused() {
        for (settings, problem) in [
            (json!({ "address": "orders", "timeout": "5s" }), "has no port"),
            (json!({ "address": "orders:1", "timeout": "5" }), "expected a duration"),
            (json!({ "address": "orders:1", "timeout": "5s", "retry": "1" }), "unknown field"),
            (
                json!({ "address": "orders:1", "timeout": "5s", "balance": "random" }),
                "expected `round_robin` or `least_request`",
            ),
            (
                json!({ "address": "orders:1", "timeout": "5s", "outlier_detection": {} }),
                "expected success_rate or failure_percentage",
            ),
            (
                json!({
                    "address": "orders:1", "timeout": "5s",
                    "outlier_detection": { "failure_percentage": { "threshold": 101 } },
                }),
                "expected a percentage up to 100",
            ),
        ] {
            let error = parse(settings).expect_err("wrong");
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn outlier_detection_has_the_defaults_of_grfc_a50() {
        let settings = parse(json!({
            "address": "orders:1", "timeout": "5s",
            "outlier_detection": { "interval": "1s", "success_rate": { "minimum_hosts": 3 } },
        }));
        let detection = settings.expect("valid").outlier_detection.expect("it is set");
        assert_eq!(detection.interval, Duration::from_secs(1));
        assert_eq!(detection.base_ejection_time, Duration::from_secs(30));
        assert_eq!(detection.max_ejection_percent.get(), 10);
        assert_eq!(detection.failure_percentage, None);
        let success_rate = detection.success_rate.expect("it is set");
        assert_eq!((success_rate.minimum_hosts, success_rate.request_volume), (3, 100));
    }

    #[test]
    fn the_fields_of_tls_imply_it() {
        let settings = |field: &str| {
            let mut settings = json!({ "address": "orders:1", "timeout": "5s" });
            settings[field] = "missing.pem".into();
            parse(settings).expect("valid").tls()
        };
        assert!(matches!(settings("ca"), Err(TlsError::File { .. })));
        assert!(matches!(settings("cert"), Err(TlsError::Identity)));
        assert!(matches!(settings("key"), Err(TlsError::Identity)));
    }
}
