//! The cryptography of TLS: ring's, and a key exchange that quantum computers do not break.

mod hybrid;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// Returns the cryptography of both sides. X25519MLKEM768 is preferred, as Go and browsers do; a
/// peer without it gets X25519 or an elliptic curve of NIST.
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider.kx_groups.insert(0, &hybrid::X25519MlKem768);
    Arc::new(provider)
}
