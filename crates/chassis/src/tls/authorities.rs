//! The authorities that issue the certificates of clients.

use std::sync::Arc;

use tokio_rustls::rustls::{
    RootCertStore,
    crypto::CryptoProvider,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use wire::{
    pem::{Content, certificates},
    x509,
};

use super::time::{in_its_time, not_after, not_before};

/// The authorities of a file that are valid now. Those that have expired or are not valid yet
/// are left out, because rustls does not check their time. A file may have the old one or the
/// next beside the one in use.
#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    /// When the first of them expires, in seconds since 1970.
    pub(super) not_after: i64,
    /// When one of them has expired, or another one becomes valid, in seconds since 1970.
    pub(super) changes_at: Option<i64>,
}

impl Authorities {
    /// Returns the authorities of a file.
    ///
    /// # Errors
    ///
    /// Returns what is wrong if a certificate cannot be used, or none of them is valid now.
    pub(super) fn read(
        content: &Content,
        now: i64,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, String> {
        let file = certificates(content)?;
        let mut roots = RootCertStore::empty();
        let mut out_of_time = None;
        let mut in_use_until = i64::MAX;
        let mut changes_at = None;
        for (certificate, pem) in x509::parse(&file)?.iter().zip(&file) {
            let parsed = &certificate.parsed;
            let changes = match in_its_time(parsed, now) {
                Ok(()) => not_after(parsed).saturating_add(1),
                Err(_) => not_before(parsed),
            };
            if changes > now {
                changes_at = Some(changes_at.map_or(changes, |at: i64| at.min(changes)));
            }
            if let Err(problem) = in_its_time(parsed, now) {
                out_of_time = Some(certificate.problem(&problem));
                continue;
            }
            if !certificate.may_issue() {
                let name = parsed.subject();
                return Err(certificate.problem(&format!(
                    "the certificate of {name} is not an authority's (CA:TRUE), so that no client \
                     is accepted for it: give the certificate of the authority that issues \
                     client certificates"
                )));
            }
            roots.add(pem.der.clone()).map_err(|error| {
                certificate.problem(&format!("has a certificate that cannot be used: {error}"))
            })?;
            in_use_until = in_use_until.min(not_after(parsed));
        }
        if let Some(problem) = out_of_time.filter(|_| roots.is_empty()) {
            return Err(problem);
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(provider));
        let verifier = verifier.build().expect("there is an authority, and no revocation list");
        Ok(Self { verifier, not_after: in_use_until, changes_at })
    }
}
