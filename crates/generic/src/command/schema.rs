//! The commands `list` and `describe`.

use std::process::ExitCode;

use channel::{Failure, Target, arguments::until_interrupted, output::print};
use clap::Args;
use protojson::{Pool, Symbol, listed, quoted};
use tonic::Status;
use wire::{
    command::{Command, Program},
    escape::Escaped,
};

use super::{arguments::ClientArgs, failure::wrong, method::unknown};
use crate::{
    describe::{Description, describe},
    reflection::Reflection,
    source::SchemaArgs,
};

/// Returns the `list` command.
pub fn list_command() -> Command {
    Command::new("list", "List services, or the methods of a service", |arguments, program| {
        run(&arguments, program, Wanted::List).or_else(Failure::into_outcome)
    })
}

/// Returns the `describe` command.
pub fn describe_command() -> Command {
    let about = "Print services, methods, messages and enums as in a .proto file";
    Command::new("describe", about, |arguments, program| {
        run(&arguments, program, Wanted::Describe).or_else(Failure::into_outcome)
    })
}

#[derive(Debug, Args)]
struct SymbolArgs {
    /// The full name, such as package.Service; without it, all services.
    #[arg(value_name = "SYMBOL")]
    symbol: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    schema: SchemaArgs,
}

#[derive(Clone, Copy)]
enum Wanted {
    List,
    Describe,
}

fn run(arguments: &SymbolArgs, program: Program<'_>, wanted: Wanted) -> Result<ExitCode, Failure> {
    let target = arguments.client.target(program)?;
    let files = arguments.schema.load().map_err(wrong)?;
    let outcome = until_interrupted(async {
        // A method can be named by its path too.
        let symbol = arguments.symbol.as_ref();
        let symbol = symbol.map(|symbol| symbol.trim_start_matches(['/', '.']).replace('/', "."));
        let json = arguments.client.json;
        let (pool, names) = find(&target, &arguments.client, files, symbol.clone(), wanted).await?;
        match wanted {
            Wanted::Describe => {
                for name in &names {
                    print_description(describe(&pool, name), name, json).await?;
                }
            }
            Wanted::List => match (symbol, names.first().and_then(|name| pool.symbol(name))) {
                (None, _) => {
                    for name in &names {
                        print_name("service", name, json).await?;
                    }
                }
                (Some(_), Some(Symbol::Service(index))) => {
                    let service = &pool.services[index];
                    for method in &service.methods {
                        let name = format!("{}.{}", service.name, method.name);
                        print_name("method", &name, json).await?;
                    }
                }
                (Some(name), _) => {
                    return Err(wrong(format_args!("{name} is not a service")));
                }
            },
        }
        Ok(ExitCode::SUCCESS)
    })?;
    Ok(outcome.exit_code())
}

/// Returns a schema with a symbol or with all services, and their names.
async fn find(
    target: &Target,
    client: &ClientArgs,
    files: Option<Pool>,
    symbol: Option<String>,
    wanted: Wanted,
) -> Result<(Pool, Vec<String>), Failure> {
    if let Some(pool) = files {
        let mut services: Vec<_> =
            pool.services.iter().map(|service| service.name.clone()).collect();
        services.sort_unstable();
        return match symbol {
            Some(symbol) if describe(&pool, &symbol).is_none() => {
                let services = listed(services.iter());
                Err(wrong(format_args!(
                    "the files have no {symbol}; their services are {services}"
                )))
            }
            Some(symbol) => Ok((pool, vec![symbol])),
            None => Ok((pool, services)),
        };
    }
    let client = client.client(target).await?;
    let mut reflection = Reflection::new(&client);
    let Some(symbol) = symbol else {
        let services = reflection.services().await?;
        let pool = match wanted {
            Wanted::List => Pool::default(),
            Wanted::Describe => reflection.pool(&services).await?,
        };
        return Ok((pool, services));
    };
    // Asks for the service too, because not every server finds a method by its name.
    let mut names = vec![symbol];
    names.extend(names[0].rsplit_once('.').map(|(service, _)| service.to_owned()));
    let pool = reflection.pool(&names).await?;
    names.truncate(1);
    if describe(&pool, &names[0]).is_none() {
        return Err(unknown(&names[0], &mut reflection).await);
    }
    Ok((pool, names))
}

async fn print_name(kind: &str, name: &str, json: bool) -> Result<(), Failure> {
    if json {
        print(format_args!("{{\"{kind}\":{}}}", quoted(name))).await?;
    } else {
        print(Escaped(name)).await?;
    }
    Ok(())
}

async fn print_description(
    description: Option<Description>,
    name: &str,
    json: bool,
) -> Result<(), Failure> {
    let Some(Description { kind, proto }) = description else {
        return Err(Status::not_found(format!("the server does not describe {name}")).into());
    };
    if json {
        let (name, proto) = (quoted(name), quoted(&proto));
        print(format_args!(r#"{{"symbol":{name},"kind":"{kind}","proto":{proto}}}"#)).await?;
    } else {
        let article = if kind == "enum" { "an" } else { "a" };
        print(format_args!("{name} is {article} {kind}:\n{proto}")).await?;
    }
    Ok(())
}
