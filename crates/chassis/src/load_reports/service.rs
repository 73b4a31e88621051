//! The stream of load reports ("Out of Band Metrics Reporting" in gRFC A51).

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::{Stream, StreamExt, stream::unfold};
use tokio::time::sleep;
use tonic::{Request, Response, Status};

use super::reports::LoadReports;
use crate::{
    lifecycle::{Lifecycle, State},
    method::{Origin, ServiceMethods},
    proto::xds::{
        data::orca::v3::OrcaLoadReport,
        service::orca::v3::{
            OrcaLoadReportRequest,
            open_rca_service_server::{self, OpenRcaService},
        },
    },
};

/// The shortest time between two reports of a stream, and the default.
///
/// The minimum of gRFC A51 is 30 s by default. But clients ask for 10 s by default
/// (`oob_reporting_period` in gRFC A58), and compute weights every second. One report a second for
/// each connection costs less than one call.
const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The size limit of a request in bytes: it has an interval, and maybe names.
const MESSAGE_LIMIT: usize = 1024;

/// Returns the methods of the service.
pub(crate) fn methods() -> ServiceMethods {
    let methods = ServiceMethods::described(&open_rca_service_server::DESCRIPTOR, Origin::Chassis);
    ServiceMethods { message_limit: Some(MESSAGE_LIMIT), ..methods }
}

/// Serves the load reports of a server until it drains.
#[derive(Debug)]
pub(crate) struct OpenRca {
    reports: Arc<LoadReports>,
    lifecycle: Lifecycle,
}

impl OpenRca {
    pub(crate) fn new(reports: Arc<LoadReports>, lifecycle: Lifecycle) -> Self {
        Self { reports, lifecycle }
    }
}

#[tonic::async_trait]
impl OpenRcaService for OpenRca {
    type StreamCoreMetricsStream =
        Pin<Box<dyn Stream<Item = Result<OrcaLoadReport, Status>> + Send>>;

    /// Sends a report at once and then after each interval, until the drain. Reports have no
    /// request costs, so the names of costs in the request are ignored.
    async fn stream_core_metrics(
        &self,
        request: Request<OrcaLoadReportRequest>,
    ) -> Result<Response<Self::StreamCoreMetricsStream>, Status> {
        let interval = request.into_inner().report_interval;
        // A negative interval counts as none.
        let interval = interval.and_then(|interval| Duration::try_from(interval).ok());
        let interval = interval.unwrap_or_default().max(MIN_INTERVAL);
        let reports = Arc::clone(&self.reports);
        let reports = unfold((reports, Duration::ZERO), move |(reports, wait)| async move {
            sleep(wait).await;
            Some((Ok(reports.report()), (reports, interval)))
        });
        // A stream that stays open would delay the drain.
        let lifecycle = self.lifecycle.clone();
        let draining = async move { lifecycle.reached(State::Draining).await };
        Ok(Response::new(Box::pin(reports.take_until(draining))))
    }
}
