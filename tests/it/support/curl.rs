//! A server that curl calls, over TLS because Debian's curl 7.88 cannot reuse an HTTP/2 connection
//! without TLS (curl's issue 10634).

use std::{fs, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    certificates::Authority,
    process::{ServerProcess, stderr, stdout},
    program::program,
};

/// The arguments for both versions of HTTP.
pub(crate) const VERSIONS: [&str; 2] = ["--http1.1", "--http2"];

pub(crate) struct Curl {
    server: ServerProcess,
    authority: String,
    folder: TempDir,
}

/// A response, as curl reports it.
pub(crate) struct Said {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
    /// How many connections curl has made for this request.
    pub(crate) connects: u32,
}

impl Said {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// Returns the value of a header; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let mut fields = self.head.lines().filter_map(|line| line.split_once(": "));
        let field = fields.find(|(field, _)| field.eq_ignore_ascii_case(name));
        field.map_or("", |(_, value)| value.trim_end())
    }
}

impl Curl {
    /// Starts the server, or returns `None` if this machine has no curl.
    pub(crate) fn start() -> Option<Self> {
        program("curl", "curl")?;
        let folder = TempDir::new().expect("a folder");
        let authority = Authority::new("authority");
        let (certificate, key) = authority.server().issue().write(folder.path());
        let authority = authority.write(folder.path(), "authority.pem");
        let files = [("SAMPLE__TLS__CERTIFICATE", &*certificate), ("SAMPLE__TLS__KEY", &*key)];
        Some(Self { server: ServerProcess::with(&files, &[]), authority, folder })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.server.address)
    }

    /// Returns curl's argument for a body that is in a file.
    pub(crate) fn file(&self, content: &str) -> String {
        let path = self.path("content", 0);
        fs::write(&path, content).expect("it is written");
        format!("@{path}")
    }

    /// Makes requests with these arguments, one after the other on one connection while it lives.
    pub(crate) fn run(&self, version: &str, requests: &[&[&str]]) -> Vec<Said> {
        let mut curl = Command::new("curl");
        for (number, arguments) in requests.iter().enumerate() {
            if number > 0 {
                curl.arg("--next");
            }
            curl.args(["--silent", "--show-error", "--max-time", "60", version]);
            curl.args(["--cacert", &self.authority]);
            curl.args(["--write-out", "%{http_version} %{http_code} %{num_connects}\\n"]);
            curl.args(["--dump-header", &self.path("head", number)]);
            curl.args(["--output", &self.path("body", number)]).args(*arguments);
        }
        let output = curl.output().expect("it runs");
        assert!(output.status.success(), "{version} {requests:?}: {}", stderr(&output));
        let read = |name, number| {
            let path = self.path(name, number);
            let text = fs::read_to_string(&path).unwrap_or_default();
            // curl leaves the file of another request if a response has no body.
            let _ = fs::remove_file(path);
            text
        };
        let lines = stdout(&output);
        let said = lines.lines().enumerate().map(|(number, line)| {
            let words: Vec<_> = line.split(' ').collect();
            assert_eq!(version.trim_start_matches("--http"), words[0], "another version");
            Said {
                status: words[1].parse().expect("a status"),
                head: read("head", number),
                body: read("body", number),
                connects: words[2].parse().expect("a number"),
            }
        });
        said.collect()
    }

    fn path(&self, name: &str, number: usize) -> String {
        let path = self.folder.path().join(format!("{name}-{number}"));
        path.to_str().expect("UTF-8").to_owned()
    }
}
