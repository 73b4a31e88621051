//! `call` and `health`: the client's commands, and what all of its commands share.

use std::{
    env,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use clap::{Args, builder::RangedU64ValueParser};
use http::{HeaderName, HeaderValue};
use tokio::{runtime, task::spawn_blocking};
use tonic::metadata::{KeyAndValueRef, MetadataMap};

use super::probe;
use crate::{
    client::{self, Address, MAX_ATTEMPTS, Target, Tls, TlsError, TlsFiles, call::Calls},
    config::{self, Faults, Layers, Settings},
    server::shutdown_signals,
    telemetry::Tracing,
};

/// How long the last spans may take.
const FLUSH: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(super) struct CallArgs {
    /// What to say; `-` takes one message a line from standard input.
    #[arg(value_name = "MESSAGE", default_value = "test message")]
    messages: Vec<String>,
    /// Where the server is; several with commas between, or all addresses of a name, are
    /// called in turn.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9999")]
    address: Address,
    /// How long the connection, and then each call with its retries, may take.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = timeout)]
    timeout: Duration,
    /// Sent with each call; may be repeated. The value of a key in -bin is in base64.
    #[arg(long, value_name = "KEY=VALUE", value_parser = metadata)]
    metadata: Vec<(HeaderName, HeaderValue)>,
    /// Print one JSON object a call.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// The service to ask for; by default the server as a whole.
    #[arg(default_value = "")]
    name: String,
    /// Where the server is [default: this machine, at the port that the environment configures].
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<Address>,
    /// How long the connection, and then the answer, may take.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = timeout)]
    timeout: Duration,
    /// Print each change with its time, until interrupted.
    #[arg(long)]
    watch: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// How `call` and `health` reach a server.
#[derive(Debug, Args)]
struct ConnectionArgs {
    /// Wait for a server that is not there yet, until the timeout.
    #[arg(long)]
    wait_for_ready: bool,
    /// How often a call is tried in all; 1 for no retries.
    #[arg(long, value_name = "N", default_value_t = MAX_ATTEMPTS)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_ATTEMPTS)))]
    attempts: u32,
    #[command(flatten)]
    tls: TlsArgs,
}

/// Whom to trust, and who to be.
#[derive(Debug, Args)]
pub(super) struct TlsArgs {
    /// Use TLS; the other flags of TLS imply it.
    #[arg(long, help_heading = "TLS")]
    tls: bool,
    /// Whom to trust, in PEM [default: the authorities of the system].
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    ca: Option<PathBuf>,
    /// The client's certificate, in PEM.
    #[arg(long, value_name = "FILE", help_heading = "TLS", requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE", help_heading = "TLS", requires = "cert")]
    key: Option<PathBuf>,
    /// The name that the server's certificate must be for [default: the host of the address].
    #[arg(long, value_name = "NAME", help_heading = "TLS")]
    server_name: Option<String>,
}

impl ConnectionArgs {
    fn target(self, address: Address, timeout: Duration) -> Result<Target, WrongArguments> {
        let tls = self.tls.load()?;
        Ok(self.target_with(address, tls, timeout))
    }

    /// For the server that this environment configures: in a container, the one
    /// beside. It need not be told that this server speaks TLS.
    fn local_target(self, timeout: Duration) -> Result<Target, WrongArguments> {
        let layers = Layers { environment: env::vars_os().collect(), ..Layers::default() };
        let Settings { server, tls, .. } = config::load(&layers)?.settings;
        // Where there is an address for probes, it is there until the end.
        let mut address = server.health_address.unwrap_or(server.address);
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let tls = match tls {
            Some(tls) if server.health_address.is_none() && !self.tls.asks_for_trust() => {
                if tls.client_ca.is_some() && self.tls.cert.is_none() {
                    return Err(WrongArguments::ClientCertificate);
                }
                Some(Tls::unverified(&self.tls.files())?)
            }
            _ => return self.target(address.into(), timeout),
        };
        Ok(self.target_with(address.into(), tls, timeout))
    }

    fn target_with(self, address: Address, tls: Option<Tls>, timeout: Duration) -> Target {
        let Self { wait_for_ready, attempts: max_attempts, .. } = self;
        Target { address, tls, timeout, wait_for_ready, max_attempts, tracing: None }
    }
}

impl TlsArgs {
    /// Nothing where no flag asks for TLS.
    pub(super) fn load(&self) -> Result<Option<Tls>, WrongArguments> {
        let asked = self.tls || self.cert.is_some() || self.asks_for_trust();
        Ok(if asked { Some(Tls::load(&self.files())?) } else { None })
    }

    fn asks_for_trust(&self) -> bool {
        self.ca.is_some() || self.server_name.is_some()
    }

    fn files(&self) -> TlsFiles {
        let identity = self.cert.clone().zip(self.key.clone());
        TlsFiles { ca: self.ca.clone(), identity, server_name: self.server_name.clone() }
    }
}

/// What a client command was given does not fit.
#[derive(Debug, thiserror::Error)]
pub(super) enum WrongArguments {
    #[error(
        "--connections {connections} is more than --concurrency {concurrency}: each call in flight \
         has one connection, and the rest would not be used. Pass --concurrency {connections} or \
         more, or --rate"
    )]
    Connections { connections: usize, concurrency: usize },
    #[error("--address is not given, and {0}")]
    Environment(#[from] Faults),
    #[error("whether to trace is not known, for {0}")]
    Tracing(Faults),
    #[error(
        "--address is not given, and the server that the environment configures serves only \
         clients with a certificate (tls.client_ca): give probes an address of their own \
         (server.health_address), or pass --cert and --key"
    )]
    ClientCertificate,
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl CallArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { messages, address, timeout, metadata, json, connection } = self;
        let mut target = connection.target(address, timeout)?;
        let layers = Layers { environment: env::vars_os().collect(), ..Layers::default() };
        let tracing = config::load(&layers).map_err(WrongArguments::Tracing)?.settings.tracing;
        let metadata = MetadataMap::from_headers(metadata.into_iter().collect());
        let calls = Calls { messages, metadata, json };
        let outcome = until_interrupted(async {
            // Within the runtime, which sends the spans.
            target.tracing = Tracing::start(&tracing)?;
            let succeeded = client::call::run(&target, &calls).await;
            if let Some(tracing) = target.tracing {
                flush(tracing).await;
            }
            let succeeded = succeeded?;
            Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::from(probe::RPC) })
        })?;
        Ok(match outcome {
            Outcome::Ended(code) => code,
            Outcome::Interrupted(signal) => ExitCode::from(signal),
        })
    }
}

