use std::{
    fs,
    time::{Duration, UNIX_EPOCH},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair, date_time_ymd};
use tempfile::TempDir;

use super::*;

struct Watched {
    folder: TempDir,
    reloads: Reloads,
}

/// A certificate and its key, in PEM.
fn pair(first_year: i32) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.not_before = date_time_ymd(first_year, 1, 1);
    (params.self_signed(&key).expect("a certificate").pem(), key.serialize_pem())
}

/// The certificate of an authority that is valid from the first day of one year to the first
/// day of another, in PEM.
fn authority(first_year: i32, last_year: i32) -> String {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(first_year, 1, 1);
    params.not_after = date_time_ymd(last_year, 1, 1);
    params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate").pem()
}

fn first_of(year: i32) -> SystemTime {
    date_time_ymd(year, 1, 1).into()
}

impl Watched {
    fn new() -> Self {
        Self::with(None, SystemTime::now())
    }

    fn with(client_ca: Option<&str>, now: SystemTime) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = |name| folder.path().join(name);
        let settings = config::Tls {
            certificate: path("crt"),
            key: path("key"),
            client_ca: client_ca.map(|_| path("ca")),
        };
        let (certificate, key) = pair(2000);
        fs::write(path("crt"), certificate).expect("it is written");
        fs::write(path("key"), key).expect("it is written");
        fs::write(path("ca"), client_ca.unwrap_or_default()).expect("it is written");
        let files = Files::read(&settings);
        let identity = files.check(&settings, now).expect("a pair");
        Self { reloads: Reloads::new(settings, false, files, identity), folder }
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).expect("it is written");
    }

    fn look(&mut self) {
        self.look_at(SystemTime::now());
    }

    fn look_at(&mut self, now: SystemTime) {
        let files = Files::read(&self.reloads.settings);
        self.reloads.look(files, now);
    }

    fn counts(&self) -> (u64, u64) {
        (self.reloads.status.reloaded(), self.reloads.status.failed())
    }
}

#[test]
fn without_a_change_nothing_is_reloaded() {
    let mut watched = Watched::new();
    for _ in 0..5 {
        watched.look();
    }
    assert_eq!(watched.counts(), (0, 0));
}

#[test]
fn half_written_files_are_not_an_error() {
    let mut watched = Watched::new();
    let (certificate, key) = pair(2000);
    watched.write("crt", &certificate);
    watched.look();
    watched.write("key", &key);
    watched.look();
    assert_eq!(watched.counts(), (0, 0));
    watched.look();
    watched.look();
    assert_eq!(watched.counts(), (1, 0));
}

#[test]
fn an_error_counts_once_for_each_change_and_ends_with_a_valid_pair() {
    let mut watched = Watched::new();
    let before = Arc::clone(&watched.reloads.current.borrow());
    let (certificate, key) = pair(2000);
    for key in [pair(2000).1, pair(2000).1] {
        watched.write("crt", &certificate);
        watched.write("key", &key);
        for _ in 0..5 {
            watched.look();
        }
    }
    fs::remove_file(watched.folder.path().join("key")).expect("it was there");
    for _ in 0..5 {
        watched.look();
    }
    assert_eq!(watched.counts(), (0, 3));
    assert!(Arc::ptr_eq(&before, &watched.reloads.current.borrow()));

    watched.write("key", &key);
    for _ in 0..5 {
        watched.look();
    }
    assert_eq!(watched.counts(), (1, 3));
    assert!(!Arc::ptr_eq(&before, &watched.reloads.current.borrow()));
}

#[test]
fn authorities_are_taken_and_left_out_when_their_time_comes() {
    let file = authority(2000, 2600) + &authority(2500, 2700) + &authority(2000, 2100);
    let mut watched = Watched::with(Some(&file), first_of(2200));
    let mut counts = Vec::new();
    for year in [2200, 2499, 2501, 2599, 2601, 2602, 2701, 2702] {
        for _ in 0..3 {
            watched.look_at(first_of(year));
        }
        let client_ca = watched.reloads.status.expiry().client_ca.expect("there are some");
        counts.push((year, watched.counts(), client_ca));
    }
    let [until_2600, until_2700] = [2600, 2700].map(|year| seconds(first_of(year)));
    assert_eq!(
        counts,
        [
            (2200, (0, 0), until_2600),
            (2499, (0, 0), until_2600),
            (2501, (1, 0), until_2600),
            (2599, (1, 0), until_2600),
            (2601, (2, 0), until_2700),
            (2602, (2, 0), until_2700),
            // The last has expired, and stays because there is no other.
            (2701, (2, 1), until_2700),
            (2702, (2, 1), until_2700),
        ]
    );
}

#[test]
fn a_certificate_that_becomes_valid_later_is_taken_then() {
    let mut watched = Watched::new();
    let (certificate, key) = pair(2900);
    watched.write("crt", &certificate);
    watched.write("key", &key);
    for _ in 0..5 {
        watched.look();
    }
    assert_eq!(watched.counts(), (0, 1));
    let year = Duration::from_secs(365 * 24 * 60 * 60);
    watched.look_at(UNIX_EPOCH + year * 1000);
    assert_eq!(watched.counts(), (1, 1));
}
