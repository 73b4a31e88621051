//! `load`: the command that measures.

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use bytesize::ByteSize;
use clap::{Args, builder::RangedU64ValueParser};
use http::{HeaderName, HeaderValue};
use tokio::runtime;
use tonic::metadata::MetadataMap;

use super::{
    client::{TlsArgs, WrongArguments, metadata, timeout},
    probe,
};
use crate::{
    client::{
        Address, Failure, Target,
        load::{self, Amount, Pace, Plan, Report},
    },
    server::shutdown_signals,
};

const CONCURRENCY: usize = 10;
const DURATION: Duration = Duration::from_secs(10);

#[derive(Debug, Args)]
pub(super) struct LoadArgs {
    /// Where the server is; several with commas between, or all addresses of a name, are
    /// called in turn.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9999")]
    address: Address,
    /// Open loop: so many calls begin each second, whatever becomes of those before.
    #[arg(long, value_name = "N", value_parser = rate, conflicts_with = "concurrency")]
    rate: Option<f64>,
    /// Closed loop: so many calls are in flight, the next begins when one ends [default: 10].
    #[arg(long, value_name = "N", value_parser = number(1_000_000))]
    concurrency: Option<usize>,
    /// Connections to each address; in a closed loop no more than calls in flight.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number(10_000))]
    connections: usize,
    /// How long calls begin [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = timeout)]
    duration: Option<Duration>,
    /// How many calls there are in all.
    #[arg(long, value_name = "N", conflicts_with = "duration")]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    calls: Option<u64>,
    /// What each call says.
    #[arg(long, value_name = "TEXT", default_value = "test message")]
    message: String,
    /// How much it says, such as 1KiB.
    #[arg(long, value_name = "BYTES", value_parser = size, conflicts_with = "message")]
    size: Option<usize>,
    /// How long the connections, and then each call, may take.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = timeout)]
    timeout: Duration,
    /// Sent with each call; may be repeated. The value of a key in -bin is in base64.
    #[arg(long, value_name = "KEY=VALUE", value_parser = metadata)]
    metadata: Vec<(HeaderName, HeaderValue)>,
    /// Exit with 0 though calls failed.
    #[arg(long)]
    allow_errors: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Wait for a server that is not there yet, until the timeout.
    #[arg(long)]
    wait_for_ready: bool,
    #[command(flatten)]
    tls: TlsArgs,
}

impl LoadArgs {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let concurrency = self.concurrency.unwrap_or(CONCURRENCY);
        if self.rate.is_none() && self.connections > concurrency {
            let connections = self.connections;
            return Err(WrongArguments::Connections { connections, concurrency }.into());
        }
        let target = Target {
            tls: self.tls.load()?,
            address: self.address,
            timeout: self.timeout,
            wait_for_ready: self.wait_for_ready,
            max_attempts: 1,
            tracing: None,
        };
        let plan = Plan {
            pace: match self.rate {
                Some(rate) => Pace::Open { rate },
                None => Pace::Closed { concurrency },
            },
            amount: match self.calls {
                Some(calls) => Amount::Calls(calls),
                None => Amount::Duration(self.duration.unwrap_or(DURATION)),
            },
            connections: self.connections,
            message: self.size.map_or(self.message, |size| "x".repeat(size)),
            metadata: MetadataMap::from_headers(self.metadata.into_iter().collect()),
        };
        let report = measure(&target, &plan)?;
        let mut out = io::stdout().lock();
        let write = if self.json { Report::write_json } else { Report::write_text };
        write(&report, &mut out).and_then(|()| out.flush()).map_err(Failure::Io)?;
        let is_success = report.is_success() || self.allow_errors;
        Ok(if is_success { ExitCode::SUCCESS } else { ExitCode::from(probe::RPC) })
    }
}

fn measure(target: &Target, plan: &Plan) -> anyhow::Result<Report> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = shutdown_signals()?;
        let interrupt = async {
            let _name = signals.recv().await;
        };
        Ok(load::run(target, plan, interrupt).await?)
    })
}

fn number(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

/// Calls a second; more than that no machine makes.
const HIGHEST_RATE: f64 = 10_000_000.0;
const LOWEST_RATE: f64 = 0.001;

fn rate(text: &str) -> Result<f64, String> {
    let rates = LOWEST_RATE..=HIGHEST_RATE;
    text.parse().ok().filter(|rate| rates.contains(rate)).ok_or_else(|| {
        format!("expected calls a second, a number from {LOWEST_RATE} to {HIGHEST_RATE}")
    })
}

const LARGEST: u64 = ByteSize::gib(1).as_u64();

fn size(text: &str) -> Result<usize, String> {
    let bytes = text.parse::<ByteSize>().ok().map(|size| size.as_u64());
    bytes
        .filter(|&bytes| bytes <= LARGEST)
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| "expected a size up to 1GiB, such as 100 or 16KiB".to_owned())
}
