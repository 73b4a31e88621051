//! The server's settings: what they are, the layers that they come from, and
//! what is wrong with them.
//!
//! Every fault is found before the first is reported, and all are found before
//! anything is bound. The defaults and their meaning are `config/default.toml`.

mod fault;
mod layer;
mod opentelemetry;
mod reader;
mod show;
mod value;

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

pub use fault::{Fault, Faults};
pub use layer::{Flag, Layers};
pub use reader::Effective;
pub use value::{
    Access, Endpoint, LogFormat, NonZeroDuration, Permits, Ratio, Size, parse_duration,
};

use reader::Reader;
use tracing::level_filters::LevelFilter;

/// The default settings, as the commented TOML file that documents them.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// A call's own headers, with those that its client adds, in bytes.
const LEAST_HEADER_LIST: u32 = 1024;

/// All settings of the server.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Where it listens, and how much it does at once.
    pub server: Server,
    /// What a call does.
    pub service: Service,
    /// Who waits when every worker is busy.
    pub queue: Queue,
    /// How long a call may take.
    pub deadline: Deadline,
    /// What a peer may take of it.
    pub limits: Limits,
    /// How dead peers are found.
    pub keepalive: Keepalive,
    /// What it proves itself with; without, it serves plaintext.
    pub tls: Option<Tls>,
    /// How it ends.
    pub shutdown: Shutdown,
    /// Whether it describes itself.
    pub reflection: Reflection,
    /// What it logs, and how.
    pub log: Log,
    /// Where it can be asked how it does.
    pub metrics: Metrics,
    /// Where it reports what each call did.
    pub tracing: Tracing,
}

/// `[server]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Where calls are served.
    pub address: SocketAddr,
    /// How many calls are worked on at once.
    pub max_workers: Permits,
    /// Where health alone is served.
    pub health_address: Option<SocketAddr>,
}

/// `[service]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The time that each call pretends to work.
    pub work: Duration,
}

/// `[queue]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// How many calls may wait for a worker.
    pub length: usize,
    /// How long a call may wait.
    pub timeout: Duration,
}

/// `[deadline]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deadline {
    /// The time of a call whose caller gives it none; not above `max`.
    pub default: NonZeroDuration,
    /// The most that a caller may give.
    pub max: NonZeroDuration,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The size of a request's message, in bytes.
    pub message: Size,
    /// Calls at once on one connection.
    pub streams: NonZeroU32,
    /// The size of all headers of a call together, in bytes.
    pub header_list: Size,
    /// Connections at once.
    pub connections: Permits,
    /// The time from the connection to the first bytes of HTTP/2.
    pub handshake: NonZeroDuration,
    /// The age at which a connection is asked to end; zero for none.
    pub connection_age: Duration,
}

/// `[keepalive]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keepalive {
    /// How often a silent peer is asked; zero for never.
    pub interval: Duration,
    /// How long it may take to answer.
    pub timeout: NonZeroDuration,
}

/// `[tls]`: files in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// The key of the certificate.
    pub key: PathBuf,
    /// The authorities whose clients alone are served.
    pub client_ca: Option<PathBuf>,
}

/// `[shutdown]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shutdown {
    /// How long calls are served after readiness has ended.
    pub lame_duck: Duration,
    /// How long calls in flight then have to finish.
    pub drain: Duration,
    /// How long the last spans and the last lines of the log may then take.
    pub flush: Duration,
}

/// `[reflection]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reflection {
    /// Whether gRPC server reflection is served.
    pub enabled: bool,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The least severe level that is logged.
    pub level: LevelFilter,
    /// How a line is written.
    pub format: LogFormat,
    /// Which calls leave a line.
    pub access: Access,
    /// The time above which a call always leaves one.
    pub slow: Duration,
}

/// `[metrics]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// Where metrics and probes are served on HTTP.
    pub address: Option<SocketAddr>,
}

/// `[tracing]`
#[derive(Debug, Clone, PartialEq)]
pub struct Tracing {
    /// Where spans are sent; without it there are none.
    pub endpoint: Option<Endpoint>,
    /// The part of the traces that begin here which is kept.
    pub sample: Ratio,
}

/// Settings, and where each value came from.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings in force.
    pub settings: Settings,
    /// Each value in the order of `config/default.toml`, with its source.
    pub effective: Vec<Effective>,
}

