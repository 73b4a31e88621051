//! The arguments that describe the connection to a server.

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use clap::{Args, builder::RangedU64ValueParser};
use wire::{
    command::{LocalServer, Program, ServerFlags},
    socket::Socket,
};

use crate::{
    Address, Balance, MAX_ATTEMPTS, Target, Tls, TlsError, TlsFiles, user_agent,
    wrong_arguments::WrongArguments,
};

/// How a command connects to a server and retries its calls.
#[derive(Debug, Clone, Args)]
pub struct ConnectionArgs {
    /// Wait for a server that does not accept connections yet, until the timeout.
    #[arg(long)]
    wait_for_ready: bool,
    /// The maximum number of attempts per call; 1 for no retries.
    #[arg(long, value_name = "N", default_value_t = MAX_ATTEMPTS, allow_negative_numbers = true)]
    #[arg(value_parser = RangedU64ValueParser::<u32>::new().range(1..=u64::from(MAX_ATTEMPTS)))]
    attempts: u32,
    /// How calls are balanced over several addresses.
    #[arg(long, value_name = "POLICY", value_enum, default_value_t)]
    balance: Balance,
    #[command(flatten)]
    tls: TlsArgs,
}

/// How a command uses TLS.
#[derive(Debug, Clone, Args)]
pub struct TlsArgs {
    /// Use TLS. The other TLS flags imply it.
    #[arg(long, help_heading = "TLS")]
    tls: bool,
    /// The certificate authorities to trust, in PEM [default: those of the system].
    #[arg(long, value_name = "FILE", help_heading = "TLS")]
    ca: Option<PathBuf>,
    /// The client's certificate chain, in PEM.
    #[arg(long, value_name = "FILE", help_heading = "TLS", requires = "key")]
    cert: Option<PathBuf>,
    /// The private key of --cert, in PEM.
    #[arg(long, value_name = "FILE", help_heading = "TLS", requires = "cert")]
    key: Option<PathBuf>,
    /// The name that the server's certificate must have [default: the host of --address].
    #[arg(long, value_name = "NAME", help_heading = "TLS")]
    server_name: Option<String>,
}

impl ConnectionArgs {
    /// Returns the target at this address, without tracing.
    ///
    /// # Errors
    ///
    /// Returns an error if TLS cannot be configured.
    pub fn target(
        self,
        address: Address,
        timeout: Duration,
        program: Program<'_>,
    ) -> Result<Target, WrongArguments> {
        let tls = self.tls.load()?;
        Ok(self.target_with(address, tls, timeout, program))
    }

    /// Returns the server on this machine as the target of a health check, such as the server in
    /// the same container. Its address and TLS follow from the environment and from these flags
    /// of `serve`.
    ///
    /// # Errors
    ///
    /// Returns an error if the server's settings are wrong, if the server requires a client
    /// certificate and no flag names one, or if TLS cannot be configured.
    pub fn local_target(
        self,
        flags: &ServerFlags,
        timeout: Duration,
        program: Program<'_>,
    ) -> Result<Target, WrongArguments> {
        let server = (program.local_server)(flags).map_err(WrongArguments::LocalServer)?;
        let LocalServer { address, health_address, tls, client_certificate } = server;
        // Preferred, because the health address is served until the end of a graceful shutdown.
        let mut target = health_address.map_or(address, Socket::Ip);
        if let Socket::Ip(address) = &mut target
            && address.ip().is_unspecified()
        {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        if !tls || health_address.is_some() || self.tls.verifies_server() {
            return self.target(target.into(), timeout, program);
        }
        if client_certificate && self.tls.cert.is_none() {
            return Err(WrongArguments::ClientCertificate);
        }
        let tls = Tls::unverified(&self.tls.files())?;
        Ok(self.target_with(target.into(), Some(tls), timeout, program))
    }

    fn target_with(
        self,
        address: Address,
        tls: Option<Tls>,
        timeout: Duration,
        program: Program<'_>,
    ) -> Target {
        Target {
            address,
            tls,
            timeout,
            wait_for_ready: self.wait_for_ready,
            max_attempts: self.attempts,
            user_agent: user_agent(program.name, program.version),
            tracing: None,
            balance: self.balance,
            outlier_detection: None,
        }
    }
}

impl TlsArgs {
    /// Returns how connections are secured, or `None` if no flag asks for TLS.
    ///
    /// # Errors
    ///
    /// Returns an error if a file cannot be read or has the wrong content.
    pub fn load(&self) -> Result<Option<Tls>, TlsError> {
        let is_wanted = self.tls || self.cert.is_some() || self.verifies_server();
        if is_wanted { Tls::load(&self.files()).map(Some) } else { Ok(None) }
    }

