//! `sample-service call`: says something, prints the reply.

use std::io::{self, Write};

use tokio::io::{AsyncBufReadExt, BufReader};
use tonic::transport::Channel;

use super::{Failure, Target};
use crate::proto::{SampleRequest, sample_service_client::SampleServiceClient};

/// The message that stands for: one message a line, from standard input.
pub const STDIN: &str = "-";

/// Calls with the message, or with each line of standard input in turn.
///
/// # Errors
///
/// At the first connection or call that fails.
pub async fn run(target: &Target, message: &str) -> Result<(), Failure> {
    let mut client = SampleServiceClient::new(target.connect().await?);
    if message != STDIN {
        return call(target, &mut client, message.to_owned()).await;
    }
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        call(target, &mut client, line).await?;
    }
    Ok(())
}

async fn call(
    target: &Target,
    client: &mut SampleServiceClient<Channel>,
    message: String,
) -> Result<(), Failure> {
    writeln!(io::stdout(), "request : {message}")?;
    let answer =
        target.call(SampleRequest { message }, async |request| client.call(request).await).await?;
    writeln!(io::stdout(), "response : {}", answer.reply)?;
    Ok(())
}
