//! The output of client commands.

use std::{
    fmt,
    io::{self, Write},
};

use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use tonic::Status;
use wire::{
    code::code_name,
    output::{stderr, stdout},
};

/// Prints a line to standard output, without blocking other tasks.
///
/// # Errors
///
/// Returns the error of standard output.
pub async fn print(text: impl fmt::Display) -> io::Result<()> {
    write(stdout(), text).await
}

/// Prints a line to standard error, without blocking other tasks.
///
/// # Errors
///
/// Returns the error of standard error.
pub async fn print_error(text: impl fmt::Display) -> io::Result<()> {
    write(stderr(), text).await
}

async fn write(mut out: impl Write + Send + 'static, text: impl fmt::Display) -> io::Result<()> {
    let line = format!("{text}\n");
    spawn_blocking(move || out.write_all(line.as_bytes())).await?
}

/// Returns a status as a JSON object with its code and its message.
pub fn status_json(status: &Status) -> Value {
    json!({ "code": code_name(status.code()), "message": status.message() })
}
