//! How every client command reaches its server.

use std::{fmt, str::FromStr, time::Duration};

use http::uri::Authority;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::transport::{Channel, Endpoint};

use super::{Failure, innermost};

const FIRST_BACKOFF: Duration = Duration::from_millis(50);
const LAST_BACKOFF: Duration = Duration::from_secs(1);

/// Which server, and how long to try.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where the server is.
    pub address: Address,
    /// The deadline of the connection and of each call.
    pub timeout: Duration,
    /// Whether to go on while nothing answers there yet, until the deadline.
    pub wait_for_ready: bool,
}

impl Target {
    /// Connects, within the deadline.
    pub(super) async fn connect(&self) -> Result<Channel, Failure> {
        let endpoint = self.address.endpoint();
        let deadline = Instant::now() + self.timeout;
        let mut backoff = FIRST_BACKOFF;
        let mut cause = String::new();
        loop {
            match timeout_at(deadline, endpoint.connect()).await {
                Ok(Ok(channel)) => return Ok(channel),
                Ok(Err(error)) => cause = innermost(&error),
                Err(_) if cause.is_empty() => cause = self.too_late("no answer"),
                Err(_) => {}
            }
            let late = deadline.saturating_duration_since(Instant::now()) < backoff;
            if !self.wait_for_ready || late {
                return Err(Failure::Connect { address: self.address.clone(), cause });
            }
            sleep(backoff).await;
            backoff = (backoff * 2).min(LAST_BACKOFF);
        }
    }

    /// One call with its deadline, which the server is told of.
    pub(super) async fn call<Req, Res>(
        &self,
        message: Req,
        send: impl AsyncFnOnce(tonic::Request<Req>) -> Result<tonic::Response<Res>, tonic::Status>,
    ) -> Result<Res, Failure> {
        let mut request = tonic::Request::new(message);
        request.set_timeout(self.timeout);
        match tokio::time::timeout(self.timeout, send(request)).await {
            Ok(answer) => Ok(answer?.into_inner()),
            Err(_) => {
                Err(Failure::Call(tonic::Status::deadline_exceeded(self.too_late("no answer"))))
            }
        }
    }

    fn too_late(&self, what: &str) -> String {
        format!("{what} within {}", humantime::format_duration(self.timeout))
    }
}

/// The host and port of a server, such as `localhost:9999` or `[::1]:9999`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Authority);

impl Address {
    fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.0)).expect("an authority makes a URI")
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let authority = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
        authority
            .parse::<Authority>()
            .ok()
            .filter(|authority| authority.port_u16().is_some() && !authority.host().is_empty())
            .map(Self)
            .ok_or_else(|| "expected a host and a port, such as localhost:9999".to_owned())
    }
}

impl From<std::net::SocketAddr> for Address {
    fn from(address: std::net::SocketAddr) -> Self {
        Self(address.to_string().parse().expect("an IP address and port are an authority"))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
