//! Server reflection: the schema that a server sends of itself.

use std::collections::BTreeSet;

use channel::Failure;
use protojson::{
    Pool, Problem, read_file,
    wire_format::{Raw, Reader, put_field},
};
use tonic::{Code, Status};

use crate::{client::Client, proto::bundled};

/// The two versions, which differ only in their names. Older servers have only the second.
const PATHS: [&str; 2] = [
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The fields of `ServerReflectionRequest`.
const FILE_BY_FILENAME: u32 = 3;
const FILE_CONTAINING_SYMBOL: u32 = 4;
const LIST_SERVICES: u32 = 7;

/// The limits of a schema. Without them, a server could send files without end.
const MAX_FILES: usize = 5_000;
const MAX_BYTES: usize = 32 << 20;
/// The longest chain of imports.
const MAX_DEPTH: usize = 100;

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
                names.dedup();
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
    /// Returns an error if the server has no reflection, or if its responses are malformed.
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
        for _ in 0..MAX_DEPTH {
            let mut missing = pool.missing();
            missing.retain(|name| !asked.contains(name));
            if missing.is_empty() {
                pool.link().map_err(|problem| malformed(&problem))?;
                return Ok(pool);
            }
            // Counts requested names, because a server can respond with files of other names.
            if asked.len() + missing.len() > MAX_FILES {
                return Err(too_large().into());
            }
            for names in missing.chunks(BATCH) {
                let answers = self.ask(FILE_BY_FILENAME, names).await?;
                for (name, answer) in names.iter().zip(answers) {
                    if let Answer::Files(files) = answer {
                        add(&mut pool, &files, &mut bytes)?;
                    } else if let Some(file) = bundled(name) {
                        pool.add(file).map_err(|problem| malformed(&problem))?;
                    }
                }
            }
            // A file that the server does not have is no error: it may declare only options.
            asked.extend(missing);
        }
        Err(too_large().into())
    }

    async fn ask_one(&mut self, field: u32, value: &str) -> Result<Answer, Failure> {
        let answers = self.ask(field, &[value.to_owned()]).await?;
        Ok(answers.into_iter().next().expect("as many answers as requests"))
    }

    /// Makes a call with a request for each value, and returns as many answers.
    async fn ask(&mut self, field: u32, values: &[String]) -> Result<Vec<Answer>, Failure> {
        loop {
            match self.try_ask(field, values).await {
                Ok(answers) => return Ok(answers),
                Err(status) if status.code() != Code::Unimplemented => return Err(status.into()),
                Err(_) if self.path == PATHS[0] => self.path = PATHS[1],
                Err(_) => {
                    return Err(Status::unimplemented(
                        "the server has no reflection: pass its schema with --proto FILE or \
                         --descriptors FILE",
                    )
                    .into());
                }
            }
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
            answers.push(read(&message).map_err(|problem| malformed(&problem))?);
        }
        // Reads the end, so that the server does not see a cancelled call. An error no longer
        // matters, because all answers have arrived.
        let _ = response.next().await;
        Ok(answers)
    }
}

fn add(pool: &mut Pool, files: &[Vec<u8>], bytes: &mut usize) -> Result<(), Status> {
    for encoded in files {
        *bytes += encoded.len();
        if *bytes > MAX_BYTES || pool.file_count() >= MAX_FILES {
            return Err(too_large());
        }
        let added = read_file(encoded).and_then(|file| pool.add(file));
        added.map_err(|problem| malformed(&problem))?;
    }
    Ok(())
}

/// Reads a `ServerReflectionResponse`.
fn read(message: &[u8]) -> Result<Answer, Problem> {
    let mut reader = Reader(message);
    while let Some((number, value)) = reader.next_field()? {
        match (number, value) {
            (4, Raw::Bytes(bytes)) => {
                let files = all(bytes)?.into_iter().map(<[u8]>::to_vec).collect();
                return Ok(Answer::Files(files));
            }
            (6, Raw::Bytes(bytes)) => {
                let mut names = Vec::new();
                for service in all(bytes)? {
                    for name in all(service)? {
                        names.push(String::from_utf8_lossy(name).into_owned());
                    }
                }
                return Ok(Answer::Services(names));
            }
            (7, Raw::Bytes(bytes)) => return read_error(bytes).map(Answer::Error),
            _ => {}
        }
    }
    Err(Problem::new("a response is empty"))
}

/// Returns all values of the first field.
fn all(message: &[u8]) -> Result<Vec<&[u8]>, Problem> {
    let mut values = Vec::new();
    let mut reader = Reader(message);
    while let Some(field) = reader.next_field()? {
        if let (1, Raw::Bytes(value)) = field {
            values.push(value);
        }
    }
    Ok(values)
}

fn read_error(message: &[u8]) -> Result<Status, Problem> {
    let (mut code, mut text) = (Code::Unknown, String::new());
    let mut reader = Reader(message);
    while let Some(field) = reader.next_field()? {
        match field {
            // An error with the code OK counts as UNKNOWN.
            (1, Raw::Varint(value)) if value != 0 => code = Code::from_i32(value as i32),
            (2, Raw::Bytes(bytes)) => text = String::from_utf8_lossy(bytes).into_owned(),
            _ => {}
        }
    }
    Ok(Status::new(code, text))
}

fn too_large() -> Status {
    malformed("the schema is too large")
}

fn malformed(problem: &(impl std::fmt::Display + ?Sized)) -> Status {
    Status::internal(format!("the reflection of the server is malformed: {problem}"))
}
