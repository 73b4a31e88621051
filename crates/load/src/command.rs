//! The `load` command.

use std::{
    io::{BufWriter, Write},
    pin::pin,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use channel::{
    Address, Balance, Failure, Target,
    arguments::{TlsArgs, WrongArguments, parse_metadata, parse_size},
    user_agent,
};
use clap::{Args, builder::RangedU64ValueParser};
use generic::MethodArgs;
use http::{HeaderMap, HeaderName, HeaderValue};
use prost::Message;
use tonic::{Status, metadata::MetadataMap};
use wire::{
    command::{Command, CommandError, Program, exit_code},
    duration::{is_negative, parse_timeout},
    framing::framed,
    output::stdout,
    runtime,
    signal::shutdown_signals,
};

use crate::{
    Amount, Pace, Plan, Report,
    method::{MethodCall, resolve},
};

const DEFAULT_CONCURRENCY: usize = 10;
const DEFAULT_DURATION: Duration = Duration::from_secs(10);

/// Returns the `load` command. If no other method is given, it calls the unary method at `path`,
/// such as `/SampleService/Call`. `encode` makes the request message from the text of `--message`;
/// response messages are of type `R`.
pub fn command<M: Message, R: Message + Default + 'static>(
    path: &'static str,
    encode: impl Fn(String) -> M + Send + Sync + 'static,
) -> Command {
    let about = "Measure a server: make many calls and show how long they took";
    Command::new("load", about, move |arguments: LoadArgs, program| {
        arguments.run::<M, R>(path, &encode, program)
    })
}

#[derive(Debug, Args)]
struct LoadArgs {
    /// The path of another unary method, of any server, such as /package.Service/Method.
    #[arg(value_name = "METHOD", conflicts_with_all = ["message", "size"])]
    path: Option<String>,
    /// The address of the server. Several addresses, separated by commas, or all IP addresses
    /// of a host name are called, as --balance says.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9999")]
    address: Address,
    /// How calls are balanced over several addresses, on each of the --connections.
    #[arg(long, value_name = "POLICY", value_enum, default_value_t)]
    balance: Balance,
    /// Open loop: begin N calls per second, even if earlier calls have not ended.
    #[arg(long, value_name = "N", value_parser = parse_rate, conflicts_with = "concurrency")]
    #[arg(allow_hyphen_values = true)]
    rate: Option<f64>,
    /// Closed loop: keep N calls in flight; the next begins when one ends [default: 10].
    #[arg(long, value_name = "N", value_parser = number(1_000_000))]
    #[arg(allow_negative_numbers = true)]
    concurrency: Option<usize>,
    /// Connections to each address; in a closed loop no more than calls in flight.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number(10_000))]
    #[arg(allow_negative_numbers = true)]
    connections: usize,
    /// Make calls for this time first, and leave them out of the report.
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    #[arg(allow_hyphen_values = true)]
    warmup: Option<Duration>,
    /// Stop beginning calls after this time [default: 10s].
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    #[arg(allow_hyphen_values = true)]
    duration: Option<Duration>,
    /// Stop after this number of calls.
    #[arg(long, value_name = "N", conflicts_with = "duration", allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u64>::new().range(1..))]
    calls: Option<u64>,
    /// The message of each call.
    #[arg(long, value_name = "TEXT", default_value = "test message")]
    message: String,
    /// Send a message of this size instead, such as 1KiB.
    #[arg(long, value_name = "BYTES", value_parser = parse_size, conflicts_with = "message")]
    #[arg(allow_hyphen_values = true)]
    size: Option<usize>,
    /// The timeout of the connections, and then of each call.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_timeout)]
    #[arg(allow_hyphen_values = true)]
    timeout: Duration,
    /// Metadata of each call; may be repeated. The value of a key that ends in -bin is base64,
    /// or several separated by commas.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_metadata)]
    metadata: Vec<(HeaderName, HeaderValue)>,
    /// Exit with 0 even if calls failed.
    #[arg(long)]
    allow_errors: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
    /// Wait for a server that does not accept connections yet, until the timeout.
    #[arg(long)]
    wait_for_ready: bool,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    method: MethodArgs,
}

/// More connections than a closed loop uses.
#[derive(Debug, thiserror::Error)]
#[error(
    "--connections {connections} is more than --concurrency {concurrency}: each call in flight \
     uses one connection, and the others would not be used. Pass --concurrency {connections} or \
     more, or --rate"
)]
struct UnusedConnections {
    connections: usize,
    concurrency: usize,
}

