//! The flags of a command that loads the settings.

use clap::Command;

use super::{SAMPLE, Sample};
use crate::config::{Layers, clap_flags, load};

fn command() -> Command {
    Command::new("sample-service").args(clap_flags(&SAMPLE))
}

fn layers(arguments: &[&str]) -> Layers {
    let arguments = [&["sample-service"], arguments].concat();
    let matches = command().try_get_matches_from(arguments).expect("the arguments are valid");
    let mut layers = Layers::from_matches(&SAMPLE, &matches);
    // Only the arguments matter here.
    layers.environment.clear();
    layers
}

#[test]
fn each_flag_sets_its_setting() {
    let layers = layers(&["--max-workers", "3", "--work", "5ms", "--log-level=off"]);
    let loaded = load::<Sample>(&SAMPLE, &layers).expect("the flags are valid");
    assert_eq!(loaded.chassis.server.max_workers.get(), 3);
    assert_eq!(loaded.service.work.as_millis(), 5);
    assert_eq!(loaded.chassis.log.level, tracing::level_filters::LevelFilter::OFF);
}

#[test]
fn files_are_in_the_order_of_the_command_line() {
    let layers = layers(&["--config", "a.toml", "--config", "b.toml"]);
    assert_eq!(layers.files, ["a.toml", "b.toml"].map(std::path::PathBuf::from));
}

#[test]
fn values_are_checked_with_the_other_layers() {
    let layers = layers(&["--max-workers", "-1", "--work", "soon"]);
    let errors = load::<Sample>(&SAMPLE, &layers).expect_err("the flags are not valid").to_string();
    assert!(errors.starts_with("the configuration has 2 errors"), "{errors}");
    assert!(errors.contains("found the number -1 (from --max-workers)"), "{errors}");
}

#[test]
fn the_help_of_a_flag_names_its_setting() {
    let help = command().render_help().to_string();
    for part in [
        "--config <FILE>",
        "--address <ADDRESS>",
        "Where to serve, such as [::]:9999 or unix:/run/server.sock",
        "[server.address]",
        "--work <DURATION>",
        "such as 100ms [service.work]",
    ] {
        assert!(help.contains(part), "{part} is not in {help}");
    }
}

#[test]
fn a_command_without_the_flags_has_only_the_environment() {
    let matches = Command::new("x").try_get_matches_from(["x"]).expect("no arguments are valid");
    let layers = Layers::from_matches(&SAMPLE, &matches);
    assert!(layers.files.is_empty() && layers.flags.is_empty());
}
