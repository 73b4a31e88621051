//! A client of load reports, with messages of its own: the numbers of their fields are those of
//! the protocol (`orca_load_report.proto` and `orca.proto` in <https://github.com/cncf/xds>).

use std::collections::HashMap;

use http::HeaderMap;
use prost::Message;
use tonic::{
    Request, Status, Streaming, client::Grpc, codegen::http::uri::PathAndQuery,
    metadata::MetadataMap, transport::Channel,
};
use tonic_prost::ProstCodec;

pub(crate) const SERVICE: &str = "xds.service.orca.v3.OpenRcaService";
pub(crate) const STREAM: &str = "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics";

/// The trailer with a report.
pub(crate) const TRAILER: &str = "endpoint-load-metrics-bin";

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Report {
    #[prost(double, tag = "2")]
    pub(crate) mem_utilization: f64,
    #[prost(double, tag = "6")]
    pub(crate) rps_fractional: f64,
    #[prost(double, tag = "7")]
    pub(crate) eps: f64,
    #[prost(map = "string, double", tag = "8")]
    pub(crate) named_metrics: HashMap<String, f64>,
    #[prost(double, tag = "9")]
    pub(crate) application_utilization: f64,
}

#[derive(Clone, PartialEq, Message)]
struct ReportRequest {
    #[prost(message, optional, tag = "1")]
    report_interval: Option<prost_types::Duration>,
}

/// Returns the report in these trailers.
pub(crate) fn report(trailers: &HeaderMap) -> Report {
    let value = trailers.get(TRAILER).unwrap_or_else(|| panic!("no report in {trailers:?}"));
    assert!(!value.as_bytes().ends_with(b"="), "{value:?} is padded");
    let metadata = MetadataMap::from_headers(trailers.clone());
    let value = metadata.get_bin(TRAILER).expect("a report").to_bytes().expect("base64");
    Report::decode(value).expect("a report")
}

/// Begins a stream of reports, one a second.
pub(crate) async fn reports(channel: Channel) -> Result<Streaming<Report>, Status> {
    let mut client = Grpc::new(channel);
    client.ready().await.expect("it is connected");
    let path = PathAndQuery::from_static(STREAM);
    let codec = ProstCodec::<ReportRequest, Report>::default();
    let request = Request::new(ReportRequest { report_interval: None });
    Ok(client.server_streaming(request, path, codec).await?.into_inner())
}
