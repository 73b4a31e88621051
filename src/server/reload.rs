//! Looks whether the files of TLS have changed, and puts what they hold in force.
//!
//! It compares what they hold, and so it works with every way of changing a file
//! and on every kind of volume; notices of the kernel do not.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use tokio::sync::watch;
use tokio_rustls::rustls::ServerConfig;

use super::certificate::{Files, Identity, in_words};
use crate::config;

/// How often the files are looked at. A change is taken once two looks in a row
/// have seen the same: files that are written one after the other are neither
/// taken nor reported half done.
const LOOK: Duration = Duration::from_millis(500);

/// What became of the certificate so far, for metrics.
#[derive(Debug, Clone, Default)]
pub(super) struct TlsStatus(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    reloaded: AtomicU64,
    failed: AtomicU64,
    not_after: AtomicI64,
}

impl TlsStatus {
    /// How many changes of the files were put in force.
    pub(super) fn reloaded(&self) -> u64 {
        self.0.reloaded.load(Ordering::Relaxed)
    }

    /// How many changes were at fault, so that what was before stayed in force.
    pub(super) fn failed(&self) -> u64 {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// The last second of the certificate in force, counted from 1970.
    pub(super) fn not_after(&self) -> i64 {
        self.0.not_after.load(Ordering::Relaxed)
    }
}

/// Who looks at the files.
pub(super) struct Reloads {
    settings: config::Tls,
    in_force: watch::Sender<Arc<ServerConfig>>,
    status: TlsStatus,
    /// What the last look saw.
    seen: Files,
    /// What was last put in force, or reported to be at fault, and that fault.
    tried: Files,
    fault: Option<String>,
}

impl Reloads {
    pub(super) fn new(settings: config::Tls, files: Files, identity: Identity) -> Self {
        let status = TlsStatus::default();
        status.0.not_after.store(identity.not_after, Ordering::Relaxed);
        let in_force = watch::Sender::new(identity.config);
        Self { settings, in_force, status, seen: files.clone(), tried: files, fault: None }
    }

    pub(super) fn in_force(&self) -> watch::Receiver<Arc<ServerConfig>> {
        self.in_force.subscribe()
    }

    pub(super) fn status(&self) -> TlsStatus {
        self.status.clone()
    }

    /// Looks from time to time while anyone uses what is in force, in a thread of
    /// its own: a volume that does not answer holds up nothing else.
    pub(super) fn start(mut self) -> io::Result<()> {
        let look = move || {
            while !self.in_force.is_closed() {
                thread::sleep(LOOK);
                self.look(Files::read(&self.settings), SystemTime::now());
            }
        };
        thread::Builder::new().name("certificates".into()).spawn(look).map(|_| ())
    }

    fn look(&mut self, files: Files, now: SystemTime) {
        let settled = files == self.seen;
        let changed = files != self.tried;
        self.seen = files;
        // What is at fault is tried again: its time may only be about to come.
        if !settled || !(changed || self.fault.is_some()) {
            return;
        }
        match self.seen.check(&self.settings, now) {
            Ok(Identity { config, serial, not_after }) => {
                self.in_force.send_replace(config);
                self.fault = None;
                self.status.0.reloaded.fetch_add(1, Ordering::Relaxed);
                self.status.0.not_after.store(not_after, Ordering::Relaxed);
                tracing::info!(serial, not_after = in_words(not_after), "certificate reloaded");
            }
            Err(faults) => {
                let fault = faults.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                if changed || self.fault.as_ref() != Some(&fault) {
                    self.status.0.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(error = fault, "certificate not reloaded: the old one stays");
                }
                self.fault = Some(fault);
            }
        }
        self.tried.clone_from(&self.seen);
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::UNIX_EPOCH};

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
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

    impl Watched {
        fn new() -> Self {
            let folder = TempDir::new().expect("a folder");
            let path = |name| folder.path().join(name);
            let settings =
                config::Tls { certificate: path("crt"), key: path("key"), client_ca: None };
            let (certificate, key) = pair(2000);
            fs::write(path("crt"), certificate).expect("it is written");
            fs::write(path("key"), key).expect("it is written");
            let files = Files::read(&settings);
            let identity = files.check(&settings, SystemTime::now()).expect("a pair");
            Self { reloads: Reloads::new(settings, files, identity), folder }
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
    fn files_that_are_half_written_at_one_look_are_no_fault() {
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
    fn a_fault_counts_once_a_change_and_ends_with_the_next_good_pair() {
        let mut watched = Watched::new();
        let before = Arc::clone(&watched.reloads.in_force.borrow());
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
        assert!(Arc::ptr_eq(&before, &watched.reloads.in_force.borrow()));

        watched.write("key", &key);
        for _ in 0..5 {
            watched.look();
        }
        assert_eq!(watched.counts(), (1, 3));
        assert!(!Arc::ptr_eq(&before, &watched.reloads.in_force.borrow()));
    }

    #[test]
    fn a_certificate_whose_time_comes_later_is_taken_then() {
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
}
