use std::{fs, os::unix::fs::symlink, path::Path};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use super::*;

/// Writes a certificate, which is its own authority, and its key.
fn write(folder: &Path) {
    fs::create_dir(folder).expect("a folder");
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(Vec::new()).expect("no names");
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    fs::write(folder.join("crt"), &certificate).expect("it is written");
    fs::write(folder.join("ca"), &certificate).expect("it is written");
    fs::write(folder.join("key"), key.serialize_pem()).expect("it is written");
}

/// Replaces the link `now`, as Kubernetes replaces `..data`.
fn point(folder: &Path, to: &str) {
    symlink(to, folder.join("new")).expect("a link");
    fs::rename(folder.join("new"), folder.join("now")).expect("it is replaced");
}

fn start(folder: &Path) -> Reloads {
    let path = |name| folder.join("now").join(name);
    let (ca, identity) = (Some(path("ca")), Some((path("crt"), path("key"))));
    Reloads::new(Trust::Verified, &TlsFiles { ca, identity, server_name: None }).expect("a pair")
}

#[test]
fn files_behind_a_replaced_link_are_taken_once() {
    let folder = TempDir::new().expect("a folder");
    write(&folder.path().join("1"));
    write(&folder.path().join("2"));
    point(folder.path(), "1");
    let mut reloads = start(folder.path());
    let before = Arc::clone(&reloads.current.borrow());
    assert_eq!([(); 3].map(|()| reloads.look()), [None, None, None]);
    point(folder.path(), "2");
    assert_eq!([(); 4].map(|()| reloads.look()), [None, Some(Ok(())), None, None]);
    assert!(!Arc::ptr_eq(&before, &reloads.current.borrow()));
}

#[test]
fn files_that_are_not_valid_are_reported_once_and_the_old_ones_stay() {
    let folder = TempDir::new().expect("a folder");
    write(&folder.path().join("1"));
    write(&folder.path().join("2"));
    fs::copy(folder.path().join("1/key"), folder.path().join("2/key")).expect("it is copied");
    point(folder.path(), "1");
    let mut reloads = start(folder.path());
    let before = Arc::clone(&reloads.current.borrow());
    point(folder.path(), "2");
    let [first, second, third, fourth] = [(); 4].map(|()| reloads.look());
    let error = second.expect("it is reported").expect_err("the key is another's");
    assert!(error.contains("now/key: it is not the key of the certificate in"), "{error}");
    assert_eq!((first, third, fourth), (None, None, None));
    assert!(Arc::ptr_eq(&before, &reloads.current.borrow()));
}
