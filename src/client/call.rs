//! `sample-service call`: says something, prints the reply.

use std::{
    fmt, io, mem,
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt,
    future::{Either, ready},
    stream::{self, Stream},
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWrite, AsyncWriteExt, BufReader, Lines, Stdin};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Status, metadata::MetadataMap};

use super::{Channel, Failure, Target, headers::PREVIOUS_ATTEMPTS};
use crate::{
    proto::{SampleRequest, sample_service_client::SampleServiceClient},
    telemetry::code_name,
};

/// The message that stands for: one message a line, from standard input.
pub const STDIN: &str = "-";

/// How many calls are in flight at once at most.
const AT_ONCE: usize = 16;

/// What to call with, and how to show what came of it.
#[derive(Debug, Clone)]
pub struct Calls {
    /// The messages; [`STDIN`] stands for those of standard input.
    pub messages: Vec<String>,
    /// What is sent beside each of them.
    pub metadata: MetadataMap,
    /// One object a line, instead of text.
    pub json: bool,
}

/// Calls with each message and prints what came of each, in the order of the
/// messages. Returns whether all calls succeeded.
///
/// # Errors
///
/// Where there is no connection at the start, and where messages cannot be read
/// or answers not printed.
pub async fn run(target: &Target, calls: &Calls) -> Result<bool, Failure> {
    let channel = Channel::new(target);
    channel.connected().await?;
    let client = SampleServiceClient::new(channel);
    let mut called = stream::iter(&calls.messages)
        .flat_map(|message| match message.as_str() {
            STDIN => Either::Left(lines()),
            message => Either::Right(stream::iter([Ok(message.to_owned())])),
        })
        // What cannot be read is the last: no call is made after it.
        .scan(false, |ended, message| {
            let ended = mem::replace(ended, message.is_err());
            ready((!ended).then_some(message))
        })
        .map(|message| {
            // A task of its own, so that it goes on while output waits.
            let call = |message| call(client.clone(), message, calls.metadata.clone());
            let call = message.map(|message| AbortOnDropHandle::new(tokio::spawn(call(message))));
            async { Ok::<_, io::Error>(call?.await.expect("it neither panics nor is aborted")) }
        })
        .buffered(AT_ONCE);
    let mut succeeded = true;
    while let Some(call) = called.next().await {
        let call = call?;
        succeeded &= call.answer.is_ok();
        if calls.json { call.print_json().await? } else { call.print().await? }
    }
    Ok(succeeded)
}

fn lines() -> impl Stream<Item = io::Result<String>> + Unpin {
    let lines = BufReader::new(tokio::io::stdin()).lines();
    let next = async |(number, mut lines): (usize, Lines<BufReader<Stdin>>)| {
        let line = lines.next_line().await.map_err(|error| unread(number, &error))?;
        Ok(line.map(|line| (line, (number + 1, lines))))
    };
    Box::pin(stream::try_unfold((1, lines), next))
}

fn unread(line: usize, error: &io::Error) -> io::Error {
    let text = match error.kind() {
        io::ErrorKind::InvalidData => format!("line {line} of standard input is not UTF-8"),
        _ => format!("standard input cannot be read: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// Prints to standard output, and lets tasks go on meanwhile.
pub(super) async fn print(text: impl fmt::Display) -> io::Result<()> {
    write(tokio::io::stdout(), text).await
}

async fn write(mut out: impl AsyncWrite + Unpin, text: impl fmt::Display) -> io::Result<()> {
    out.write_all(format!("{text}\n").as_bytes()).await?;
    out.flush().await
}

async fn call(
    mut client: SampleServiceClient<Channel>,
    message: String,
    metadata: MetadataMap,
) -> Called {
    let mut request = Request::new(SampleRequest { message: message.clone() });
    *request.metadata_mut() = metadata;
    let begun = Instant::now();
    let answer = client.call(request).await;
    let took = begun.elapsed();
    let metadata = match &answer {
        Ok(answer) => answer.metadata(),
        Err(status) => status.metadata(),
    };
    let previous =
        metadata.get(PREVIOUS_ATTEMPTS).and_then(|text| text.to_str().ok()?.parse().ok());
    let attempts = previous.unwrap_or(0_u32) + 1;
    let answer = answer.map(|answer| answer.into_inner().reply);
    Called { message, answer, attempts, took }
}

/// A call, and what came of it.
struct Called {
    message: String,
    answer: Result<String, Status>,
    attempts: u32,
    took: Duration,
}

impl Called {
    async fn print(&self) -> io::Result<()> {
        let request = format!("request : {}", self.message);
        match &self.answer {
            Ok(reply) => print(format_args!("{request}\nresponse : {reply}")).await,
            Err(status) => {
                print(request).await?;
                let (code, message) = (code_name(status.code()), status.message());
                write(tokio::io::stderr(), format_args!("error: {code}: {message}")).await
            }
        }
    }

    async fn print_json(&self) -> io::Result<()> {
        // In the order in which a person reads it.
        let (name, value) = match &self.answer {
            Ok(reply) => ("response", Value::from(reply.as_str())),
            Err(status) => ("error", error(status)),
        };
        let (request, attempts) = (Value::from(self.message.as_str()), self.attempts);
        let ms = self.took.as_secs_f64() * 1000.0;
        print(format_args!(
            r#"{{"request":{request},"{name}":{value},"attempts":{attempts},"duration_ms":{ms:.3}}}"#
        ))
        .await
    }
}

/// A status as an object of JSON.
pub(super) fn error(status: &Status) -> Value {
    json!({ "code": code_name(status.code()), "message": status.message() })
}
