//! The settings of the chassis, each declared once: type, default, flag and meaning.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf, time::Duration};

use tracing::level_filters::LevelFilter;
use wire::socket::Socket;

use super::{
    check::{check_deadline, check_limits, check_tls},
    declare::{Declaration, FlagDeclaration, Section, settings},
    memory::Memory,
    reader::Reader,
    types::{
        Access, Endpoint, Histograms, LogFormat, NonZeroDuration, Permits, Ratio, Responses, Share,
        Size, SocketMode,
    },
    web::{Origins, Protocols},
};

settings! {
    /// Where the server listens, and how many calls it handles at once.
    [server] pub Server {
        /// Where calls are served: an IP address and a port, or `unix:` and the path of a
        /// Unix socket. `[::]` is every address of the machine, IPv4 included. If the port
        /// is 0, the system chooses a free one, and the log names it. A Unix socket is
        /// removed at the end, and one that a server has left behind is replaced.
        address: Socket = "[::]:9999",
            flag "--address" "ADDRESS" "Where to serve, such as [::]:9999 or unix:/run/server.sock";
        /// The permissions of the Unix socket: clients need to write to it. "0660" lets in
        /// the server's user and group; a client of another user needs the same group.
        socket_mode: SocketMode = "0660";
        /// The concurrency limit: calls handled at once in the whole process. More
        /// calls wait in the queue. Health checks do not count and never wait.
        max_workers: Permits = 5,
            flag "--max-workers" "N" "The concurrency limit: calls handled at once";
        /// Where only health checks are served, without TLS, for probes: an IP address
        /// and a port. This listener closes last. If it is "", there is no such
        /// listener. Health checks are served at `address` in any case.
        health_address: Option<SocketAddr> = "";
        /// The protocols, all at `address`: "grpc", "grpc-web" for pages in browsers, and
        /// "connect", in which a call is a plain HTTP request with JSON: docs/connect.md.
        /// With one of the last two, HTTP/1.1 is served beside HTTP/2.
        protocols: Protocols = ["grpc", "grpc-web", "connect"];
    }

    /// Pages of other origins in browsers (CORS).
    [cors] pub Cors {
        /// The origins whose pages may call with gRPC-Web or Connect, such as
        /// `["https://app.example.com"]`, or `["*"]` for all. Pages of the server's own origin
        /// always may. No page may send cookies.
        origins: Origins = [];
    }

    /// The queue of the calls that wait for a worker.
    [queue] pub Queue {
        /// Calls that may wait for a worker, or 0 for no queue. If the queue is full, a
        /// call is refused at once with RESOURCE_EXHAUSTED and a retry hint.
        length: usize = 100;
        /// The longest time that a call waits in the queue.
        timeout: Duration = "5s";
    }

    /// Calls of streaming methods.
    [streaming] pub Streaming {
        /// Streaming calls in progress at once in the whole process. A stream never
        /// occupies a worker. Over the limit, a stream is refused at once with
        /// RESOURCE_EXHAUSTED and a retry hint.
        limit: Permits = 1000;
    }

    /// Deadlines of calls. A deadline includes the time in which the request arrives
    /// and the time in the queue.
    [deadline] pub Deadline, check check_deadline {
        /// The deadline of a unary call if its caller sets none (grpc-timeout). A
        /// streaming call then has no deadline.
        default: NonZeroDuration = "30s";
        /// The longest deadline that a caller can set. A longer one is shortened to it.
        /// The deadlines of streaming calls are not limited.
        max: NonZeroDuration = "5m";
    }

    /// Limits on what one peer or one request can use, and on all of them together.
    [limits] pub Limits, check check_limits {
        /// The memory budget: what callers can make the server hold. That is connections,
        /// header fields, messages as they arrive, in the queue and with handlers, and
        /// responses that clients have not read. A request that does not fit is refused with
        /// RESOURCE_EXHAUSTED and a retry hint. If there is none to refuse, the connection
        /// that holds the most is closed. "auto" is three quarters of what the container's
        /// limit leaves beside 16MiB, or without a limit half of the machine's memory.
        memory: Memory = "auto";
        /// The largest request message, both compressed and decompressed.
        message: Size = "4MiB";
        /// Calls at once on one connection (MAX_CONCURRENT_STREAMS of HTTP/2).
        streams: NonZeroU32 = 200;
        /// The largest total size of the headers of one request.
        header_list: Size = "16KiB";
        /// The most header fields of one request. A request over this limit or over
        /// `header_list` gets HTTP status 431.
        header_fields: Permits = 100;
        /// The longest time in which a client reads nothing of a response. Then the call ends
        /// with RESOURCE_EXHAUSTED. "0s" is no limit.
        stalled: Duration = "30s";
        /// Connections at once. At the limit, the connection that has had no call for the
        /// longest time is told to close (GOAWAY) for a new one. If all have calls, the new
        /// one is closed as soon as it is accepted.
        connections: Permits = 10000;
        /// Connections at once from one IPv4 address, or from one IPv6 network of 64 bits: a
        /// number, a percentage of `connections`, or 0 for no limit. Over the limit, a
        /// connection is closed as soon as it is accepted. Behind a proxy or in a service mesh
        /// all clients have the proxy's address, so it must be 0.
        connections_per_peer: Share = "25%";
        /// The longest time from accepting a connection to its first bytes of HTTP/2, or to
        /// the head of its first request of HTTP/1, including the TLS handshake. A connection
        /// of HTTP/1 is closed after the same time without a request.
        handshake: NonZeroDuration = "10s";
        /// The age at which the server asks the client to close a connection (GOAWAY),
        /// plus or minus 10 percent, or "0s" for none. The client then connects again and
        /// can find new servers. Calls in flight finish first.
        connection_age: Duration = "0s";
    }

    /// Compression of messages with gzip or zstd.
    [compression] pub Compression {
        /// When responses are compressed: "mirror" if the request was compressed,
        /// "always" if the client accepts it, or "never".
        responses: Responses = "mirror";
    }

    /// Detection of peers that are gone.
    [keepalive] pub Keepalive {
        /// The time without any data from a peer after which the server sends it a
        /// keepalive PING of HTTP/2, or "0s" for none.
        interval: Duration = "30s";
        /// The time to wait for the answer to a PING before the connection is closed.
        timeout: NonZeroDuration = "10s";
    }

    /// Certificates and keys: PEM files, which are read again when they change. ""
    /// means no file.
    [tls] pub(super) TlsFiles as Option<Tls>, check check_tls {
        /// The file with the server's certificate and the intermediate certificates, or
        /// "" for plaintext. If it is set, server.address serves only TLS.
        certificate: Option<PathBuf> = "";
        /// The file with the private key of the certificate.
        key: Option<PathBuf> = "";
        /// The file with the authorities that issue client certificates (mutual TLS).
        /// A client must then present a certificate from one of them. "" accepts every
        /// client.
        client_ca: Option<PathBuf> = "";
    }

    /// The graceful shutdown, which SIGTERM or SIGINT starts. Kubernetes'
    /// terminationGracePeriodSeconds must be longer than the sum of these times.
    [shutdown] pub Shutdown {
        /// Lame duck: how long calls are still served after readiness has become
        /// NOT_SERVING, so that load balancers can notice.
        lame_duck: Duration = "5s";
        /// The longest time after the lame duck time for calls in flight to finish.
        /// Calls that take longer end with UNAVAILABLE.
        drain: Duration = "20s";
        /// The longest time after the drain to send the last spans, metrics and log records and to
        /// write the last log lines.
        flush: Duration = "2s";
    }

    /// gRPC server reflection.
    [reflection] pub Reflection {
        /// Whether tools such as grpcurl can list services and methods.
        enabled: bool = true;
    }

    /// Load reports for clients that balance by load (ORCA): docs/load-balancing.md.
    [load_reports] pub LoadReports {
        /// Whether each response has a report of the server's load in its trailers, and
        /// clients can ask for a stream of reports (xds.service.orca.v3.OpenRcaService).
        enabled: bool = false;
    }

    /// The log, which is written to standard output and can be sent to a collector.
    [log] pub Log {
        /// The least severe level that is logged: "off", "error", "warn", "info",
        /// "debug" or "trace"; the variable RUST_LOG wins. At "debug" the log contains the
        /// text of requests, which can be private. Libraries log at "info" or a more
        /// severe level, unless RUST_LOG names them.
        level: LevelFilter = "info",
            flag "--log-level" "LEVEL" "off, error, warn, info, debug or trace";
        /// The format of log lines: "text" for people, or "json", one object per line,
        /// for machines.
        format: LogFormat = "text", flag "--log-format" "FORMAT" "text or json";
        /// The calls that are logged: "all", "errors" (those that do not end with OK)
        /// or "off". Calls of health, reflection and load reports are logged only if they
        /// fail, or at level "debug".
        access: Access = "all";
        /// The duration above which a call is logged at level "warn", even if `access`
        /// leaves it out.
        slow: Duration = "1s";
        /// Where log records are sent beside standard output (OTLP over gRPC): a URL such as
        /// `http://localhost:4317`, or "" for standard output alone.
        /// OTEL_EXPORTER_OTLP_ENDPOINT has the same effect if the variable of this setting is
        /// not set.
        endpoint: Option<Endpoint> = "";
    }

    /// Metrics for Prometheus and for OpenTelemetry, and the admin page.
    [metrics] pub Metrics {
        /// Where /metrics, /livez, /readyz and the admin page are served over plain HTTP: an
        /// IP address and a port. This listener closes when the process exits. If it is "",
        /// there is no such listener.
        address: Option<SocketAddr> = "";
        /// The buckets of histograms: "classic" for fixed bounds, "native" for those of
        /// Prometheus' native histograms, or "both". Native buckets are in the protobuf
        /// format alone: text has only their sum and count.
        histograms: Histograms = "classic";
        /// Where metrics are sent (OTLP over gRPC), beside `address` or without it: a URL such
        /// as `http://localhost:4317`, or "" for no export. OTEL_EXPORTER_OTLP_ENDPOINT has
        /// the same effect if the variable of this setting is not set.
        endpoint: Option<Endpoint> = "";
    }

    /// What the admin page can change: docs/operations.md.
    [admin] pub Admin {
        /// The file with the token that changes of the log level and CPU profiles need, as
        /// `Authorization: Bearer`: at least 16 characters. It is read again at each use. ""
        /// refuses them.
        token: Option<PathBuf> = "";
    }

    /// Traces in OpenTelemetry's format.
    [tracing] pub Tracing {
        /// Where spans are sent (OTLP over gRPC): a URL such as `http://localhost:4317`, or
        /// "" for no tracing. OTEL_EXPORTER_OTLP_ENDPOINT has the same effect if the
        /// variable of this setting is not set. docs/operations.md lists the other
        /// variables of OpenTelemetry.
        endpoint: Option<Endpoint> = "";
        /// The share of the traces starting here that is recorded, from 0.0 to 1.0. If
        /// a call belongs to its caller's trace, the caller has decided.
        sample: Ratio = 1.0;
    }
}

/// The files for TLS, if TLS is enabled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The server's certificate and the intermediate certificates.
    pub certificate: PathBuf,
    /// The private key of the certificate.
    pub key: PathBuf,
    /// The authorities that issue client certificates. Without it, every client is accepted.
    pub client_ca: Option<PathBuf>,
}

impl From<TlsFiles> for Option<Tls> {
    fn from(files: TlsFiles) -> Self {
        let TlsFiles { certificate, key, client_ca } = files;
        Some(Tls { certificate: certificate?, key: key?, client_ca })
    }
}

impl Tracing {
    /// Returns the settings of the export of spans, or `None` if tracing is disabled.
    pub fn trace_settings(&self) -> Option<wire::trace::TraceSettings> {
        let endpoint = self.endpoint.as_ref()?.get().to_string();
        Some(wire::trace::TraceSettings { endpoint, sample: self.sample.get() })
    }
}
