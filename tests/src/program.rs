//! Programs in other languages that are clients of a group.
//!
//! A program prints what it checks. A line `ask: …` asks the test to do something to the group, and
//! is answered by a line when that is done: `kill N`, `start` (what does not run), `leader`.

use crate::cluster::Cluster;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

/// How long a program may run.
const RUN_TIMEOUT: Duration = Duration::from_secs(150);

/// Runs the program of `tests/clients` in `language` against the group.
///
/// # Panics
/// When it fails, with what it said; or when it cannot be prepared.
pub async fn run(cluster: &Cluster, language: &str, arguments: &[&str]) {
    let words = prepare(language).await;
    let (program, first) = words.split_first().expect("tests/clients.sh prints a program");
    let mut child = Command::new(program)
        .args(first)
        .args(arguments)
        .arg(cluster.group.admin_kubeconfig())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    let mut answers = child.stdin.take().expect("it is piped");
    let mut said = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut errors = BufReader::new(child.stderr.take().expect("it is piped")).lines();
    // Printed by this task, so that it is shown when the test fails.
    let complaints = async {
        while let Some(line) = errors.next_line().await.expect("it prints text") {
            println!("{language}: {line}");
        }
    };
    let conversation = async {
        while let Some(line) = said.next_line().await.expect("it prints text") {
            println!("{language}: {line}");
            if let Some(request) = line.strip_prefix("ask: ") {
                let answer = answer(cluster, request).await;
                // One that has ended meanwhile says why on standard error.
                let _ = answers.write_all(format!("{answer}\n").as_bytes()).await;
            }
        }
        child.wait().await.expect("it ends")
    };
    let both = futures::future::join(conversation, complaints);
    let ended = timeout(RUN_TIMEOUT, both).await;
    let (status, ()) = ended.unwrap_or_else(|_| panic!("{language} {arguments:?} does not end"));
    assert!(status.success(), "{language} {arguments:?}: {status}");
}

/// Installs what a program needs; gives the words that run it.
///
/// # Panics
/// When that fails: `tests/clients.sh` says why.
pub async fn prepare(language: &str) -> Vec<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients.sh");
    let output = Command::new(script).arg(language).output().await.expect("tests/clients.sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// Does what a program asks.
async fn answer(cluster: &Cluster, request: &str) -> String {
    match request.split_once(' ').unwrap_or((request, "")) {
        ("kill", member) => {
            cluster.kill(member.parse().expect("the number of a member")).await;
            // The others have a leader again when the program goes on.
            cluster.leader().await;
        }
        ("start", "") => cluster.start_missing().await,
        ("leader", "") => return cluster.leader().await.to_string(),
        _ => panic!("a program asks for {request}"),
    }
    "done".to_owned()
}
