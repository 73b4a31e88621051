//! The whole service from outside: in process on port 0, and as the real binary with real
//! signals, exit codes and grpcio peers.

mod references;
mod skipped;
mod structure;
mod support;
mod words;

mod server {
    #[cfg(not(feature = "http2-h2"))]
    mod authority;
    mod compression;
    mod descriptors;
    mod door;
    #[cfg(not(feature = "http2-h2"))]
    mod ended_for;
    mod health;
    mod limit;
    mod load_reports;
    mod memory;
    mod overload;
    mod own_calls;
    mod own_calls_at_the_drain;
    mod panic;
    mod panic_places;
    mod reflection;
    mod refused;
    #[cfg(not(feature = "http2-h2"))]
    mod refused_by_http2;
    // The h2 crate has other limits.
    #[cfg(not(feature = "http2-h2"))]
    mod shared_connection;
    mod shutdown;
    mod status_text;
    mod threads;
    mod tls;
    mod tls_reload;
    mod tonic_server;
    mod transport;
    mod unix_socket;
    #[cfg(not(feature = "http2-h2"))]
    mod unread;
}

mod web {
    mod browser;
    mod compression;
    mod curl;
    mod errors;
    mod get;
    mod json;
    mod limits;
    mod metadata;
    mod python;
    mod requests;
    mod streams;
    mod timeouts;
    mod tls;
}

mod client {
    mod balancing;
    mod broken_responses;
    mod generic;
    mod hostile_reflection;
    mod interop;
    mod other_servers;
    mod outliers;
    mod retry;
    mod tls;
    mod tls_reload;
}

mod cli {
    mod arguments;
    mod call;
    mod call_responses;
    mod configuration;
    mod documents;
    mod generic;
    mod health;
    mod json;
    mod load;
    mod load_addresses;
    mod output;
    mod settings_of_others;
    mod tls_files;
    mod watch;
}

mod telemetry {
    mod access_log;
    mod admin;
    mod admin_events;
    mod admin_page;
    mod admin_profile;
    mod histograms;
    mod log;
    mod log_export;
    mod metrics;
    mod otlp_metrics;
    mod prometheus;
    mod traces;
}

mod deploy {
    mod c_flags;
    mod chart;
    mod chart_release;
    mod chart_tls;
    mod chart_upgrade;
    mod chart_values;
    mod dashboard_picture;
    mod kubernetes;
    mod kubernetes_apply;
    mod kubernetes_client;
    mod kubernetes_objects;
    mod kubernetes_tools;
    mod monitoring;
    mod sbom;
    mod scripts;
    mod scripts_of_compose;
}