    fn verifies_server(&self) -> bool {
        self.ca.is_some() || self.server_name.is_some()
    }

    fn files(&self) -> TlsFiles {
        let identity = self.cert.clone().zip(self.key.clone());
        TlsFiles { ca: self.ca.clone(), identity, server_name: self.server_name.clone() }
    }
}

#[cfg(test)]
mod tests {
    use clap::FromArgMatches;

    use super::*;

    fn arguments(arguments: &[&str]) -> ConnectionArgs {
        let command = ConnectionArgs::augment_args(clap::Command::new("test").no_binary_name(true));
        let matches = command.try_get_matches_from(arguments).expect("valid arguments");
        ConnectionArgs::from_arg_matches(&matches).expect("valid arguments")
    }

    fn local_target(
        flags: &[&str],
        server: &Result<LocalServer, String>,
    ) -> Result<Target, WrongArguments> {
        let local_server = |_: &ServerFlags| server.clone();
        let program = Program {
            name: "test",
            version: "1.2.3",
            local_server: &local_server,
            trace_settings: &|| Ok(None),
        };
        arguments(flags).local_target(&ServerFlags::default(), Duration::from_secs(1), program)
    }

    fn server(address: &str) -> LocalServer {
        LocalServer {
            address: Socket::Ip(address.parse().expect("an address")),
            health_address: None,
            tls: false,
            client_certificate: false,
        }
    }

    #[test]
    fn an_unspecified_address_of_the_local_server_becomes_localhost() {
        for (address, expected) in [
            ("0.0.0.0:9999", "127.0.0.1:9999"),
            ("[::]:9999", "127.0.0.1:9999"),
            ("10.0.0.1:9999", "10.0.0.1:9999"),
        ] {
            let target = local_target(&[], &Ok(server(address))).expect("a target");
            assert_eq!(target.address.to_string(), expected);
            assert_eq!(target.user_agent, "test/1.2.3");
        }
    }

    #[test]
    fn the_health_address_is_preferred_and_is_plaintext() {
        let health_address = Some("127.0.0.1:1".parse().expect("an address"));
        let server = LocalServer { health_address, tls: true, ..server("127.0.0.1:2") };
        let target = local_target(&[], &Ok(server)).expect("a target");
        assert_eq!(target.address.to_string(), "127.0.0.1:1");
        assert!(target.tls.is_none());
    }

    #[test]
    fn tls_follows_from_the_settings_of_the_local_server() {
        let tls = LocalServer { tls: true, ..server("127.0.0.1:1") };
        assert!(local_target(&[], &Ok(tls.clone())).expect("a target").tls.is_some());
        let client_certificate = LocalServer { client_certificate: true, ..tls };
        let error = local_target(&[], &Ok(client_certificate)).expect_err("no certificate");
        assert!(matches!(error, WrongArguments::ClientCertificate), "{error}");
    }

    #[test]
    fn wrong_settings_of_the_local_server_are_shown() {
        let error = local_target(&[], &Err("the settings are wrong".to_owned()));
        let error = error.expect_err("the settings are wrong");
        assert_eq!(
            error.to_string(),
            "the address to check is that of the settings, and the settings are wrong"
        );
    }

    #[test]
    fn every_tls_flag_implies_tls() {
        for flags in [
            &["--ca", "missing.pem"][..],
            &["--cert", "missing.pem", "--key", "missing.pem"],
            &["--server-name", "not a name"],
        ] {
            let tls = arguments(flags).tls.load();
            assert!(tls.is_err(), "{flags:?}: the files or the name are used");
        }
        assert!(arguments(&[]).tls.load().expect("no files").is_none());
    }
}
