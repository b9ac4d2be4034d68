//! Runs the commands of the README and of the tutorial.

use reddwarf_tests::cluster::{free_ports, kubectl_program, program};
use std::fs;
use std::path::Path;
use std::process::Command;

/// The text of all `sh` blocks, in order.
fn commands(readme: &str) -> String {
    let mut script = String::new();
    let mut inside = false;
    for line in readme.lines() {
        match line.trim_start() {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => {
                script.push_str(line);
                script.push('\n');
            }
            _ => {}
        }
    }
    script
}

/// `cargo run --release --` is the program that is under test, and `up` returns when the group
/// is ready; the README's ports may be taken on this machine. Faults are made for a shorter time.
const PRELUDE: &str = r#"
set -euo pipefail
reddwarf() {
    case "$1" in
        up) shift; command "$PROGRAM" up --base-port "$BASE_PORT" --detach "${@//--detach/--workers=3}" ;;
        *) command "$PROGRAM" "$@" ;;
    esac
}
cargo() {
    case "$3" in
        -p) shift 5; "$(dirname "$PROGRAM")/jepsen" "${@/#120/20}" --binary "$PROGRAM" --out "$HOME/run" ;;
        *) shift 3; reddwarf "$@" ;;
    esac
}
trap '"$PROGRAM" down > /dev/null' EXIT
set -x
"#;

#[test]
fn the_commands_of_the_readme_work() {
    let script = run("README.md");
    assert!(script.contains("-- up") && script.contains("kubectl apply"), "{script}");
}

#[test]
fn the_commands_of_the_tutorial_work() {
    let script = run("docs/tutorial.md");
    assert!(script.contains("reddwarf merge") && script.contains("kill -9"), "{script}");
}

/// Runs the commands of a page with a group of their own; the commands.
fn run(page: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join(page)).expect("there");
    let port = free_ports(3);
    let script =
        commands(&page).replace("6443", &port.to_string()).replace("6445", &(port + 2).to_string());
    let home = tempfile::tempdir().expect("a temporary folder");
    let kubectl = home.path().join("bin");
    fs::create_dir(&kubectl).expect("a folder");
    std::os::unix::fs::symlink(kubectl_program(), kubectl.join("kubectl")).expect("a link");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("bash")
        .args(["-c", &format!("{PRELUDE}{script}")])
        .current_dir(&root)
        .env("HOME", home.path())
        .env("PATH", format!("{}:{path}", kubectl.display()))
        .env("PROGRAM", program())
        .env("BASE_PORT", port.to_string())
        .env_remove("XDG_DATA_HOME")
        .env_remove("KUBECONFIG")
        .output()
        .expect("bash runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    script
}

/// The targets of a page's links to files, relative to its folder.
fn links(page: &str) -> Vec<&str> {
    let targets = page.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.starts_with("http")).collect()
}

#[test]
fn the_pages_link_to_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let decisions = fs::read_dir(root.join("docs/decisions")).expect("there");
    let decisions = decisions.map(|entry| entry.expect("an entry").path());
    let named =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "docs/format.md", "docs/tutorial.md"];
    for page in named.map(|name| root.join(name)).into_iter().chain(decisions) {
        let text = fs::read_to_string(&page).expect("there");
        let folder = page.parent().expect("a folder");
        for link in links(&text) {
            assert!(folder.join(link).exists(), "{} links to {link}", page.display());
        }
        if page.ends_with("decisions/README.md") {
            let listed = links(&text).len();
            let there = fs::read_dir(folder).expect("there").count() - 1;
            assert_eq!(listed, there, "every decision is in the list");
        }
    }
}
