//! How the scripts of `deploy/` and `.ci/` find their folder, and `deploy/certificates`.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

use crate::support::process::{ServerProcess, stderr, stdout};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Returns the path below the repository and the text of each script in these folders.
fn scripts() -> Vec<(PathBuf, String)> {
    let folders = ["deploy", ".ci", "crates/http2-judge/faults", "crates/http2-judge/fuzz"];
    let files = folders.iter().flat_map(|folder| {
        fs::read_dir(root().join(folder))
            .expect("a folder")
            .map(|file| file.expect("a file").path())
    });
    let scripts = files.filter(|file| file.is_file()).filter_map(|file| {
        let text = fs::read_to_string(&file).ok().filter(|text| text.starts_with("#!"))?;
        Some((file.strip_prefix(root()).expect("it is below").to_owned(), text))
    });
    scripts.collect()
}

fn write_script(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    fs::write(file, text).expect("written");
    fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("this user owns it");
}

/// Runs each script up to the line that looks for its folder. A script finds the folder of its own
/// file, even if a link leads to the file, and even if CDPATH has a folder of the same name.
#[test]
fn scripts_find_their_folder_by_a_symlink_and_with_cdpath() {
    let work = TempDir::new().expect("a folder");
    let work = work.path().canonicalize().expect("it exists");
    let (repository, other) = (work.join("repository"), work.join("other"));
    let mut tested = 0;
    for (name, text) in scripts() {
        assert!(!text.contains("dirname \"$0\""), "{name:?} does not follow symlinks");
        let Some(at) = text.lines().position(|line| line.contains("dirname \"$(")) else {
            continue;
        };
        if text.starts_with("#!/usr/bin/env python3") {
            continue;
        }
        let begin: Vec<_> = text.lines().take(at + 1).collect();
        let begin = begin.join("\n") + "\n[ -z \"${root:-}\" ] || cd \"$root\"\npwd\n";
        write_script(&repository.join(&name), &begin);
        let expected = match name.ends_with("fuzz/run") {
            true => repository.join("crates/http2-judge/fuzz"),
            false => repository.clone(),
        };
        fs::create_dir_all(other.join(&name)).expect("a folder");
        let link = work.join(format!("link-{tested}"));
        symlink(repository.join(&name), &link).expect("a link");
        for (command, folder) in [(&link, &work), (&name, &repository)] {
            let mut script = Command::new("sh");
            script.arg("-c").arg("exec \"$0\"").arg(command);
            let output =
                script.current_dir(folder).env("CDPATH", &other).output().expect("it runs");
            assert!(output.status.success(), "{name:?}: {}", stderr(&output));
            assert_eq!(stdout(&output).trim_end(), expected.to_str().expect("UTF-8"), "{name:?}");
        }
        tested += 1;
    }
    assert!(tested >= 14, "{tested} scripts");
}

/// Makes certificates with this umask.
fn certificates(umask: &str, folder: &Path, names: &[&str]) {
    let script = "umask \"$0\"; exec deploy/certificates \"$@\"";
    let mut make = Command::new("sh");
    make.args(["-c", script, umask]).arg(folder).args(names).current_dir(root());
    let output = make.output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
}

fn mode(file: &Path) -> u32 {
    fs::metadata(file).unwrap_or_else(|error| panic!("{file:?}: {error}")).permissions().mode()
        & 0o777
}

#[test]
fn other_users_can_read_the_certificates_whatever_the_umask_is() {
    for umask in ["077", "027", "000"] {
        let work = TempDir::new().expect("a folder");
        let folder = work.path().join("certificates");
        for role in ["server", "client"] {
            // A file of an earlier run, which only its owner can read.
            fs::create_dir_all(folder.join(role)).expect("a folder");
            let file = folder.join(role).join("ca.crt");
            fs::write(&file, "").expect("written");
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))
                .expect("this user owns it");
        }
        let new = work.path().join("new");
        certificates(umask, &new, &["server"]);
        certificates(umask, &folder, &["server"]);
        assert_eq!(mode(&new), 0o755, "umask {umask}");
        for folder in [&folder, &new] {
            for role in ["server", "client"] {
                assert_eq!(mode(&folder.join(role)), 0o755, "umask {umask}");
                for file in ["tls.crt", "tls.key", "ca.crt"] {
                    let file = folder.join(role).join(file);
                    assert_eq!(mode(&file), 0o644, "umask {umask}: {file:?}");
                }
            }
        }
    }
}

#[test]
fn a_certificate_for_an_ip_address_is_valid_for_it() {
    let work = TempDir::new().expect("a folder");
    certificates("022", work.path(), &["tls-server", "127.0.0.1", "[::1]", "2001:db8::7"]);
    let file = |name: &str| work.path().join(name).to_str().expect("UTF-8").to_owned();
    let mut show = Command::new("openssl");
    show.args(["x509", "-noout", "-ext", "subjectAltName", "-in", &file("server/tls.crt")]);
    let names = stdout(&show.output().expect("it runs"));
    let expected = "DNS:tls-server, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, \
                    IP Address:2001:DB8:0:0:0:0:0:7, DNS:localhost";
    assert_eq!(names.lines().last().map(str::trim), Some(expected), "{names}");

    let (certificate, key) = (file("server/tls.crt"), file("server/tls.key"));
    let tls = [("SAMPLE__TLS__CERTIFICATE", &*certificate), ("SAMPLE__TLS__KEY", &key)];
    let server = ServerProcess::with(&tls, &[]);
    assert!(server.address.starts_with("127.0.0.1:"));
    let output = server.run(&["call", "--ca", &file("client/ca.crt")]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}
