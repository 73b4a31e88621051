//! `sample-service health`: the probe of the container and of Kubernetes.

use std::io::{self, Write};

use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use super::{Failure, Target};

/// Asks for the health of `name` (the empty name: of the whole server), and
/// prints it where it is SERVING.
///
/// # Errors
///
/// Where there is no connection or no answer, or where the answer is another one.
pub async fn run(target: &Target, name: &str) -> Result<(), Failure> {
    let mut client = HealthClient::new(target.connect().await?);
    let request = HealthCheckRequest { service: name.to_owned() };
    let answer = target.call(request, async |request| client.check(request).await).await?;

    match answer.status() {
        ServingStatus::Serving => {
            writeln!(io::stdout(), "SERVING")?;
            Ok(())
        }
        other => Err(Failure::Unhealthy { name: name.to_owned(), status: other.as_str_name() }),
    }
}
