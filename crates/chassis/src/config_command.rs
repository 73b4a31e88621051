//! The command `config`.

use std::io::{self, BufWriter, Write};

use clap::ArgMatches;
use wire::output::stdout;

use crate::{
    admin::Token,
    config::{Layers, default_toml},
    server::memory_shortfall,
    service::Service,
    telemetry::{Configured, OVERRIDE, level_override},
    tls,
};

/// Runs `config`: checks the settings, shows them, or prints the defaults.
///
/// # Errors
///
/// Returns an error if the settings are not valid, or if standard output cannot be written.
pub(crate) fn run<S, D>(service: &Service<S, D>, matches: &ArgMatches) -> anyhow::Result<()>
where
    S: Send + Sync + 'static,
    D: Send + Sync + 'static,
{
    let schema = service.schema();
    let mut out = BufWriter::new(stdout());
    match matches.subcommand() {
        Some(("check", matches)) => {
            let settings = service.load(&Layers::from_matches(&schema, matches))?.chassis;
            Configured::new(&settings.log, &schema.package.crate_name())?;
            tls::check(settings.tls.as_ref())?;
            settings.admin.token.clone().map(Token::new).transpose()?;
            writeln!(out, "the configuration is valid")?;
            let memory = &settings.limits.memory;
            let from = memory.derived_from().map(|from| format!(": {from}")).unwrap_or_default();
            writeln!(out, "limits.memory is {}MiB{from}", memory.get() >> 20)?;
            if let Some(warning) = memory_shortfall(&settings) {
                out.flush()?;
                // An error of the warning does not change the outcome of the command.
                let _ = writeln!(io::stderr(), "warning: {warning}");
            }
        }
        Some(("show", matches)) => {
            let loaded = service.load(&Layers::from_matches(&schema, matches))?;
            if matches.get_flag("json") {
                loaded.write_json(&mut out)?;
            } else {
                loaded.write_toml(&mut out)?;
                if let Some(directives) = level_override() {
                    writeln!(out, "\n# {OVERRIDE}={directives:?} wins over log.level")?;
                }
            }
        }
        _ => write!(out, "{}", default_toml(&schema))?,
    }
    out.flush()?;
    Ok(())
}
