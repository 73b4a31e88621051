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
    escape::Escaped,
    output::{stderr, stdout},
};

use crate::Details;

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

/// Returns a status as a JSON object with its code and its message, and with `details` and
/// `details_error` if there are any (see [`Details`]).
pub fn status_json(status: &Status) -> Value {
    let Details { all, error } = Details::of(status);
    let mut object = json!({ "code": code_name(status.code()), "message": status.message() });
    if !all.is_empty() {
        object["details"] = all.into();
    }
    if let Some(error) = error {
        object["details_error"] = error.into();
    }
    object
}

/// Returns the code and the message of a status as a line for people.
pub(crate) fn status_line(status: &Status) -> String {
    format!("{}: {}", code_name(status.code()), Escaped(status.message()))
}

/// Returns a status as lines for people: its code and message, and a line for each detail.
/// Control characters of the server are escaped.
pub fn status_text(status: &Status) -> String {
    let Details { all, error } = Details::of(status);
    let mut text = status_line(status);
    for mut detail in all {
        let name = detail["@type"].take();
        let name = name.as_str().unwrap_or_default();
        let name = name.strip_prefix("type.googleapis.com/").unwrap_or(name);
        if let Value::Object(fields) = &mut detail {
            fields.remove("@type");
        }
        text += &format!("\n  {}: {}", Escaped(name), Escaped(detail));
    }
    if let Some(error) = error {
        text += &format!("\n  {}", Escaped(error));
    }
    text
}
