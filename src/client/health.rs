//! `sample-service health`: the probe of the container and of Kubernetes.

use std::io::{self, Write};

use serde_json::json;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Channel, Failure, Target};

/// Asks for the health of `name` (the empty name: of the whole server), and
/// prints it where it is SERVING, or as JSON whatever it is.
///
/// # Errors
///
/// Where there is no connection or no answer, or where the answer is another one.
pub async fn run(target: &Target, name: &str, json: bool) -> Result<(), Failure> {
    let channel = Channel::new(target);
    channel.connected().await?;
    let request = HealthCheckRequest { service: name.to_owned() };
    let status = HealthClient::new(channel).check(request).await?.into_inner().status();

    let serving = status == ServingStatus::Serving;
    let status = status.as_str_name();
    if json {
        writeln!(io::stdout(), "{}", json!({ "name": name, "status": status }))?;
    } else if serving {
        writeln!(io::stdout(), "{status}")?;
    }
    if serving { Ok(()) } else { Err(Failure::Unhealthy { name: name.to_owned(), status }) }
}
