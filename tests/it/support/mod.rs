//! What the tests share: servers, peers and files.

pub(crate) mod api_server;
pub(crate) mod browser;
pub(crate) mod certificates;
pub(crate) mod chart;
pub(crate) mod collector;
pub(crate) mod dashboard;
pub(crate) mod frames;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod in_process;
pub(crate) mod manifests;
pub(crate) mod metrics;
pub(crate) mod orca;
pub(crate) mod panicking_service;
pub(crate) mod process;
pub(crate) mod program;
pub(crate) mod prometheus;
pub(crate) mod python;
pub(crate) mod schemas;
pub(crate) mod scripted;
pub(crate) mod test_service;
pub(crate) mod tls;
pub(crate) mod volume;
pub(crate) mod web;
pub(crate) mod wire;
