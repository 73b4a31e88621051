//! The call of any method.

use std::{io, process::ExitCode, time::Instant};

use channel::{
    Failure, Target,
    arguments::make_calls,
    attempts,
    output::{print, print_error, status_json, status_text},
};
use clap::Args;
use tonic::Status;
use wire::command::{Command, Program};

use super::{
    arguments::{ClientArgs, MethodArgs},
    failure::wrong,
    method::Method,
    path::MethodPath,
};
use crate::client::Client;

/// Returns the `call` command for a service without a `call` command of its own.
pub fn call_command() -> Command {
    let about = "Call a method by its path, with JSON";
    Command::new("call", about, |arguments: CallArgs, program| {
        let CallArgs { path, method, client } = arguments;
        run(&path, &method, &client, program).or_else(Failure::into_outcome)
    })
}

#[derive(Debug, Args)]
struct CallArgs {
    /// The path of the method, such as /package.Service/Method.
    #[arg(value_name = "METHOD")]
    path: String,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    method: MethodArgs,
}

fn run(
    path: &str,
    method: &MethodArgs,
    client: &ClientArgs,
    program: Program<'_>,
) -> Result<ExitCode, Failure> {
    let parsed = MethodPath::parse(path.strip_prefix('/').unwrap_or(path)).ok_or_else(|| {
        let text = format!("{path:?} is not the path of a method, such as /package.Service/Method");
        wrong(text)
    })?;
    call(&parsed, method, client, program)
}

/// Calls a unary or server streaming method, and prints each response.
///
/// # Errors
///
/// Returns an error if the arguments are wrong, if there is no connection, or if output fails.
pub fn call(
    path: &MethodPath,
    method: &MethodArgs,
    client: &ClientArgs,
    program: Program<'_>,
) -> Result<ExitCode, Failure> {
    let target = client.target(program)?;
    make_calls(target, program, async |target| connect_and_call(target, path, method, client).await)
}

async fn connect_and_call(
    target: &Target,
    path: &MethodPath,
    method: &MethodArgs,
    arguments: &ClientArgs,
) -> Result<bool, Failure> {
    let mut client = arguments.client(target).await?;
    let method = method.resolve(path, &client.channel, arguments.metadata()).await?;
    if method.streams_responses() {
        client.channel = arguments.for_streams(&client.channel);
    }
    let mut results = Results { method: &method, begun: Instant::now(), json: arguments.json };
    let status = results.call(&client).await?;
    if let Some((status, attempts)) = &status {
        results.failed(status, *attempts).await?;
    }
    Ok(status.is_none())
}

/// Prints the results of a call.
struct Results<'a> {
    method: &'a Method,
    begun: Instant,
    json: bool,
}

impl Results<'_> {
    /// Makes the call, and prints its responses. Returns its status and its attempts if it fails.
    async fn call(&mut self, client: &Client) -> Result<Option<(Status, u32)>, Failure> {
        let expects_one = !self.method.streams_responses();
        let requests = [self.method.request.clone()];
        self.begun = Instant::now();
        let mut response = match client.call(self.method.path(), &requests, expects_one).await {
            Ok(response) => response,
            Err(status) => {
                let attempts = attempts(status.metadata().as_ref());
                return Ok(Some((status, attempts)));
            }
        };
        let attempts = response.attempts();
        let mut unary = None;
        loop {
            let printed = match response.next().await {
                Ok(Some(message)) => self.method.json(&message, !self.json).map(Some),
                Ok(None) => Ok(None),
                Err(status) => Err(status),
            };
            match printed {
                // Not printed yet, because the status of the call may still be an error.
                Ok(Some(json)) if expects_one => unary = Some(json),
                Ok(Some(json)) => self.response(&json, attempts).await?,
                Ok(None) => break,
                Err(status) => return Ok(Some((status, attempts))),
            }
        }
        if let Some(json) = unary {
            self.response(&json, attempts).await?;
        }
        Ok(None)
    }

    async fn response(&self, json: &str, attempts: u32) -> io::Result<()> {
        if self.json { self.object("response", json, attempts).await } else { print(json).await }
    }

    async fn failed(&self, status: &Status, attempts: u32) -> io::Result<()> {
        if self.json {
            return self.object("error", &status_json(status).to_string(), attempts).await;
        }
        print_error(format_args!("error: {}", status_text(status))).await
    }

    async fn object(&self, name: &str, value: &str, attempts: u32) -> io::Result<()> {
        let (request, ms) = (&self.method.data, self.begun.elapsed().as_secs_f64() * 1000.0);
        // Formatted by hand, because a map of serde_json would sort the names.
        print(format_args!(
            r#"{{"request":{request},"{name}":{value},"attempts":{attempts},"duration_ms":{ms:.3}}}"#
        ))
        .await
    }
}