/// Merges the layers and checks every value.
///
/// # Errors
///
/// All faults of all layers at once, each with its key and its source.
pub fn load(layers: &Layers) -> Result<Loaded, Faults> {
    let (merged, faults) = layers.merge();
    let mut reader = Reader::new(merged, faults);

    let server = server(&mut reader);
    let service = service(&mut reader);
    let queue = queue(&mut reader);
    let deadline = deadline(&mut reader);
    let limits = limits(&mut reader);
    let keepalive = keepalive(&mut reader);
    let tls = tls(&mut reader);
    let shutdown = shutdown(&mut reader);
    let reflection = reflection(&mut reader);
    let log = log(&mut reader);
    let metrics = metrics(&mut reader);
    let tracing = tracing(&mut reader);

    let settings = (|| {
        Some(Settings {
            server: server?,
            service: service?,
            queue: queue?,
            deadline: deadline?,
            limits: limits?,
            keepalive: keepalive?,
            tls,
            shutdown: shutdown?,
            reflection: reflection?,
            log: log?,
            metrics: metrics?,
            tracing: tracing?,
        })
    })();
    reader.finish(settings)
}

// Each of these asks for all of its values before the first `?`, so that one
// fault does not hide the next.

fn server(values: &mut Reader) -> Option<Server> {
    let address = values.get("server.address");
    let max_workers = values.get("server.max_workers");
    let health_address = values.get("server.health_address");
    Some(Server { address: address?, max_workers: max_workers?, health_address: health_address? })
}

fn service(values: &mut Reader) -> Option<Service> {
    let work = values.get("service.work");
    Some(Service { work: work? })
}

fn queue(values: &mut Reader) -> Option<Queue> {
    let length = values.get("queue.length");
    let timeout = values.get("queue.timeout");
    Some(Queue { length: length?, timeout: timeout? })
}

fn deadline(values: &mut Reader) -> Option<Deadline> {
    let default = values.get("deadline.default");
    let max = values.get("deadline.max");
    let (default, max): (NonZeroDuration, NonZeroDuration) = (default?, max?);
    if default > max {
        values.fault("deadline.default", "is more than deadline.max");
    }
    Some(Deadline { default, max })
}

fn limits(values: &mut Reader) -> Option<Limits> {
    let message = values.get("limits.message");
    let streams = values.get("limits.streams");
    let header_list = values.get("limits.header_list");
    let connections = values.get("limits.connections");
    let handshake = values.get("limits.handshake");
    let connection_age = values.get("limits.connection_age");
    let header_list: Size = header_list?;
    if header_list.get() < LEAST_HEADER_LIST {
        values.fault("limits.header_list", "is less than the 1KiB that the headers of a call need");
    }
    Some(Limits {
        message: message?,
        streams: streams?,
        header_list,
        connections: connections?,
        handshake: handshake?,
        connection_age: connection_age?,
    })
}

fn keepalive(values: &mut Reader) -> Option<Keepalive> {
    let interval = values.get("keepalive.interval");
    let timeout = values.get("keepalive.timeout");
    Some(Keepalive { interval: interval?, timeout: timeout? })
}

/// Nothing where there is to be no TLS, or a fault.
fn tls(values: &mut Reader) -> Option<Tls> {
    let certificate: Option<Option<PathBuf>> = values.get("tls.certificate");
    let key: Option<Option<PathBuf>> = values.get("tls.key");
    let client_ca: Option<Option<PathBuf>> = values.get("tls.client_ca");
    let (certificate, key, client_ca) = (certificate?, key?, client_ca?);
    match (&certificate, &key) {
        (Some(_), None) => values.fault("tls.certificate", "needs tls.key, the file of its key"),
        (None, Some(_)) => values.fault("tls.key", "needs tls.certificate, what it is the key of"),
        _ => {}
    }
    if client_ca.is_some() && certificate.is_none() {
        values.fault("tls.client_ca", "needs tls.certificate: without TLS no client proves itself");
    }
    Some(Tls { certificate: certificate?, key: key?, client_ca })
}

fn shutdown(values: &mut Reader) -> Option<Shutdown> {
    let lame_duck = values.get("shutdown.lame_duck");
    let drain = values.get("shutdown.drain");
    let flush = values.get("shutdown.flush");
    Some(Shutdown { lame_duck: lame_duck?, drain: drain?, flush: flush? })
}

fn reflection(values: &mut Reader) -> Option<Reflection> {
    let enabled = values.get("reflection.enabled");
    Some(Reflection { enabled: enabled? })
}

fn log(values: &mut Reader) -> Option<Log> {
    let level = values.get("log.level");
    let format = values.get("log.format");
    let access = values.get("log.access");
    let slow = values.get("log.slow");
    Some(Log { level: level?, format: format?, access: access?, slow: slow? })
}

fn metrics(values: &mut Reader) -> Option<Metrics> {
    let address = values.get("metrics.address");
    Some(Metrics { address: address? })
}

fn tracing(values: &mut Reader) -> Option<Tracing> {
    let endpoint = values.get("tracing.endpoint");
    let sample = values.get("tracing.sample");
    Some(Tracing { endpoint: endpoint?, sample: sample? })
}
