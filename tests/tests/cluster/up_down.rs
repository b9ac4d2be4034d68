//! `reddwarf up`, `status` and `down` as scripts use them.

use reddwarf_tests::cluster::{free_ports, program};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn reddwarf(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().expect("reddwarf runs")
}

#[track_caller]
fn succeeds(arguments: &[&str]) -> String {
    let output = reddwarf(arguments);
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "reddwarf {}: {out}{err}", arguments.join(" "));
    out.into_owned()
}

fn pid(folder: &Path, node: &str) -> String {
    fs::read_to_string(folder.join(node).join("pid")).expect("a pid file").trim().to_owned()
}

/// Stops what a failed test left.
struct Down<'a>(&'a str);

impl Drop for Down<'_> {
    fn drop(&mut self) {
        reddwarf(&["down", "--data", self.0]);
    }
}

#[test]
fn up_starts_what_does_not_run_and_down_stops_all() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().to_str().expect("a plain path");
    let port = free_ports(3).to_string();
    let _down = Down(data);
    let up = ["up", "--data", data, "--base-port", &port, "--workers", "1", "--detach"];
    let said = succeeds(&up);
    assert!(said.contains("export KUBECONFIG="), "{said}");
    assert_eq!(said.lines().last(), Some("ready"));
    let kubeconfig = folder.path().join("admin.kubeconfig");
    let kubeconfig = kubeconfig.to_str().expect("a plain path");
    let first: Vec<String> = (1..=3).map(|i| pid(folder.path(), &format!("node-{i}"))).collect();
    assert!(folder.path().join("hollow/pid").exists());

    succeeds(&["up", "--data", data, "--workers", "1", "--detach"]);
    let again: Vec<String> = (1..=3).map(|i| pid(folder.path(), &format!("node-{i}"))).collect();
    assert_eq!(first, again, "what runs is left alone");

    let kill = Command::new("kill").args(["-9", &first[1]]).status().expect("kill runs");
    assert!(kill.success());
    succeeds(&["up", "--data", data, "--workers", "1", "--detach"]);
    assert_ne!(first[1], pid(folder.path(), "node-2"), "the killed member runs again");
    assert_eq!(first[0], pid(folder.path(), "node-1"));

    let status: Value =
        serde_json::from_str(&succeeds(&["status", "--kubeconfig", kubeconfig, "-o", "json"]))
            .expect("JSON");
    let members = status["members"].as_array().expect("members");
    let leaders = members.iter().filter(|m| m["role"] == "leader").count();
    assert_eq!((members.len(), leaders), (3, 1), "{status}");

    succeeds(&["down", "--data", data]);
    for node in ["node-1", "node-2", "node-3", "hollow"] {
        assert!(!folder.path().join(node).join("pid").exists(), "{node} stopped cleanly");
    }
    let refused = reddwarf(&["status", "--kubeconfig", kubeconfig]);
    assert!(!refused.status.success());
}

#[test]
fn an_interrupt_ends_up_and_its_members() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().to_str().expect("a plain path");
    let _down = Down(data);
    let port = free_ports(1).to_string();
    let mut up = Command::new(program())
        .args(["up", "--nodes", "1", "--workers", "0", "--data", data, "--base-port", &port])
        .stdout(Stdio::piped())
        .spawn()
        .expect("reddwarf runs");
    let output = BufReader::new(up.stdout.take().expect("piped"));
    let ready = output.lines().map_while(Result::ok).any(|line| line == "ready");
    assert!(ready, "up says that it is ready");
    let interrupt = rustix::process::Pid::from_raw(up.id() as i32).expect("a process id");
    rustix::process::kill_process(interrupt, rustix::process::Signal::INT).expect("it runs");
    assert!(up.wait().expect("it ends").success());
    assert!(!folder.path().join("node-1/pid").exists(), "the member stopped cleanly");
}

#[test]
fn one_member_needs_no_configuration() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().to_str().expect("a plain path");
    let listen = format!("127.0.0.1:{}", free_ports(1));
    let mut server = Command::new(program())
        .args(["server", "--data-dir", data, "--listen", &listen])
        .stderr(Stdio::null())
        .spawn()
        .expect("reddwarf runs");
    let kubeconfig = folder.path().join("admin.kubeconfig");
    let kubeconfig = kubeconfig.to_str().expect("a plain path");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !reddwarf(&["status", "--kubeconfig", kubeconfig]).status.success() {
        assert!(std::time::Instant::now() < deadline, "the member does not answer");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let id = rustix::process::Pid::from_raw(server.id() as i32).expect("a process id");
    rustix::process::kill_process(id, rustix::process::Signal::TERM).expect("it runs");
    assert!(server.wait().expect("it ends").success(), "a clean stop exits with 0");
}

#[test]
fn a_group_goes_up_without_a_member_that_was_removed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().to_str().expect("a plain path");
    let port = free_ports(3).to_string();
    let _down = Down(data);
    succeeds(&["up", "--data", data, "--base-port", &port, "--workers", "0", "--detach"]);
    let kubeconfig = folder.path().join("admin.kubeconfig");
    let kubeconfig = kubeconfig.to_str().expect("a plain path");
    succeeds(&["member", "remove", "node-2", "--kubeconfig", kubeconfig]);
    succeeds(&["down", "--data", data]);
    let output = reddwarf(&["up", "--data", data, "--workers", "0", "--detach"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("node-2 is no member of the group any more"), "{said}");
    let status = succeeds(&["member", "list", "--kubeconfig", kubeconfig]);
    assert!(status.contains("node-1") && !status.contains("node-2"), "{status}");
}
