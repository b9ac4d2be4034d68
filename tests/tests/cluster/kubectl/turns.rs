//! A kubectl that goes to another member with each command.

use reddwarf_tests::cluster::Cluster;
use std::cell::Cell;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

/// Commands against a group, each at the member after the last one's.
///
/// A command is a line, split at spaces; what stands between single quotes is one argument.
pub struct Kubectl<'a> {
    cluster: &'a Cluster,
    turn: Cell<u16>,
}

impl<'a> Kubectl<'a> {
    /// Begins at the first member.
    pub fn new(cluster: &'a Cluster) -> Self {
        Kubectl { cluster, turn: Cell::new(0) }
    }

    /// A command that is not yet run.
    pub fn command(&self, line: &str) -> Command {
        self.turn.set(self.turn.get() % 3 + 1);
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = self.cluster.kubectl_command(self.turn.get(), &words);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command, however it ends.
    pub fn run(&self, line: &str) -> Output {
        self.command(line).output().expect("kubectl runs")
    }

    /// Runs a command, which must succeed; gives what it prints.
    #[track_caller]
    pub fn ok(&self, line: &str) -> String {
        let output = self.run(line);
        self.judge(line, &output, true);
        text(&output.stdout)
    }

    /// The same with something on standard input.
    #[track_caller]
    pub fn ok_with_input(&self, line: &str, input: &str) -> String {
        let mut command = self.command(line);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let mut to = child.stdin.take().expect("it is piped");
        to.write_all(input.as_bytes()).expect("it reads");
        drop(to);
        let output = child.wait_with_output().expect("it ends");
        self.judge(line, &output, true);
        text(&output.stdout)
    }

    /// Runs a command that edits with a `sed` script.
    #[track_caller]
    pub fn ok_edited(&self, line: &str, script: &str) -> String {
        let editor = format!("#!/bin/sh\nsed -i '{script}' \"$1\"\n");
        let editor = self.cluster.write("editor", &editor);
        fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).expect("executable");
        let output = self.command(line).env("KUBE_EDITOR", &editor).output();
        let output = output.expect("kubectl runs");
        self.judge(line, &output, true);
        text(&output.stdout)
    }

    /// Runs a command, which must print `wanted` somewhere.
    #[track_caller]
    pub fn says(&self, line: &str, wanted: &str) {
        let said = self.ok(line);
        assert!(said.contains(wanted), "kubectl {line}\nwanted: {wanted}\nsaid: {said}");
    }

    /// Runs a command, which must print exactly this, spaces around it aside.
    #[track_caller]
    pub fn prints(&self, line: &str, wanted: &str) {
        let said = self.ok(line);
        assert_eq!(said.trim(), wanted, "kubectl {line}");
    }

    /// Runs a command, which must fail with `wanted` somewhere in what it says.
    #[track_caller]
    pub fn refused(&self, line: &str, wanted: &str) {
        let output = self.run(line);
        self.judge(line, &output, false);
        let said = text(&output.stderr);
        assert!(said.contains(wanted), "kubectl {line}\nwanted: {wanted}\nsaid: {said}");
    }

    #[track_caller]
    fn judge(&self, line: &str, output: &Output, success: bool) {
        assert!(
            output.status.success() == success,
            "kubectl {line}, on node-{}: {}\n{}{}",
            self.turn.get(),
            output.status,
            text(&output.stdout),
            text(&output.stderr)
        );
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A line's words.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    for character in line.chars() {
        match character {
            '\'' => {
                quoted = !quoted;
                begun = true;
            }
            ' ' if !quoted => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            other => {
                word.push(other);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}
