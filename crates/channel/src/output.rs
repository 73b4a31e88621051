//! The output of client commands.

use std::{fmt, io};

use serde_json::{Value, json};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tonic::Status;
use wire::code::code_name;

/// Prints a line to standard output, without blocking other tasks.
///
/// # Errors
///
/// Returns the error of standard output.
pub async fn print(text: impl fmt::Display) -> io::Result<()> {
    write(tokio::io::stdout(), text).await
}

/// Prints a line to standard error, without blocking other tasks.
///
/// # Errors
///
/// Returns the error of standard error.
pub async fn print_error(text: impl fmt::Display) -> io::Result<()> {
    write(tokio::io::stderr(), text).await
}

async fn write(mut out: impl AsyncWrite + Unpin, text: impl fmt::Display) -> io::Result<()> {
    out.write_all(format!("{text}\n").as_bytes()).await?;
    out.flush().await
}

/// Returns a status as a JSON object with its code and its message.
pub fn status_json(status: &Status) -> Value {
    json!({ "code": code_name(status.code()), "message": status.message() })
}
