//! The settings as arguments of a command.

use std::env;

use clap::{Arg, ArgAction, ArgMatches, builder::PathBufValueParser};

use super::{
    declare::FlagDeclaration,
    layer::{Flag, Layers},
    schema::Schema,
};

/// The flag for files, as clap's id.
const CONFIG: &str = "config";

/// Returns the arguments of a command that loads the settings: `--config FILE`, and the flag
/// of each setting that has one.
///
/// clap accepts any text as their values. The texts are checked together with all other layers, so
/// that every error is listed at once and in the same words.
pub fn clap_flags(schema: &Schema) -> Vec<Arg> {
    let config = Arg::new(CONFIG)
        .long(CONFIG)
        .value_name("FILE")
        .action(ArgAction::Append)
        .value_parser(PathBufValueParser::new())
        .help("A configuration file in TOML; may be repeated, later ones win");
    let flags = schema.all_flags().map(|flag| {
        Arg::new(id(&flag))
            .long(id(&flag))
            .value_name(flag.value_name)
            // `-1s` is the value of the flag, not another flag.
            .allow_hyphen_values(true)
            .help(format!("{} [{}]", flag.help, flag.key))
    });
    [config].into_iter().chain(flags).collect()
}

fn id(flag: &FlagDeclaration) -> &'static str {
    flag.name.trim_start_matches('-')
}

impl Layers {
    /// Returns the layers of a command with the arguments of [`clap_flags`], and the variables
    /// of this process. Arguments that the command does not have count as not given.
    pub fn from_matches(schema: &Schema, matches: &ArgMatches) -> Self {
        let files = matches.try_get_many(CONFIG).ok().flatten();
        let text = |flag: &FlagDeclaration| matches.try_get_one::<String>(id(flag)).ok().flatten();
        let flags = schema.all_flags().filter_map(|flag| {
            let text = text(&flag)?.clone();
            Some(Flag { name: flag.name, key: flag.key, text })
        });
        Self {
            files: files.into_iter().flatten().cloned().collect(),
            environment: env::vars_os().collect(),
            flags: flags.collect(),
        }
    }
}
