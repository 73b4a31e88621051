//! `sample-service call`: says something, prints the reply.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use futures_util::{
    StreamExt, TryStreamExt,
    future::Either,
    stream::{self, Stream},
};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};
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
        .map_ok(|message| call(client.clone(), message, calls.metadata.clone()))
        .try_buffered(AT_ONCE);
    let mut succeeded = true;
    while let Some(call) = called.try_next().await? {
        succeeded &= call.answer.is_ok();
        if calls.json { call.print_json()? } else { call.print()? }
    }
    Ok(succeeded)
}

fn lines() -> impl Stream<Item = io::Result<String>> + Unpin {
    let lines = BufReader::new(tokio::io::stdin()).lines();
    let next = async |mut lines: Lines<BufReader<Stdin>>| {
        lines.next_line().await.map(|line| line.map(|line| (line, lines)))
    };
    Box::pin(stream::try_unfold(lines, next))
}

async fn call(
    mut client: SampleServiceClient<Channel>,
    message: String,
    metadata: MetadataMap,
) -> io::Result<Called> {
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
    Ok(Called { message, answer, attempts, took })
}

/// A call, and what came of it.
struct Called {
    message: String,
    answer: Result<String, Status>,
    attempts: u32,
    took: Duration,
}

impl Called {
    fn print(&self) -> io::Result<()> {
        let mut out = io::stdout().lock();
        writeln!(out, "request : {}", self.message)?;
        match &self.answer {
            Ok(reply) => writeln!(out, "response : {reply}"),
            Err(status) => {
                let (code, message) = (code_name(status.code()), status.message());
                writeln!(io::stderr(), "error: {code}: {message}")
            }
        }
    }

    fn print_json(&self) -> io::Result<()> {
        // In the order in which a person reads it.
        let (name, value) = match &self.answer {
            Ok(reply) => ("response", Value::from(reply.as_str())),
            Err(status) => ("error", error(status)),
        };
        let (request, attempts) = (Value::from(self.message.as_str()), self.attempts);
        let ms = self.took.as_secs_f64() * 1000.0;
        writeln!(
            io::stdout(),
            r#"{{"request":{request},"{name}":{value},"attempts":{attempts},"duration_ms":{ms:.3}}}"#
        )
    }
}

/// A status as an object of JSON.
pub(super) fn error(status: &Status) -> Value {
    json!({ "code": code_name(status.code()), "message": status.message() })
}
