//! The bearer token that changes and profiles need (RFC 6750).

use std::path::PathBuf;

use hyper::{
    StatusCode,
    header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use subtle::ConstantTimeEq;
use tokio::task::spawn_blocking;
use wire::pem::read_regular;

use super::reply::{Reply, text};
use crate::config::{ConfigError, ConfigErrors};

/// The least length of a token in characters: a shorter one could be guessed.
const LEAST_LENGTH: usize = 16;

/// The file with the token. It is read at each use, so that a new token needs no restart.
#[derive(Debug, Clone)]
pub(crate) struct Token(PathBuf);

impl Token {
    /// Returns the token of this file.
    ///
    /// # Errors
    ///
    /// Returns an error if the file has no token.
    pub(crate) fn new(path: PathBuf) -> Result<Self, ConfigErrors> {
        let token = Self(path);
        match token.read() {
            Ok(_) => Ok(token),
            Err(problem) => Err(ConfigErrors(vec![ConfigError {
                subject: "admin.token".to_owned(),
                problem: format!("{}: {problem}", token.0.display()),
                source: None,
            }])),
        }
    }

    fn read(&self) -> Result<Vec<u8>, String> {
        let token = read_regular(&self.0)?.trim_ascii().to_vec();
        if token.len() < LEAST_LENGTH || !token.iter().all(u8::is_ascii_graphic) {
            return Err(format!(
                "has no token: write one of at least {LEAST_LENGTH} characters into it, without \
                 spaces, such as that of `openssl rand -hex 32`"
            ));
        }
        Ok(token)
    }
}

/// Checks that a request has the token. `token` is `None` if `admin.token` is not set.
///
/// # Errors
///
/// Returns the refusal.
pub(super) async fn check(token: Option<&Token>, headers: &HeaderMap) -> Result<(), Box<Reply>> {
    let Some(token) = token else {
        return Err(Box::new(text(
            StatusCode::FORBIDDEN,
            "changes and profiles are refused because the setting admin.token is not set: write \
             a token of at least 16 characters into a file, name the file in admin.token, and \
             send the token as `Authorization: Bearer TOKEN`\n",
        )));
    };
    let file = token.clone();
    // A slow disk must not hold up probes.
    let expected = spawn_blocking(move || file.read()).await;
    let expected = expected.unwrap_or_else(|_| Err("cannot be read now".to_owned()));
    let expected = expected.map_err(|problem| {
        let path = token.0.display();
        tracing::warn!("admin.token: {path}: {problem}");
        let problem = "the file of admin.token has no token any more: see the log\n";
        text(StatusCode::FORBIDDEN, problem)
    })?;
    let given = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes).and_then(bearer);
    // In constant time, so that the time of the response says nothing of the token.
    if given.is_some_and(|given| given.ct_eq(&expected).into()) {
        return Ok(());
    }
    let mut refusal = text(
        StatusCode::UNAUTHORIZED,
        "send the token in the file of admin.token as `Authorization: Bearer TOKEN`\n",
    );
    refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    Err(Box::new(refusal))
}

/// Returns the token of `Bearer TOKEN`. The scheme is case-insensitive (RFC 9110, section 11.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(b"Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then(|| token.trim_ascii())
}
