//! Which crates a program has, and which of them log.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// Sets two variables for the crate that is built. `CRATES` has the names of all crates in the
/// program's `Cargo.lock`, `LOGGING_CRATES` of those that depend on `tracing` or `log`. Both are
/// separated by commas.
///
/// The program is the one whose `target` folder is built in. The lists are empty if it has no
/// `Cargo.lock`.
pub fn name_crates() {
    let folders = ["OUT_DIR", "CARGO_MANIFEST_DIR"].into_iter().filter_map(env::var_os);
    let lock = folders.map(PathBuf::from).find_map(|folder| lock_file(&folder));
    let lock = lock.map(|lock| {
        println!("cargo:rerun-if-changed={}", lock.display());
        fs::read_to_string(lock).unwrap_or_default()
    });
    let lock = lock.unwrap_or_default();
    println!("cargo:rustc-env=CRATES={}", crates(&lock, |_| true).join(","));
    println!("cargo:rustc-env=LOGGING_CRATES={}", crates(&lock, logs).join(","));
}

/// Returns the nearest `Cargo.lock` in the folder or above it.
fn lock_file(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join("Cargo.lock")).find(|file| file.exists())
}

/// Returns the names of the packages that `is_wanted`, as crates.
fn crates(lock: &str, is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let packages = lock.split("[[package]]").skip(1).filter(|package| is_wanted(package));
    let names = packages.filter_map(|package| {
        package.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
    });
    let mut names: Vec<_> = names.map(|name| name.replace('-', "_")).collect();
    names.sort();
    names.dedup();
    names
}

/// Returns whether a package depends on `tracing` or `log`.
fn logs(package: &str) -> bool {
    // A dependency is `"name"`, or `"name version"` if there are several versions.
    package
        .lines()
        .filter_map(|line| line.strip_prefix(" \""))
        .any(|dependency| matches!(dependency.split([' ', '"']).next(), Some("tracing" | "log")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_that_depend_on_tracing_or_log_are_named() {
        let lock = "version = 4\n\n[[package]]\nname = \"a-b\"\nversion = \"1.0.0\"\n\
            dependencies = [\n \"bytes\",\n \"tracing\",\n]\n\n[[package]]\nname = \"quiet\"\n\
            dependencies = [\n \"tracing-subscriber\",\n \"logos\",\n]\n\n[[package]]\n\
            name = \"old\"\ndependencies = [\n \"log 0.3.9\",\n]\n\n[[package]]\nname = \"a-b\"\n\
            dependencies = [\n \"log\",\n]\n";
        assert_eq!(crates(lock, logs), ["a_b", "old"]);
        assert_eq!(crates(lock, |_| true), ["a_b", "old", "quiet"]);
    }
}
