//! What `deploy/` holds is valid, and names flags and settings that exist.

use reddwarf_tests::cluster::program;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join("deploy").join(path)).expect("there")
}

fn text(output: &Output) -> String {
    let (out, err) = (&output.stdout, &output.stderr);
    format!("{}{}", String::from_utf8_lossy(out), String::from_utf8_lossy(err))
}

/// Has `reddwarf server` read a configuration file.
#[track_caller]
fn is_configuration(file: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("config.toml");
    fs::write(&path, file).expect("written");
    let output = Command::new(program())
        .args(["server", "--print-config", "--config"])
        .arg(&path)
        .output()
        .expect("reddwarf runs");
    assert!(output.status.success(), "{file}\n{}", text(&output));
}

#[test]
fn the_systemd_unit_is_valid() {
    let unit = read("systemd/reddwarf.service");
    let comment = unit.lines().take_while(|line| line.starts_with('#'));
    let comment: Vec<&str> = comment.map(|line| line.trim_start_matches(['#', ' '])).collect();
    let start = comment.iter().position(|line| line.starts_with("name =")).expect("an example");
    let end = comment.iter().position(|line| *line == "…").expect("its end");
    is_configuration(&comment[start..end].join("\n"));
    let program = program();
    let unit = unit.replace("/usr/bin/reddwarf", program.to_str().expect("a plain path"));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("reddwarf.service");
    fs::write(&path, unit).expect("written");
    let verified = Command::new("systemd-analyze").arg("verify").arg(&path).output();
    let Ok(verified) = verified else {
        println!("without systemd-analyze only the example was checked");
        return;
    };
    // It also speaks of units that this one depends on.
    let own = text(&verified).lines().any(|line| line.contains("reddwarf"));
    assert!(verified.status.success() && !own, "{}", text(&verified));
}

#[test]
fn the_compose_file_starts_the_program_as_it_can_be_started() {
    let compose: Value = serde_yaml_ng::from_str(&read("compose/compose.yaml")).expect("YAML");
    let service = &compose["services"]["reddwarf"];
    let file = service["build"]["dockerfile"].as_str().expect("a container file");
    let container = fs::read_to_string(root().join(file)).expect("there");
    assert!(container.contains("cargo build --release --locked --bin reddwarf"), "{container}");
    let words = service["command"].as_array().expect("a command");
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
    let line = container.lines().find_map(|line| line.strip_prefix("CMD ")).expect("a command");
    let default: Vec<String> = serde_json::from_str(line).expect("a list of words");
    for command in [words, default.iter().map(String::as_str).collect()] {
        // Flags are read before --help is.
        let output = Command::new(program()).args(&command).arg("--help").output();
        let output = output.expect("reddwarf runs");
        assert!(output.status.success(), "{command:?}: {}", text(&output));
    }
    let volume = service["volumes"][0].as_str().and_then(|v| v.split_once(':')).expect("a volume");
    assert!(compose["volumes"].get(volume.0).is_some(), "{volume:?} is declared");
    assert!(container.contains(&format!("VOLUME {}", volume.1)), "{volume:?}");
}

#[test]
fn the_smf_manifest_is_well_formed() {
    let manifest = read("smf/reddwarf.xml");
    let script = "import sys, xml.etree.ElementTree as t\n\
                  for m in t.parse(sys.stdin).iter('exec_method'): print(m.get('exec'))";
    let mut python = Command::new("python3")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 runs");
    python.stdin.take().expect("piped").write_all(manifest.as_bytes()).expect("taken");
    let output = python.wait_with_output().expect("it ends");
    let methods = text(&output);
    let start = "/opt/reddwarf/bin/reddwarf server --config /etc/reddwarf/config.toml";
    assert!(output.status.success());
    assert_eq!(methods.lines().collect::<Vec<_>>(), [start, ":kill"]);
}

#[test]
fn every_configuration_in_the_readme_is_accepted() {
    let readme = fs::read_to_string(root().join("README.md")).expect("there");
    let blocks: Vec<&str> =
        readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        is_configuration(block);
    }
}