impl HealthArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let Self { name, address, timeout, watch, json, connection } = self;
        let target = match address {
            Some(address) => connection.target(address, timeout)?,
            None => connection.local_target(timeout)?,
        };
        let outcome = until_interrupted(async {
            if watch {
                client::watch::run(&target, &name, json).await?;
            } else {
                client::health::run(&target, &name, json).await?;
            }
            Ok(ExitCode::SUCCESS)
        })?;
        Ok(match outcome {
            Outcome::Ended(code) => code,
            // That is how one stops watching.
            Outcome::Interrupted(_) if watch => ExitCode::SUCCESS,
            Outcome::Interrupted(signal) => ExitCode::from(signal),
        })
    }
}

enum Outcome {
    Ended(ExitCode),
    /// By a signal; with the exit code that shells give it.
    Interrupted(u8),
}

/// Sends the spans. The calls were made, whatever becomes of them.
async fn flush(tracing: Tracing) {
    if let Ok(Err(error)) = spawn_blocking(move || tracing.shut_down(FLUSH)).await {
        let _ = writeln!(io::stderr(), "warning: spans could not be sent: {error}");
    }
}

/// Signals are caught because process 1 of a container is not ended by them.
fn until_interrupted(
    work: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<Outcome> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut signals = shutdown_signals()?;
        tokio::select! {
            code = work => Ok(Outcome::Ended(code?)),
            signal = signals.recv() => {
                Ok(Outcome::Interrupted(if signal == Some("SIGINT") { 130 } else { 143 }))
            }
        }
    });
    // A thread may wait for standard input, and nothing but input ends that.
    runtime.shutdown_background();
    outcome
}

pub(super) fn timeout(text: &str) -> Result<Duration, String> {
    config::parse_duration(text)
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| "expected a duration above 0, up to a year, such as 250ms or 5s".to_owned())
}

/// Names that the protocol keeps for itself ("Custom-Metadata" in the gRPC
/// HTTP/2 protocol), and those that HTTP/2 does not have (RFC 9113, section 8.2.2).
const RESERVED: [&str; 9] = [
    "content-type",
    "te",
    "user-agent",
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

pub(super) fn metadata(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (key, value) = text.split_once('=').ok_or("expected a key, = and a value")?;
    let key: HeaderName = key.parse().map_err(|_| format!("{key:?} is not a key of metadata"))?;
    if key.as_str().starts_with("grpc-") || RESERVED.contains(&key.as_str()) {
        return Err(format!("{key} is reserved by gRPC"));
    }
    let is_ascii = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let value = HeaderValue::try_from(value)
        .ok()
        .filter(|_| is_ascii)
        .ok_or_else(|| format!("the value of {key} is not ASCII that can be printed"))?;
    let map = MetadataMap::from_headers([(key.clone(), value.clone())].into_iter().collect());
    if let Some(KeyAndValueRef::Binary(_, binary)) = map.iter().next()
        && binary.to_bytes().is_err()
    {
        return Err(format!("the value of {key} is not base64"));
    }
    Ok((key, value))
}