impl LoadArgs {
    fn run<M: Message, R: Message + Default + 'static>(
        self,
        path: &'static str,
        encode: impl Fn(String) -> M,
        program: Program<'_>,
    ) -> Result<ExitCode, CommandError> {
        let concurrency = self.concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        if self.rate.is_none() && self.connections > concurrency {
            let connections = self.connections;
            let error = UnusedConnections { connections, concurrency };
            return Err(CommandError::new(exit_code::ARGUMENTS, error));
        }
        let (json, allow_errors) = (self.json, self.allow_errors);
        let text = self.size.map_or_else(|| self.message.clone(), |size| "x".repeat(size));
        let own = MethodCall {
            path: path.to_owned(),
            message_size: text.len(),
            message: framed(&encode(text)),
            check: Arc::new(check::<R>),
        };
        let report = self
            .target(program)
            .map_err(Failure::from)
            .and_then(|target| self.measure(&target, own))
            .and_then(|report| print(&report, json).map(|()| report));
        match report {
            Ok(report) if report.is_success() || allow_errors => Ok(ExitCode::SUCCESS),
            Ok(_) => Ok(exit_code::RPC.into()),
            Err(failure) => failure.into_outcome(),
        }
    }

    fn target(&self, program: Program<'_>) -> Result<Target, WrongArguments> {
        Ok(Target {
            tls: self.tls.load()?,
            address: self.address.clone(),
            timeout: self.timeout,
            wait_for_ready: self.wait_for_ready,
            max_attempts: 1,
            user_agent: user_agent(program.name, program.version),
            tracing: None,
            balance: self.balance,
            outlier_detection: None,
        })
    }

    fn measure(self, target: &Target, own: MethodCall) -> Result<Report, Failure> {
        let path = self.method.method(self.path.as_slice())?;
        if path.is_none() && self.path.is_some() {
            let text = "expected the path of a method, such as /package.Service/Method";
            return Err(WrongArguments::Method(text.to_owned()).into());
        }
        let runtime = runtime::current_thread().map_err(Failure::System)?;
        let report = runtime.block_on(async {
            let mut signals = shutdown_signals().map_err(Failure::System)?;
            let mut interrupt = pin!(async {
                let _name = signals.recv().await;
            });
            let call = match path {
                None => own,
                Some(path) => tokio::select! {
                    call = resolve(&self.method, &path, target, self.metadata()) => call?,
                    () = &mut interrupt => return Err(Status::cancelled("interrupted").into()),
                },
            };
            crate::run::run(target, &self.plan(call), interrupt).await
        });
        // Does not wait: a thread may be blocked in a read of standard input.
        runtime.shutdown_background();
        report
    }

    fn metadata(&self) -> HeaderMap {
        self.metadata.iter().cloned().collect()
    }

    fn plan(&self, call: MethodCall) -> Plan {
        let concurrency = self.concurrency.unwrap_or(DEFAULT_CONCURRENCY);
        Plan {
            pace: match self.rate {
                Some(rate) => Pace::Open { rate },
                None => Pace::Closed { concurrency },
            },
            warmup: self.warmup.unwrap_or_default(),
            amount: match self.calls {
                Some(calls) => Amount::Calls(calls),
                None => Amount::Duration(self.duration.unwrap_or(DEFAULT_DURATION)),
            },
            connections: self.connections,
            path: call.path,
            message_size: call.message_size,
            message: call.message,
            check: call.check,
            metadata: MetadataMap::from_headers(self.metadata()),
        }
    }
}

fn check<R: Message + Default>(message: &[u8]) -> Result<(), Status> {
    R::decode(message).map(drop).map_err(|error| Status::internal(error.to_string()))
}

fn print(report: &Report, json: bool) -> Result<(), Failure> {
    let mut out = BufWriter::new(stdout());
    let write = if json { Report::write_json } else { Report::write_text };
    Ok(write(report, &mut out).and_then(|()| out.flush())?)
}

fn number(max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=max)
}

/// Calls per second. No machine makes more than the maximum.
const MAX_RATE: f64 = 10_000_000.0;
const MIN_RATE: f64 = 0.001;

fn parse_rate(text: &str) -> Result<f64, String> {
    let rates = MIN_RATE..=MAX_RATE;
    text.parse().ok().filter(|rate| rates.contains(rate)).ok_or_else(|| {
        let sign = if is_negative(text) { "it is negative: " } else { "" };
        format!("{sign}expected calls per second, a number from {MIN_RATE} to {MAX_RATE}")
    })
}
