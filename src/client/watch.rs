//! `sample-service health --watch`: prints each change of a server's health.

use std::{io, time::SystemTime};

use serde_json::Value;
use tokio::time::sleep;
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use super::{
    Channel, Failure, Target,
    backoff::Backoff,
    balancer::{FIRST_BACKOFF, LONGEST_BACKOFF},
    call::{self, error},
};
use crate::telemetry::code_name;

/// Prints the health of `name` at first and at each change, with its time. Where
/// the connection is lost it says so, and connects again.
///
/// # Errors
///
/// Where there is no connection at the start, where the server cannot be
/// watched, and where output fails. It does not end otherwise.
pub async fn run(target: &Target, name: &str, json: bool) -> Result<(), Failure> {
    let channel = Channel::new(target);
    channel.connected().await?;
    let mut client = HealthClient::new(channel.without_deadline());
    let mut backoff = Backoff::new(FIRST_BACKOFF, LONGEST_BACKOFF);
    let mut last = None;
    loop {
        let request = HealthCheckRequest { service: name.to_owned() };
        let end = match client.watch(request).await {
            Err(status) => status,
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Err(status) => break status,
                        Ok(None) => break Status::unavailable("the server ended the watch"),
                        Ok(Some(answer)) => {
                            backoff.reset();
                            let status = answer.status().as_str_name();
                            if last.replace(status) != Some(status) {
                                print(json, "status", &status.into(), status).await?;
                            }
                        }
                    }
                }
            }
        };
        if matches!(
            end.code(),
            Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated
        ) {
            return Err(end.into());
        }
        // Once, however long it takes to connect again.
        if last.take().is_some() {
            let text =
                format!("lost, connecting again: {}: {}", code_name(end.code()), end.message());
            print(json, "lost", &error(&end), &text).await?;
        }
        sleep(backoff.next()).await;
    }
}

async fn print(json: bool, name: &str, value: &Value, text: &str) -> io::Result<()> {
    let time = humantime::format_rfc3339_millis(SystemTime::now());
    if json {
        call::print(format_args!(r#"{{"time":"{time}","{name}":{value}}}"#)).await
    } else {
        call::print(format_args!("{time} {text}")).await
    }
}
