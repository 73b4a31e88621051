//! The flags of `.cargo/config.toml` for the C code of the allocator and of zstd.

use std::{fs, path::Path, process::Command};

use tempfile::TempDir;

use crate::support::{
    certificates::write,
    process::{ServerProcess, stderr},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

const MANIFEST: &str = r#"
[package]
name = "probe"
edition = "2024"
[lib]
path = "lib.rs"
[build-dependencies]
cc = "1"
[workspace]
"#;

const BUILD: &str = r#"fn main() { cc::Build::new().file("probe.c").compile("probe"); }"#;

const PROBE: &str = "
#if !defined(MI_DEFAULT_ALLOW_THP) || MI_DEFAULT_ALLOW_THP != 0
#error \"without the flag of the allocator\"
#endif
#ifndef OF_THE_USER
#error \"without the user's own flag\"
#endif
";

/// Compiles other C code with the `cc` of Cargo.lock, because mimalloc and zstd take long.
#[test]
fn cflags_of_the_user_are_added_to_those_of_the_allocator() {
    let work = TempDir::new().expect("a folder");
    for (name, text) in
        [("Cargo.toml", MANIFEST), ("build.rs", BUILD), ("lib.rs", ""), ("probe.c", PROBE)]
    {
        write(work.path(), name, text);
    }
    fs::copy(Path::new(ROOT).join("Cargo.lock"), work.path().join("Cargo.lock")).expect("copied");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--offline", "--quiet", "--target-dir", "target", "--config"]);
    build.arg(Path::new(ROOT).join(".cargo/config.toml")).current_dir(work.path());
    let output = build.env("CFLAGS", "-DOF_THE_USER").output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn the_c_flags_are_the_same_for_both_processors() {
    let file = Path::new(ROOT).join(".cargo/config.toml");
    let text = fs::read_to_string(file).expect("the file exists");
    let flags: Vec<_> = text.split("-unknown-linux-gnu\" = \"\"\"").skip(1).collect();
    let flags: Vec<_> = flags.iter().map(|rest| rest.split("\"\"\"").next()).collect();
    assert!(matches!(flags.as_slice(), [one, other] if one == other), "{flags:?}");
}

#[test]
fn the_allocator_gets_no_huge_pages() {
    let server = ServerProcess::start(&[]);
    let file = format!("/proc/{}/status", server.process.id());
    let status = fs::read_to_string(file).expect("it runs");
    assert!(status.contains("\nTHP_enabled:\t0\n"), "{status}");
}
