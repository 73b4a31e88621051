//! A method with its schema, and the request that the arguments describe.

use std::{fs, pin::Pin};

use channel::{Channel, Failure};
use http::HeaderMap;
use protojson::{Pool, listed};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tonic::Status;

use super::{arguments::MethodArgs, failure::wrong, path::MethodPath};
use crate::{client::Client, reflection::Reflection};

/// A method with its schema, and a request for it.
#[derive(Debug)]
pub struct Method {
    pool: Pool,
    path: String,
    output: usize,
    streams_responses: bool,
    /// The request as JSON.
    pub(super) data: Value,
    /// The request as bytes.
    pub(super) request: Vec<u8>,
}

impl MethodArgs {
    /// Returns the method at a path, and its request.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no such method, if it streams requests, or if the request does
    /// not fit it.
    pub async fn resolve(
        &self,
        path: &MethodPath,
        channel: &Channel,
        metadata: HeaderMap,
    ) -> Result<Method, Failure> {
        let resolved: Pin<Box<dyn Future<Output = _>>> =
            Box::pin(self.find_and_encode(path, channel, metadata));
        resolved.await
    }

    async fn find_and_encode(
        &self,
        path: &MethodPath,
        channel: &Channel,
        metadata: HeaderMap,
    ) -> Result<Method, Failure> {
        let MethodPath { service, method } = path;
        let pool = match self.schema.load().map_err(wrong)? {
            Some(pool) => pool,
            None => {
                let client = Client { channel: channel.clone(), metadata };
                let mut reflection = Reflection::new(&client);
                let pool = reflection.pool(std::slice::from_ref(service)).await?;
                if pool.symbol(service).is_none() {
                    return Err(unknown(service, &mut reflection).await);
                }
                pool
            }
        };
        let found = pool.method(service, method).map_err(wrong)?;
        if found.streams_requests {
            return Err(wrong(format_args!(
                "{path} takes a stream of requests, and only methods with one request can be called"
            )));
        }
        let message = |name: &str| pool.message(name).expect("the names are resolved");
        let (input, output) = (message(&found.input), message(&found.output));
        let streams_responses = found.streams_responses;
        let data = self.read_data().await?;
        let request = protojson::encode(&pool, input, &data).map_err(wrong)?;
        Ok(Method { pool, path: path.to_string(), output, streams_responses, data, request })
    }

    async fn read_data(&self) -> Result<Value, Failure> {
        let (source, text) = match self.data.as_deref() {
            None => return Ok(Value::Object(serde_json::Map::new())),
            Some("@" | "@-") => {
                let mut text = String::new();
                tokio::io::stdin().read_to_string(&mut text).await?;
                ("standard input".to_owned(), text)
            }
            Some(data) => match data.strip_prefix('@') {
                Some(file) => {
                    let cannot = |error| wrong(format_args!("cannot read {file}: {error}"));
                    (file.to_owned(), fs::read_to_string(file).map_err(cannot)?)
                }
                None => ("--data".to_owned(), data.to_owned()),
            },
        };
        let parsed = serde_json::from_str(&text);
        parsed.map_err(|error| wrong(format_args!("{source} is not JSON: {error}")))
    }
}

/// Returns the error for a symbol that a server does not have, with the services that it has.
pub(super) async fn unknown(symbol: &str, reflection: &mut Reflection<'_>) -> Failure {
    match reflection.services().await {
        Ok(services) => {
            let services = listed(services.iter());
            wrong(format_args!("the server has no {symbol}; its services are {services}"))
        }
        Err(failure) => failure,
    }
}

impl Method {
    /// Returns the path.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the encoded request.
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Returns whether the method has several responses.
    pub fn streams_responses(&self) -> bool {
        self.streams_responses
    }

    /// Decodes a response.
    ///
    /// # Errors
    ///
    /// Returns INTERNAL if it cannot be decoded.
    pub fn check(&self, response: &[u8]) -> Result<(), Status> {
        self.json(response, false).map(drop)
    }

    /// Returns a response as JSON.
    pub(super) fn json(&self, response: &[u8], is_pretty: bool) -> Result<String, Status> {
        protojson::print(&self.pool, self.output, response, is_pretty).map_err(|problem| {
            Status::internal(format!("a response message cannot be decoded: {problem}"))
        })
    }
}
