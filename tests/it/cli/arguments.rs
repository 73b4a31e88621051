//! Arguments that people often type wrong, and `help`.

use crate::support::process::{run, stderr, stdout};

#[test]
fn a_negative_number_is_refused_as_a_number_and_not_as_an_option() {
    for (arguments, problem) in [
        (&["call", "--timeout", "-1s"][..], "'-1s' for '--timeout <DURATION>': it is negative"),
        (&["call", "--attempts", "-1"], "-1"),
        (&["health", "--timeout", "-.5s"], "it is negative: expected a duration above 0"),
        (&["load", "--rate", "-5"], "'-5' for '--rate <N>': it is negative: expected calls per"),
        (&["load", "--duration", "-1m"], "it is negative: expected a duration above 0"),
        (&["load", "--size", "-1KiB"], "expected a size up to 1GiB"),
        (&["load", "--calls", "-1"], "'-1' for '--calls <N>'"),
        (&["load", "--concurrency", "-1"], "'-1' for '--concurrency <N>'"),
        (&["load", "--connections", "-1"], "'-1' for '--connections <N>'"),
    ] {
        let output = run(arguments);
        let error = stderr(&output);
        assert!(error.contains(problem), "{arguments:?}: {error}");
        assert!(!error.contains("unexpected argument"), "{arguments:?}: {error}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    let output = run(&["serve", "--work", "-1s"]);
    assert!(stderr(&output).contains("found \"-1s\" (from --work)"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn the_names_of_other_tools_for_ca_suggest_ca() {
    for arguments in [
        &["call", "--cacert", "ca.pem"][..],
        &["health", "--cacert"],
        &["load", "--ca-cert=ca.pem"],
    ] {
        let output = run(arguments);
        let error = stderr(&output);
        assert!(error.contains("a similar argument exists: '--ca'"), "{arguments:?}: {error}");
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
    }
    assert!(!stdout(&run(&["call", "--help"])).contains("cacert"));
}

#[test]
fn help_is_a_command_too() {
    for (arguments, text) in [
        (&["help"][..], "Commands:"),
        (&["help", "call"], "Usage: sample-service call [OPTIONS] [MESSAGE]..."),
        (&["help", "config", "show"], "Usage: sample-service config show [OPTIONS]"),
    ] {
        let output = run(arguments);
        assert!(stdout(&output).contains(text), "{arguments:?}: {}", stdout(&output));
        assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
    }
    let output = run(&["help", "nonsense"]);
    assert!(stderr(&output).contains("unrecognized subcommand 'nonsense'"), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(64));
}
