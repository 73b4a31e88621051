//! kubectl and helm: those that `.ci/kubernetes-tools` installs, or else those of the PATH if they
//! are new enough.

use std::{process::Command, sync::LazyLock};

use super::process::stdout;

/// The prefixes of a program: the folder of `.ci/kubernetes-tools`, and none, which is the PATH.
const FOLDERS: [&str; 2] = [concat!(env!("CARGO_MANIFEST_DIR"), "/target/tools/bin/"), ""];

/// Returns kubectl's command, or `None` if there is none that is new enough.
pub(crate) fn kubectl() -> Option<Command> {
    static KUBECTL: LazyLock<Option<String>> = LazyLock::new(|| find_kubectl(&FOLDERS));
    KUBECTL.as_ref().map(Command::new)
}

/// Returns helm's command, or `None` if there is none that is new enough.
pub(crate) fn helm() -> Option<Command> {
    static HELM: LazyLock<Option<String>> =
        LazyLock::new(|| find("helm", &["version", "--short"], ("v", 3), &FOLDERS));
    HELM.as_ref().map(Command::new)
}

/// Returns the first kubectl that knows components. An old one, such as Debian's, does not.
pub(crate) fn find_kubectl(folders: &[&str]) -> Option<String> {
    find("kubectl", &["version", "--client"], ("Kustomize Version: v", 5), folders)
}

/// Returns the first program that prints a line with this prefix, followed by a major version that
/// is `oldest` or later.
fn find(name: &str, arguments: &[&str], oldest: (&str, u32), folders: &[&str]) -> Option<String> {
    let (prefix, oldest) = oldest;
    let mut programs = folders.iter().map(|folder| format!("{folder}{name}"));
    programs.find(|program| {
        let Ok(output) = Command::new(program).args(arguments).output() else { return false };
        let text = stdout(&output);
        let major = text.lines().find_map(|line| line.strip_prefix(prefix)?.split('.').next());
        major.and_then(|major| major.parse().ok()).is_some_and(|major: u32| major >= oldest)
    })
}
