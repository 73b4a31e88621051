//! The schemas of Kubernetes.

use std::fs;

use tempfile::TempDir;

use super::{
    process::{stderr, stdout},
    python,
};

/// Asserts that the three newest versions of Kubernetes accept the manifests, given by name and
/// text.
pub(crate) fn assert_valid<'a>(manifests: impl Iterator<Item = (&'a str, &'a str)>) {
    let Some(mut validate) = python::script("validate_manifests.py") else { return };
    let folder = TempDir::new().expect("a folder");
    // All at once, because it takes a second to read the schemas.
    for (name, text) in manifests {
        fs::write(folder.path().join(name), text).expect("the folder is writable");
        validate.arg(name);
    }
    let output = validate.current_dir(folder.path()).output().expect("python runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).ends_with("manifests, 3 versions\n"), "{}", stdout(&output));
}
