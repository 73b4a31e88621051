//! A watch that prints each change of a server's health.

use std::{
    collections::BTreeSet,
    io,
    time::{Duration, SystemTime},
};

use serde_json::Value;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse, health_client::HealthClient};

use crate::{
    Channel, Failure, MIN_RECONNECT_BACKOFF, Target,
    backoff::Backoff,
    output::{self, status_json, status_line},
    reconnect::MAX_RECONNECT_BACKOFF,
};

/// Prints the health of the service `name` at first and at each change, with its time. Prints
/// a line if the connection is lost, and connects again. It ends only with an error.
///
/// Until the first status it prints why there is none, each reason once.
///
/// # Errors
///
/// Returns an error if there is no connection at the start, or no status within the timeout.
/// Returns an error too if the server does not allow the watch, or if output fails.
pub(super) async fn run(target: &Target, name: &str, json: bool) -> Result<(), Failure> {
    // The channel does not wait for a connection, so that each failure is known at once.
    let channel = Channel::new(&Target { wait_for_ready: false, ..target.clone() });
    let mut watch = Watch {
        name,
        json,
        client: HealthClient::new(channel.without_deadline()),
        backoff: Backoff::new(MIN_RECONNECT_BACKOFF, MAX_RECONNECT_BACKOFF),
        last: None,
    };
    let mut reasons = Reasons::default();
    let first = watch.first(&channel, target.wait_for_ready, &mut reasons);
    let mut stream = match timeout(target.timeout, first).await {
        Ok(first) => Some(first?),
        Err(_elapsed) => return Err(reasons.timed_out(target.timeout)),
    };
    loop {
        let end = match stream.take() {
            Some(stream) => watch.follow(stream).await?,
            None => match watch.begin().await {
                Ok(stream) => watch.follow(stream).await?,
                Err(status) => status,
            },
        };
        if is_final(&end) {
            return Err(end.into());
        }
        // Only the first failed attempt to connect again is printed.
        if watch.last.take().is_some() {
            let text = format!("lost, connecting again: {}", status_line(&end));
            print(json, "lost", &status_json(&end), &text).await?;
        }
        sleep(watch.backoff.next()).await;
    }
}

struct Watch<'a> {
    name: &'a str,
    json: bool,
    client: HealthClient<Channel>,
    backoff: Backoff,
    /// The last status that was printed, unless the connection was lost after it.
    last: Option<&'static str>,
}

impl Watch<'_> {
    /// Waits for the first status, prints it, and returns the stream of the others.
    async fn first(
        &mut self,
        channel: &Channel,
        wait_for_ready: bool,
        reasons: &mut Reasons,
    ) -> Result<Streaming<HealthCheckResponse>, Failure> {
        loop {
            let failure = match channel.connected().await {
                Err(failure) if !wait_for_ready => return Err(failure),
                Err(failure) => failure,
                Ok(()) => {
                    let begun = match self.begin().await {
                        Ok(mut stream) => {
                            next(&mut stream).await.map(|response| (response, stream))
                        }
                        Err(status) => Err(status),
                    };
                    match begun {
                        Ok((response, stream)) => {
                            self.show(&response).await?;
                            return Ok(stream);
                        }
                        Err(status) if is_final(&status) => return Err(status.into()),
                        Err(status) => status.into(),
                    }
                }
            };
            reasons.say(failure, self.json).await?;
            sleep(self.backoff.next()).await;
        }
    }

    async fn begin(&mut self) -> Result<Streaming<HealthCheckResponse>, Status> {
        let request = HealthCheckRequest { service: self.name.to_owned() };
        Ok(self.client.watch(request).await?.into_inner())
    }

    /// Prints the changes until the stream ends, and returns why it has ended.
    async fn follow(&mut self, mut stream: Streaming<HealthCheckResponse>) -> io::Result<Status> {
        loop {
            match next(&mut stream).await {
                Ok(response) => self.show(&response).await?,
                Err(end) => return Ok(end),
            }
        }
    }

    async fn show(&mut self, response: &HealthCheckResponse) -> io::Result<()> {
        self.backoff.reset();
        let status = response.status().as_str_name();
        if self.last.replace(status) != Some(status) {
            print(self.json, "status", &status.into(), status).await?;
        }
        Ok(())
    }
}

/// The reasons why there is no status yet: the texts that were printed, and the last failure.
#[derive(Default)]
struct Reasons {
    printed: BTreeSet<String>,
    last: Option<Failure>,
}

impl Reasons {
    /// Prints why there is no status yet, unless this reason was printed before.
    async fn say(&mut self, failure: Failure, json: bool) -> io::Result<()> {
        let text = failure.to_string();
        if self.printed.insert(text.clone()) {
            let reason = match &failure {
                Failure::Call(status) => status_json(status),
                _ => serde_json::json!({ "message": text }),
            };
            print(json, "no_status", &reason, &format!("no status yet: {text}")).await?;
        }
        self.last = Some(failure);
        Ok(())
    }

    /// Returns the failure of a watch that has had no status within the timeout.
    fn timed_out(self, timeout: Duration) -> Failure {
        let reason = match self.last {
            // No call was made.
            Some(failure @ Failure::Connect { .. }) => return failure,
            Some(failure) => format!(": {failure}"),
            None => String::new(),
        };
        let problem = format!("there was no status within {timeout:?}{reason}");
        Failure::Call(Status::deadline_exceeded(problem))
    }
}

async fn next(stream: &mut Streaming<HealthCheckResponse>) -> Result<HealthCheckResponse, Status> {
    let response = stream.message().await?;
    response.ok_or_else(|| Status::unavailable("the server ended the watch"))
}

/// Returns whether the server would respond with the same status again.
fn is_final(status: &Status) -> bool {
    matches!(status.code(), Code::Unimplemented | Code::PermissionDenied | Code::Unauthenticated)
}

async fn print(json: bool, name: &str, value: &Value, text: &str) -> io::Result<()> {
    let time = humantime::format_rfc3339_millis(SystemTime::now());
    if json {
        output::print(format_args!(r#"{{"time":"{time}","{name}":{value}}}"#)).await
    } else {
        output::print(format_args!("{time} {text}")).await
    }
}
