//! Replays what kube-apiserver answered to recorded requests against a real group.
//!
//! `compat/not-yet-passing.txt` lists the scenarios that differ, each with its cause. A listed
//! one that passes fails this test as much as an unlisted one that does not: the list only
//! shrinks. `REDDWARF_UPDATE=1` rewrites it (keeping the causes that are there).

use reddwarf::kubeconfig::Kubeconfig;
use reddwarf_tests::cluster::Cluster;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The areas that are replayed.
const AREAS: [&str; 14] = [
    "apply",
    "custom",
    "deletion",
    "discovery",
    "dry-run",
    "generation",
    "kinds",
    "list",
    "patch",
    "subresource",
    "table",
    "validation",
    "verbs",
    "watch",
];

/// The share of scenarios that must pass, in percent.
const PASSING_PERCENT_MIN: usize = 95;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("compat")
}

/// What one scenario showed.
struct Outcome {
    passed: bool,
    /// The first difference.
    difference: String,
    /// The whole report of the scenario.
    report: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recorded_scenarios_replay() {
    let cluster = Cluster::start(3).await;
    let outcomes = replay(&cluster);
    let list_path = folder().join("not-yet-passing.txt");
    let listed = read_list(&fs::read_to_string(&list_path).unwrap_or_default());
    if std::env::var_os("REDDWARF_UPDATE").is_some() {
        fs::write(&list_path, render_list(&outcomes, &listed)).expect("the list is written");
        return;
    }
    let failed: BTreeSet<&str> =
        outcomes.iter().filter(|(_, o)| !o.passed).map(|(name, _)| name.as_str()).collect();
    let mut problems = String::new();
    for name in failed.iter().filter(|name| !listed.contains_key(**name)) {
        let report = &outcomes[*name].report;
        writeln!(problems, "fails and is not listed: {name}\n{report}").expect("a string");
    }
    for name in listed.keys().filter(|name| !failed.contains(name.as_str())) {
        writeln!(problems, "passes (or is gone): take it off the list: {name}").expect("a string");
    }
    let passed = outcomes.len() - failed.len();
    println!("{passed} of {} scenarios pass", outcomes.len());
    assert!(problems.is_empty(), "{problems}");
    assert!(passed * 100 >= outcomes.len() * PASSING_PERCENT_MIN, "{passed} are too few");
}

/// Runs all areas; outcomes by scenario name.
fn replay(cluster: &Cluster) -> BTreeMap<String, Outcome> {
    let pki = &cluster.group.folder;
    let kubeconfig = Kubeconfig::read(&cluster.group.admin_kubeconfig()).expect("just written");
    let (cert, key) = (pki.join("admin.crt"), pki.join("admin.key"));
    fs::write(&cert, &kubeconfig.certificate).expect("written");
    fs::write(&key, &kubeconfig.key).expect("written");
    // Two at a time, on two members: the scenarios do not touch each other's objects.
    let halves: Vec<_> = AREAS
        .chunks(AREAS.len() / 2)
        .zip(&kubeconfig.members)
        .map(|(areas, member)| {
            let child = Command::new("python3")
                .arg(folder().join("compat.py"))
                .args(["replay", "--server", &member.url])
                .arg("--ca")
                .arg(pki.join("pki/ca.crt"))
                .arg("--cert")
                .arg(&cert)
                .arg("--key")
                .arg(&key)
                .args(areas.iter().map(|area| folder().join("scenarios").join(area)))
                .stdout(Stdio::piped())
                .spawn()
                .expect("python3 runs");
            std::thread::spawn(move || child.wait_with_output().expect("it ends"))
        })
        .collect();
    let mut outcomes = BTreeMap::new();
    for half in halves {
        let output = half.join().expect("the thread ends");
        assert_ne!(output.status.code(), Some(2), "the server could not be reached");
        outcomes.extend(parse(&String::from_utf8_lossy(&output.stdout)));
    }
    let files: usize = AREAS
        .iter()
        .map(|area| fs::read_dir(folder().join("scenarios").join(area)).expect("there").count())
        .sum();
    assert_eq!(outcomes.len(), files, "every scenario has an outcome");
    outcomes
}

/// Reads the report: `ok   name (1.0 s)` or `FAIL name (…)`, followed by indented lines.
fn parse(report: &str) -> Vec<(String, Outcome)> {
    let mut outcomes: Vec<(String, Outcome)> = Vec::new();
    for line in report.lines() {
        let passed = line.starts_with("ok ");
        if passed || line.starts_with("FAIL ") {
            let name = line.split_ascii_whitespace().nth(1).unwrap_or_default();
            let outcome =
                Outcome { passed, difference: String::new(), report: format!("{line}\n") };
            outcomes.push((name.to_owned(), outcome));
        } else if let (Some((_, outcome)), true) = (outcomes.last_mut(), line.starts_with("    ")) {
            outcome.report.push_str(line);
            outcome.report.push('\n');
            if outcome.difference.is_empty() {
                outcome.difference = line.trim().to_owned();
            }
        }
    }
    outcomes
}

/// `scenario: cause` by scenario; `#` begins a comment.
fn read_list(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, cause) = line.split_once(':').expect("`scenario: cause`");
            assert!(!cause.trim().is_empty(), "{name} has no cause");
            (name.trim().to_owned(), cause.trim().to_owned())
        })
        .collect()
}

fn render_list(outcomes: &BTreeMap<String, Outcome>, old: &BTreeMap<String, String>) -> String {
    let mut text =
        "# Scenarios that do not pass yet, each with its cause. Only lines go away.\n".to_owned();
    for (name, outcome) in outcomes.iter().filter(|(_, outcome)| !outcome.passed) {
        let cause = old.get(name).unwrap_or(&outcome.difference);
        writeln!(text, "{name}: {cause}").expect("a string");
    }
    text
}

#[test]
fn a_report_is_read_by_scenario() {
    let report = "ok   verbs/a (0.1 s)\nFAIL verbs/b (0.2 s)\n     hard x body.kind\n       \
                  upstream: 1\n0 soft differences (wording of messages)\n1 passed, 1 failed\n";
    let outcomes = parse(report);
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes[0].1.passed && !outcomes[1].1.passed);
    assert_eq!(outcomes[1].1.difference, "hard x body.kind");
}
