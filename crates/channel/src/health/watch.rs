//! A watch that prints each change of a server's health.

use std::{io, time::SystemTime};

use serde_json::Value;
use tokio::time::sleep;
use tonic::{Code, Status};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use wire::{code::code_name, escape::Escaped};

use crate::{
    Channel, Failure, MIN_RECONNECT_BACKOFF, Target,
    backoff::Backoff,
    output::{self, status_json},
    reconnect::MAX_RECONNECT_BACKOFF,
};

/// Prints the health of the service `name` at first and at each change, with its time. Prints
/// a line if the connection is lost, and connects again. It ends only with an error.
///
/// # Errors
///
/// Returns an error if there is no connection at the start, if the server does not allow the
/// watch, or if output fails.
pub(super) async fn run(target: &Target, name: &str, json: bool) -> Result<(), Failure> {
    let channel = Channel::new(target);
    channel.connected().await?;
    let mut client = HealthClient::new(channel.without_deadline());
    let mut backoff = Backoff::new(MIN_RECONNECT_BACKOFF, MAX_RECONNECT_BACKOFF);
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
                        Ok(Some(response)) => {
                            backoff.reset();
                            let status = response.status().as_str_name();
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
        // Only the first failed attempt to connect again is printed.
        if last.take().is_some() {
            let (code, message) = (code_name(end.code()), Escaped(end.message()));
            let text = format!("lost, connecting again: {code}: {message}");
            print(json, "lost", &status_json(&end), &text).await?;
        }
        sleep(backoff.next()).await;
    }
}

async fn print(json: bool, name: &str, value: &Value, text: &str) -> io::Result<()> {
    let time = humantime::format_rfc3339_millis(SystemTime::now());
    if json {
        output::print(format_args!(r#"{{"time":"{time}","{name}":{value}}}"#)).await
    } else {
        output::print(format_args!("{time} {text}")).await
    }
}
