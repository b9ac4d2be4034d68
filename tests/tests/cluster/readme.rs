//! Runs the commands of the README, of the tutorial and of the operator's guide.

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
        # In the background, where its process is the one that is known by `$!`.
        server) exec "$PROGRAM" "$@" ;;
        *) command "$PROGRAM" "$@" ;;
    esac
}
cargo() {
    case "$3" in
        -p) shift 5; "$(dirname "$PROGRAM")/jepsen" "${@/#120/20}" --binary "$PROGRAM" --out "$HOME/run" ;;
        *) shift 3; reddwarf "$@" ;;
    esac
}
trap '"$PROGRAM" down > /dev/null; kill $(jobs -p) 2> /dev/null || true' EXIT
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

#[test]
fn the_commands_of_the_operators_guide_work() {
    let script = run("docs/operators-guide.md");
    assert!(script.contains("recover --force-new-group") && script.contains("dd if"), "{script}");
}

/// Runs the commands of a page with a group of their own; the commands.
fn run(page: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join(page)).expect("there");
    let port = free_ports(6);
    let mut script = commands(&page);
    for i in 0..6 {
        script = script.replace(&format!("{}", 6443 + i), &format!("{}", port + i));
    }
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

/// What a page's headings are called in links.
fn sections(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).expect("text");
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |line: &str| {
        let title = line.trim_start_matches(['#', ' ']).to_lowercase();
        let kept = title.chars().filter(|c| c.is_alphanumeric() || " -".contains(*c));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

#[test]
fn the_pages_link_to_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let decisions = fs::read_dir(root.join("docs/decisions")).expect("there");
    let decisions = decisions.map(|entry| entry.expect("an entry").path());
    let named = [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "deploy/README.md",
        "docs/format.md",
        "docs/operators-guide.md",
        "docs/tutorial.md",
    ];
    for page in named.map(|name| root.join(name)).into_iter().chain(decisions) {
        let text = fs::read_to_string(&page).expect("there");
        let folder = page.parent().expect("a folder");
        for link in links(&text) {
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { folder.join(file) };
            assert!(target.exists(), "{} links to {link}", page.display());
            let there = section.is_empty() || sections(&target).iter().any(|s| s == section);
            assert!(there, "{} links to {link}", page.display());
        }
        if page.ends_with("decisions/README.md") {
            let listed = links(&text).len();
            let there = fs::read_dir(folder).expect("there").count() - 1;
            assert_eq!(listed, there, "every decision is in the list");
        }
    }
}
