//! What is wrong with the arguments of a client command.

use crate::tls::TlsError;

/// Arguments that are valid one by one, and wrong together or for the environment.
#[derive(Debug, thiserror::Error)]
pub enum WrongArguments {
    /// There is no address, and the settings of the environment are wrong.
    #[error("--address is not given, and {0}")]
    LocalServer(String),
    /// The settings of the environment, which say where spans are sent, are wrong.
    #[error("whether to record a trace is not known, because {0}")]
    Tracing(String),
    /// There is no address, and the local server requires a client certificate.
    #[error(
        "--address is not given, and the server that the environment configures requires a \
         client certificate (tls.client_ca): give health checks an address of their own \
         (server.health_address), or pass --cert and --key"
    )]
    ClientCertificate,
    /// TLS cannot be configured with the files that the arguments name.
    #[error(transparent)]
    Tls(#[from] TlsError),
}
