//! Server reflection: the schema of a server, as it tells it itself.

use std::collections::BTreeSet;

use channel::Failure;
use tonic::{Code, Status};

use crate::{
    client::Client,
    problem::Problem,
    proto::bundled,
    schema::{Pool, read_file},
    wire_format::{Raw, Reader, put_field},
};

/// The two versions, which differ only in their names. Older servers have only the second.
const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The fields of `ServerReflectionRequest`.
const FILE_BY_FILENAME: u32 = 3;
const FILE_CONTAINING_SYMBOL: u32 = 4;
const LIST_SERVICES: u32 = 7;

/// The most that a schema may have. That of a large company has a tenth of it.
const MAX_FILES: usize = 20_000;
const MAX_BYTES: usize = 128 << 20;

/// How many files one call asks for.
const BATCH: usize = 100;

/// Asks a server for its schema.
#[derive(Debug)]
pub(crate) struct Reflection<'a> {
    client: &'a Client,
    path: &'static str,
}

/// A response of the server.
enum Answer {
    /// Encoded files.
    Files(Vec<Vec<u8>>),
    Services(Vec<String>),
    Error(Status),
}

impl<'a> Reflection<'a> {
    pub(crate) fn new(client: &'a Client) -> Self {
        Self { client, path: PATHS[0] }
    }

    /// Returns the names of the services, sorted.
    ///
    /// # Errors
    ///
    /// Returns an error if the server has no reflection, or if the call fails.
    pub(crate) async fn services(&mut self) -> Result<Vec<String>, Failure> {
        match self.ask_one(LIST_SERVICES, "*").await? {
            Answer::Services(mut names) => {
                names.sort_unstable();
                Ok(names)
            }
            Answer::Error(status) => Err(status.into()),
            Answer::Files(_) => Err(malformed("it sent files, and was asked for services").into()),
        }
    }

    /// Returns the schema of these symbols: the files that declare them, and all that those
    /// import. Symbols that the server does not know are left out.
    ///
    /// # Errors
    ///
    /// Returns an error if the server has no reflection, or if what it sends is malformed.
    pub(crate) async fn pool(&mut self, symbols: &[String]) -> Result<Pool, Failure> {
        let mut pool = Pool::default();
        let mut bytes = 0;
        for symbol in symbols {
            match self.ask_one(FILE_CONTAINING_SYMBOL, symbol).await? {
                Answer::Files(files) => add(&mut pool, &files, &mut bytes)?,
                Answer::Error(status) if status.code() == Code::NotFound => {}
                Answer::Error(status) => return Err(status.into()),
                Answer::Services(_) => {
                    return Err(malformed("it sent services, and was asked for a file").into());
                }
            }
        }
        let mut asked = BTreeSet::new();
        loop {
            let mut missing = pool.missing();
            missing.retain(|name| !asked.contains(name));
            missing.truncate(BATCH);
            if missing.is_empty() {
                break;
            }
            let answers = self.ask(FILE_BY_FILENAME, &missing).await?;
            for (name, answer) in missing.into_iter().zip(answers) {
                match answer {
                    Answer::Files(files) => add(&mut pool, &files, &mut bytes)?,
                    // A file that only declares options can be missing.
                    Answer::Error(_) | Answer::Services(_) => {
                        if let Some(file) = bundled(&name) {
                            pool.add(file).map_err(|problem| malformed(&problem.to_string()))?;
                        }
                    }
                }
                asked.insert(name);
            }
        }
        pool.link().map_err(|problem| malformed(&problem.to_string()))?;
        Ok(pool)
    }

    async fn ask_one(&mut self, field: u32, value: &str) -> Result<Answer, Failure> {
        let answers = self.ask(field, &[value.to_owned()]).await?;
        Ok(answers.into_iter().next().expect("as many answers as requests"))
    }

    /// Makes a call with a request for each value, and returns as many answers.
    async fn ask(&mut self, field: u32, values: &[String]) -> Result<Vec<Answer>, Failure> {
        match self.try_ask(field, values).await {
            Err(status) if status.code() == Code::Unimplemented && self.path == PATHS[0] => {
                self.path = PATHS[1];
                let answers = self.try_ask(field, values).await;
                answers.map_err(|status| without_reflection(status).into())
            }
            answers => answers.map_err(|status| without_reflection(status).into()),
        }
    }

    async fn try_ask(&self, field: u32, values: &[String]) -> Result<Vec<Answer>, Status> {
        let request = |value: &String| {
            let mut message = Vec::new();
            put_field(&mut message, field, value.as_bytes());
            message
        };
        let requests: Vec<_> = values.iter().map(request).collect();
        let mut response = self.client.call(self.path, &requests, false).await?;
        let mut answers = Vec::new();
        while answers.len() < requests.len() {
            let Some(message) = response.next().await? else {
                return Err(malformed("it did not respond to all requests"));
            };
            answers.push(read(&message).map_err(|problem| malformed(&problem.to_string()))?);
        }
        Ok(answers)
    }
}

fn add(pool: &mut Pool, files: &[Vec<u8>], bytes: &mut usize) -> Result<(), Status> {
    for encoded in files {
        *bytes += encoded.len();
        if *bytes > MAX_BYTES || pool.file_count() >= MAX_FILES {
            return Err(malformed("the schema is too large"));
        }
        let added = read_file(encoded).and_then(|file| pool.add(file));
        added.map_err(|problem| malformed(&problem.to_string()))?;
    }
    Ok(())
}

/// Reads a `ServerReflectionResponse`.
fn read(message: &[u8]) -> Result<Answer, Problem> {
    let mut reader = Reader(message);
    while let Some((number, value)) = reader.next()? {
        let (4..=7, Raw::Bytes(bytes)) = (number, value) else { continue };
        let mut reader = Reader(bytes);
        let (mut files, mut names, mut code, mut text) = (Vec::new(), Vec::new(), 0, String::new());
        while let Some(field) = reader.next()? {
            match (number, field) {
                (4, (1, Raw::Bytes(file))) => files.push(file.to_vec()),
                (6, (1, Raw::Bytes(service))) => {
                    let mut reader = Reader(service);
                    while let Some(field) = reader.next()? {
                        if let (1, Raw::Bytes(name)) = field {
                            names.push(String::from_utf8_lossy(name).into_owned());
                        }
                    }
                }
                (7, (1, Raw::Varint(value))) => code = value as i32,
                (7, (2, Raw::Bytes(bytes))) => text = String::from_utf8_lossy(bytes).into_owned(),
                _ => {}
            }
        }
        return Ok(match number {
            4 => Answer::Files(files),
            6 => Answer::Services(names),
            7 if code == 0 => Answer::Error(Status::unknown(text)),
            7 => Answer::Error(Status::new(code.into(), text)),
            _ => continue,
        });
    }
    Err(Problem::new("it sent an empty response"))
}

fn malformed(text: &str) -> Status {
    Status::internal(format!("the reflection of the server is malformed: {text}"))
}

fn without_reflection(status: Status) -> Status {
    if status.code() != Code::Unimplemented {
        return status;
    }
    Status::unimplemented(
        "the server has no reflection: pass its schema with --proto FILE or --descriptors FILE",
    )
}
