//! Errors in the arguments of a client command.

use wire::escape::Escaped;

use crate::tls_config::TlsError;

/// Arguments that are valid one by one, but not together or not in this environment.
#[derive(Debug, thiserror::Error)]
pub enum WrongArguments {
    /// The address follows from the settings of the server on this machine, which are wrong.
    #[error("the address to check is that of the settings, and {0}")]
    LocalServer(String),
    /// The server on this machine requires a client certificate.
    #[error(
        "the settings of the server require a client certificate (tls.client_ca): give health \
         checks an address of their own (server.health_address), or pass --cert and --key"
    )]
    ClientCertificate,
    /// The method, its request or its schema is wrong. The text can have names that a server sent.
    #[error("{}", Escaped(.0))]
    Method(String),
    /// TLS cannot be configured with the files that the arguments name.
    #[error(transparent)]
    Tls(#[from] TlsError),
}
