//! The `call` command: calls the service with each message, and prints the responses.

use std::{
    io, mem,
    process::ExitCode,
    time::{Duration, Instant},
};

use channel::{
    Channel, Failure, OneMessage, Target,
    arguments::make_calls,
    attempts,
    output::{print, print_error, status_json, status_text},
};
use clap::Args;
use futures_util::{
    StreamExt,
    future::{Either, ready},
    stream::{self, Stream},
};
use generic::{ClientArgs, MethodArgs};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Status, metadata::MetadataMap};
use wire::{
    command::{Command, Program},
    escape::Escaped,
};

use crate::proto::{SampleRequest, sample_service_client::SampleServiceClient};

/// The argument that stands for the lines of standard input.
const STDIN: &str = "-";

/// The maximum number of calls in flight.
const CONCURRENCY: usize = 16;

/// Returns the `call` command.
pub fn command() -> Command {
    Command::new("call", "Call the service and print its replies", |arguments, program| {
        run(arguments, program).or_else(Failure::into_outcome)
    })
}

#[derive(Debug, Args)]
struct CallArgs {
    /// The messages; `-` reads one message per line from standard input. A path such as
    /// /package.Service/Method calls that method with --data instead, of any server.
    #[arg(value_name = "MESSAGE", default_value = "test message")]
    messages: Vec<String>,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    method: MethodArgs,
}

fn run(arguments: CallArgs, program: Program<'_>) -> Result<ExitCode, Failure> {
    let CallArgs { messages, client, method } = arguments;
    if let Some(path) = method.method(&messages)? {
        return generic::call(&path, &method, &client, program);
    }
    let target = client.target(program)?;
    make_calls(target, program, async |target| call_all(target, &messages, &client).await)
}

/// Calls with each message, and prints the outcomes in the order of the messages. Returns
/// whether all calls succeeded.
///
/// # Errors
///
/// Returns an error if there is no connection at the start, if standard input cannot be read,
/// or if output fails.
async fn call_all(
    target: &Target,
    messages: &[String],
    arguments: &ClientArgs,
) -> Result<bool, Failure> {
    let channel = arguments.connect(target).await?;
    let metadata = MetadataMap::from_headers(arguments.metadata());
    // The channel has checked the size of a message before tonic reads it.
    let client = SampleServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let mut calls = stream::iter(messages)
        .flat_map(|message| match message.as_str() {
            STDIN => Either::Left(lines()),
            message => Either::Right(stream::iter([Ok(message.to_owned())])),
        })
        // An input error is the last item: no call is made after it.
        .scan(false, |failed, message| {
            let failed = mem::replace(failed, message.is_err());
            ready((!failed).then_some(message))
        })
        .map(|message| {
            // Each call is a task, so that it makes progress while output waits.
            let call = |message| call(client.clone(), message, metadata.clone());
            let call = message.map(|message| AbortOnDropHandle::new(tokio::spawn(call(message))));
            async { Ok::<_, io::Error>(call?.await.expect("it neither panics nor is aborted")) }
        })
        .buffered(CONCURRENCY);
    let mut succeeded = true;
    while let Some(call) = calls.next().await {
        let call = call?;
        succeeded &= call.result.is_ok();
        if arguments.json { call.print_json().await? } else { call.print_text().await? }
    }
    Ok(succeeded)
}

fn lines() -> impl Stream<Item = io::Result<String>> + Unpin {
    let lines = BufReader::new(tokio::io::stdin()).lines();
    let next = async |(number, mut lines): (usize, Lines<BufReader<Stdin>>)| {
        let line = lines.next_line().await.map_err(|error| input_error(number, &error))?;
        Ok(line.map(|line| (line, (number + 1, lines))))
    };
    Box::pin(stream::try_unfold((1, lines), next))
}

fn input_error(line: usize, error: &io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::InvalidData => format!("line {line} of standard input is not UTF-8"),
        _ => format!("standard input cannot be read: {error}"),
    };
    io::Error::new(error.kind(), text)
}

async fn call(
    mut client: SampleServiceClient<Channel>,
    message: String,
    metadata: MetadataMap,
) -> FinishedCall {
    let mut request = Request::new(SampleRequest { message: message.clone() });
    *request.metadata_mut() = metadata;
    request.extensions_mut().insert(OneMessage);
    let start = Instant::now();
    let response = client.call(request).await;
    let duration = start.elapsed();
    let metadata = match &response {
        Ok(response) => response.metadata(),
        Err(status) => status.metadata(),
    };
    let attempts = attempts(metadata.as_ref());
    let result = response.map(|response| response.into_inner().reply);
    FinishedCall { message, result, attempts, duration }
}

/// A call that has ended.
struct FinishedCall {
    message: String,
    result: Result<String, Status>,
    attempts: u32,
    duration: Duration,
}

impl FinishedCall {
    async fn print_text(&self) -> io::Result<()> {
        let request = format!("request : {}", self.message);
        match &self.result {
            Ok(reply) => print(format_args!("{request}\nresponse : {}", Escaped(reply))).await,
            Err(status) => {
                print(request).await?;
                print_error(format_args!("error: {}", status_text(status))).await
            }
        }
    }

    async fn print_json(&self) -> io::Result<()> {
        let (name, value) = match &self.result {
            Ok(reply) => ("response", Value::from(reply.as_str())),
            Err(status) => ("error", status_json(status)),
        };
        let (request, attempts) = (Value::from(self.message.as_str()), self.attempts);
        let ms = self.duration.as_secs_f64() * 1000.0;
        // Formatted by hand, because a map of serde_json would sort the names.
        print(format_args!(
            r#"{{"request":{request},"{name}":{value},"attempts":{attempts},"duration_ms":{ms:.3}}}"#
        ))
        .await
    }
}
