//! Certificate files, mounted and replaced as Kubernetes does.

use std::{cell::Cell, fs, os::unix::fs::symlink};

use tempfile::TempDir;

use super::{
    certificates::{Authority, Issued, write},
    process::ServerProcess,
};

/// A secret as Kubernetes mounts it: links to files behind the link `..data`, which is replaced
/// atomically.
pub(crate) struct Volume {
    folder: TempDir,
    changes: Cell<u32>,
}

impl Volume {
    pub(crate) fn new(issued: &Issued, authority: &Authority) -> Self {
        let volume = Self { folder: TempDir::new().expect("a folder"), changes: Cell::default() };
        volume.change(issued, authority);
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            let link = volume.folder.path().join(name);
            symlink(format!("..data/{name}"), link).expect("a link");
        }
        volume
    }

    pub(crate) fn change(&self, issued: &Issued, authority: &Authority) {
        let number = self.changes.replace(self.changes.get() + 1);
        let path = |name: &str| self.folder.path().join(name);
        let name = |number| format!("..2024_01_01_00_00_00.{number}");
        let new = path(&name(number));
        fs::create_dir(&new).expect("a folder");
        issued.write(&new);
        write(&new, "ca.crt", &authority.pem());
        symlink(name(number), path("..data_tmp")).expect("a link");
        fs::rename(path("..data_tmp"), path("..data")).expect("it is replaced");
        if let Some(old) = number.checked_sub(1) {
            fs::remove_dir_all(path(&name(old))).expect("it was there");
        }
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn start(&self, more: &[(&str, &str)]) -> ServerProcess {
        let (certificate, key) = (self.path("tls.crt"), self.path("tls.key"));
        let files = [("SAMPLE__TLS__CERTIFICATE", &*certificate), ("SAMPLE__TLS__KEY", &*key)];
        ServerProcess::with(&[&files, more].concat(), &[])
    }
}
