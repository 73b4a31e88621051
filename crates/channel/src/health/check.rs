//! One health check.

use serde_json::json;
use tonic::Request;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::{Channel, Failure, OneMessage, Target, output::print};

/// Checks the health of the service `name`, or of the whole server if it is empty. Prints the
/// status if it is SERVING, or any status as JSON.
///
/// # Errors
///
/// Returns an error if there is no connection or no response, if the status is not SERVING,
/// or if output fails.
pub(super) async fn run(target: &Target, name: &str, json: bool) -> Result<(), Failure> {
    let channel = Channel::new(target);
    channel.connected().await?;
    let mut request = Request::new(HealthCheckRequest { service: name.to_owned() });
    request.extensions_mut().insert(OneMessage);
    let status = HealthClient::new(channel).check(request).await?.into_inner().status();

    let is_serving = status == ServingStatus::Serving;
    let status = status.as_str_name();
    if json {
        print(json!({ "name": name, "status": status })).await?;
    } else if is_serving {
        print(status).await?;
    }
    if is_serving { Ok(()) } else { Err(Failure::Unhealthy { name: name.to_owned(), status }) }
}
