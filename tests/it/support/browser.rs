//! Chromium without a window, driven by the protocol of its developer tools over a pipe
//! (<https://chromedevtools.github.io/devtools-protocol/>).

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{process::NEVER, program::program};

/// A page in a browser of its own.
pub(crate) struct Browser {
    child: Child,
    pipe: ChildStdin,
    messages: Receiver<Value>,
    sent: u64,
    session: Option<String>,
    /// The errors that the page reported, such as requests that its policy forbids.
    pub(crate) errors: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Opens a page, or returns `None` if this machine has no Chromium. In CI that is a failure.
    pub(crate) fn open(url: &str) -> Option<Self> {
        program("chromium", "chromium")?;
        let profile = TempDir::new().expect("a folder");
        // Chromium reads commands from descriptor 3 and writes to 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 >/dev/null 2>&1", "sh"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args(["--no-first-run", "--disable-extensions", "--disable-background-networking"])
            .args(["--remote-debugging-pipe", "--window-size=1280,1600"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let pipe = child.stdin.take().expect("it is piped");
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, messages) = channel();
        thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                message.pop();
                let parsed = serde_json::from_slice(&message).expect("the browser sends JSON");
                if send.send(parsed).is_err() {
                    return;
                }
                message.clear();
            }
        });
        let (sent, session, errors) = (0, None, Vec::new());
        let mut browser = Self { child, pipe, messages, sent, session, errors, _profile: profile };
        let target = browser.command("Target.createTarget", &json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.command("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().map(ToOwned::to_owned);
        for domain in ["Page.enable", "Log.enable", "Runtime.enable", "Accessibility.enable"] {
            browser.command(domain, &json!({}));
        }
        browser.command("Page.navigate", &json!({"url": url}));
        Some(browser)
    }

    /// Sends a command, and returns its result.
    pub(crate) fn command(&mut self, method: &str, parameters: &Value) -> Value {
        self.sent += 1;
        let mut command = json!({"id": self.sent, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.pipe.write_all(format!("{command}\0").as_bytes()).expect("the browser runs");
        loop {
            let message = self.messages.recv_timeout(NEVER).expect("the browser responds");
            if message["id"] == self.sent {
                assert_eq!(message["error"], Value::Null, "{method}");
                return message["result"].clone();
            }
            let is_error = match message["method"].as_str() {
                Some("Runtime.exceptionThrown") => true,
                Some("Log.entryAdded") => message["params"]["entry"]["level"] == "error",
                _ => false,
            };
            if is_error {
                self.errors.push(message["params"].clone());
            }
        }
    }

    /// Returns the value of an expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true});
        self.command("Runtime.evaluate", &parameters)["result"]["value"].clone()
    }

    /// Returns the text of an element, or "" if it is not there yet.
    pub(crate) fn text(&mut self, id: &str) -> String {
        let text = self.evaluate(&format!("document.getElementById({id:?})?.innerText ?? ''"));
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true in the page.
    pub(crate) fn wait_until(&mut self, expression: &str) {
        let deadline = Instant::now() + NEVER;
        while self.evaluate(expression) != true {
            if Instant::now() >= deadline {
                let page = self.evaluate("document.body?.innerText");
                panic!("never true: {expression}\n{page}\n{:?}", self.errors);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // `Browser.close` also ends the processes of the page, which `kill` would leave behind.
        self.session = None;
        let _ = self.pipe.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
