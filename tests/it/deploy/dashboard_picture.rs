//! The picture of the dashboard, which `deploy/render-dashboard` draws.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::support::{
    dashboard::dashboard,
    process::{stderr, stdout},
    program::program,
    prometheus,
};

#[test]
fn every_panel_of_the_dashboard_is_drawn_from_a_server_under_load() {
    for (name, package) in
        [("prometheus", prometheus::PACKAGE), ("python3", "python3"), ("openssl", "openssl")]
    {
        if program(name, package).is_none() {
            return;
        }
    }
    let folder = TempDir::new().expect("a folder");
    let picture = folder.path().join("dashboard.svg");
    let mut render = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/render-dashboard"));
    render.args(["--binary", env!("CARGO_BIN_EXE_sample-service"), "--seconds", "8"]);
    let output = render.arg("--output").arg(&picture).output().expect("it runs");
    // It fails if a query of a panel finds nothing.
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));

    let picture = fs::read_to_string(picture).expect("it is written");
    for panel in dashboard()["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("text");
        assert!(picture.contains(&format!(">{title}</text>")), "{title}");
    }
    // The load has refusals and errors.
    for name in ["OK", "ResourceExhausted", "DeadlineExceeded", "queue_full", "failed"] {
        assert!(picture.contains(&format!(">{name}</text>")), "{name}");
    }
    assert!(!picture.contains("{{"), "a legend has a label that its series does not have");
}
