//! The arguments that the commands share.

use std::time::Duration;

use channel::{
    Address, Channel, Failure, Target,
    arguments::{ConnectionArgs, WrongArguments, parse_metadata, parse_size},
};
use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};
use wire::{command::Program, duration::parse_timeout};

use super::{failure::wrong, path::MethodPath};
use crate::{client::Client, source::SchemaArgs};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// How a command calls a server.
#[derive(Debug, Clone, Args)]
pub struct ClientArgs {
    /// The address of the server. Several addresses, separated by commas, or all IP addresses
    /// of a host name are called, as --balance says.
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:9999")]
    address: Address,
    /// The timeout of the connection, and then of each call with its retries [default: 5s, and
    /// none for a stream].
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    #[arg(allow_hyphen_values = true)]
    timeout: Option<Duration>,
    /// The size limit of a reply, such as 8MiB [default: 4MiB, and 64KiB more].
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    max_message: Option<usize>,
    /// Metadata of each call; may be repeated. The value of a key that ends in -bin is base64,
    /// or several separated by commas.
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse_metadata)]
    metadata: Vec<(HeaderName, HeaderValue)>,
    /// Print one JSON object per result.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    connection: ConnectionArgs,
}

/// The arguments for the call of any method.
#[derive(Debug, Clone, Args)]
pub struct MethodArgs {
    /// The request of a method as JSON; @FILE reads it from a file, and @ from standard input
    /// [default: an empty message].
    #[arg(long, value_name = "JSON", help_heading = "Schema")]
    pub(super) data: Option<String>,
    #[command(flatten)]
    pub(super) schema: SchemaArgs,
}

impl ClientArgs {
    /// Returns the target of the calls, without tracing.
    ///
    /// # Errors
    ///
    /// Returns an error if TLS cannot be configured.
    pub fn target(&self, program: Program<'_>) -> Result<Target, WrongArguments> {
        let timeout = self.timeout.unwrap_or(DEFAULT_TIMEOUT);
        self.connection.clone().target(self.address.clone(), timeout, program)
    }

    /// Connects, and returns the channel.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no connection.
    pub async fn connect(&self, target: &Target) -> Result<Channel, Failure> {
        let mut channel = Channel::new(target);
        if let Some(max_message) = self.max_message {
            channel = channel.with_max_message(max_message);
        }
        channel.connected().await?;
        Ok(channel)
    }

    /// Returns the metadata of each call.
    pub fn metadata(&self) -> HeaderMap {
        self.metadata.iter().cloned().collect()
    }

    /// Returns a channel for streams, which last until `--timeout` if it is given.
    pub(super) fn for_streams(&self, channel: &Channel) -> Channel {
        channel.with_timeout(self.timeout)
    }

    pub(super) async fn client(&self, target: &Target) -> Result<Client, Failure> {
        Ok(Client { channel: self.connect(target).await?, metadata: self.metadata() })
    }
}

impl MethodArgs {
    /// Returns the method that the arguments of a command name, or `None` if they are messages.
    ///
    /// # Errors
    ///
    /// Returns an error if flags need a method, but the arguments name none.
    pub fn method(&self, arguments: &[String]) -> Result<Option<MethodPath>, Failure> {
        let has_flags = self.data.is_some() || self.schema.has_files();
        let path = match arguments {
            // With these flags, the argument cannot be a message.
            [argument] if has_flags => {
                MethodPath::parse(argument.strip_prefix('/').unwrap_or(argument))
            }
            [argument] => MethodPath::of_message(argument),
            _ => None,
        };
        if path.is_none() && has_flags {
            return Err(wrong(
                "--data, --proto and --descriptors are for the call of one method: pass its path, \
                 such as /package.Service/Method",
            ));
        }
        Ok(path)
    }
}
