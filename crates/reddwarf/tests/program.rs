//! The program's own messages.

use std::fs;
use std::process::{Command, Output};

fn reddwarf(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_reddwarf"))
        .args(arguments)
        .env("HOME", "/nonexistent")
        .env_remove("XDG_DATA_HOME")
        .env_remove("KUBECONFIG")
        .output()
        .expect("the program runs")
}

#[test]
fn the_configuration_is_printed_as_flags_environment_and_file_give_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("config.toml");
    fs::write(&file, "name = 'a'\ndata_dir = '/d'\nlisten = '127.0.0.1:1'\n").expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_reddwarf"))
        .args(["server", "--print-config", "--listen", "127.0.0.1:3", "--config"])
        .arg(&file)
        .env("REDDWARF_NAME", "b")
        .env("REDDWARF_LISTEN", "127.0.0.1:2")
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    for line in ["name = \"b\"", "listen = \"127.0.0.1:3\"", "data_dir = \"/d\""] {
        assert!(text.contains(line), "{line} in:\n{text}");
    }
}

#[test]
fn a_bad_configuration_is_shown_with_its_place_and_what_to_do() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("config.toml");
    fs::write(&file, "nam = 'a'\n").expect("written");
    let output = reddwarf(&["server", "--config", file.to_str().expect("a plain path")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for part in ["reddwarf::config::malformed", "unknown field `nam`", "--print-config"] {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
}

#[test]
fn a_client_command_without_a_group_says_how_to_name_one() {
    let output = reddwarf(&["status"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("KUBECONFIG"), "{text}");
}

#[test]
fn down_without_a_group_says_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = reddwarf(&["down", "--data", folder.path().to_str().expect("a plain path")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("holds no group"), "{text}");
}
