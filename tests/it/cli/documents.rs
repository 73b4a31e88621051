//! `sample-service completions` and `sample-service man`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::support::process::{run, stderr, stdout};

#[test]
fn completions_are_a_script_for_each_shell() {
    for (shell, text) in [
        ("bash", "complete -F _sample__service"),
        ("zsh", "#compdef sample-service"),
        ("fish", "complete -c sample-service"),
        ("elvish", "edit:completion:arg-completer[sample-service]"),
        ("powershell", "Register-ArgumentCompleter -Native -CommandName 'sample-service'"),
    ] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}: {}", stderr(&output));
        let script = stdout(&output);
        assert!(script.contains(text), "{shell}: {script}");
        for word in ["health", "wait-for-ready", "max-workers"] {
            assert!(script.contains(word), "{shell}: no {word}");
        }
        assert!(!script.contains("cacert"), "{shell}: a hidden argument");
    }
    assert_eq!(run(&["completions", "tcsh"]).status.code(), Some(64));
}

/// bash itself completes a word with the script.
#[test]
fn bash_completes_commands_and_options() {
    let script = stdout(&run(&["completions", "bash"]));
    for (words, expected) in [
        (&["sample-service", "hea"][..], "health"),
        (&["sample-service", "call", "--wait"], "--wait-for-ready"),
    ] {
        let complete = format!(
            "{script}\nCOMP_WORDS=({}) COMP_CWORD={}\n\
             _sample__service sample-service {:?} {:?}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
            words.join(" "),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        let mut bash = Command::new("bash")
            .arg("--norc")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("bash is there");
        let mut stdin = bash.stdin.take().expect("piped");
        stdin.write_all(complete.as_bytes()).expect("it reads");
        drop(stdin);
        let output = bash.wait_with_output().expect("it ends");
        assert_eq!(stdout(&output), format!("{expected}\n"));
    }
}

#[test]
fn man_is_a_page_in_roff_for_the_program_and_for_each_command() {
    for (arguments, title, text) in [
        (&["man"][..], ".TH sample-service 1", "Exit codes of client commands"),
        (&["man", "call"], ".TH sample\\-service\\-call 1", "wait\\-for\\-ready"),
        (&["man", "config", "show"], ".TH sample\\-service\\-config\\-show 1", "max\\-workers"),
    ] {
        let output = run(arguments);
        let page = stdout(&output);
        let plain = page.replace('\\', "");
        assert!(plain.contains(&title.replace('\\', "")), "{arguments:?}: {page}");
        assert!(page.contains(text), "{arguments:?}: {page}");
        assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
    }
    let output = run(&["man", "nonsense"]);
    assert!(stderr(&output).contains("there is no command \"nonsense\""), "{}", stderr(&output));
    assert_eq!(output.status.code(), Some(64));
}
