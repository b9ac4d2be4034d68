//! What `deploy/` holds is valid, and names flags and settings that exist.

use reddwarf_tests::cluster::{Cluster, program};
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

/// What systemd lets the unit do, from 0 (nothing) to 100, and what it must not exceed.
const EXPOSURE_MAX: &str = "--threshold=15";

#[test]
fn the_systemd_unit_may_do_little() {
    let path = root().join("deploy/systemd/reddwarf.service");
    let judged = Command::new("systemd-analyze")
        .args(["security", "--offline=true", EXPOSURE_MAX])
        .arg(path)
        .output();
    let Ok(judged) = judged else {
        println!("without systemd-analyze the unit was not judged");
        return;
    };
    let said = text(&judged);
    if said.contains("unrecognized option") {
        println!("this systemd-analyze judges no files");
        return;
    }
    assert!(judged.status.success(), "{said}");
}

#[test]
fn the_compose_file_and_the_container_file_agree() {
    let compose: Value = serde_yaml_ng::from_str(&read("compose/compose.yaml")).expect("YAML");
    let services = compose["services"].as_object().expect("services");
    let file = services["node-1"]["build"]["dockerfile"].as_str().expect("a container file");
    let container = fs::read_to_string(root().join(file)).expect("there");
    assert!(container.contains("cargo build --release --locked --bin reddwarf"), "{container}");
    let line = container.lines().find_map(|line| line.strip_prefix("CMD ")).expect("a command");
    let default: Vec<String> = serde_json::from_str(line).expect("a list of words");
    // Flags are read before --help is.
    let output = Command::new(program()).args(&default).arg("--help").output();
    let output = output.expect("reddwarf runs");
    assert!(output.status.success(), "{default:?}: {}", text(&output));
    let members = services.iter().filter(|(name, _)| name.starts_with("node-"));
    for (name, service) in members {
        let data = service["volumes"][0].as_str().and_then(|v| v.split_once(':'));
        let (volume, place) = data.expect("a volume");
        assert_eq!(volume, name);
        assert!(compose["volumes"].get(volume).is_some(), "{volume:?} is declared");
        assert!(container.contains(&format!("VOLUME {place}")), "{place:?}");
    }
    is_configuration(&format!("name = \"node-1\"\n{}", read("compose/config.toml")));
}

#[test]
fn the_cloud_init_files_are_valid() {
    let known = ["package_update", "packages", "users", "write_files", "runcmd"];
    for path in ["cloud-init/first.yaml", "cloud-init/joining.yaml"] {
        let file = read(path);
        assert!(file.starts_with("#cloud-config\n"), "{path}");
        let config: Value = serde_yaml_ng::from_str(&file).expect("YAML");
        let keys = config.as_object().expect("a map").keys();
        assert!(keys.clone().all(|key| known.contains(&key.as_str())), "{path}: {keys:?}");
        let judged = Command::new("cloud-init")
            .args(["schema", "--config-file"])
            .arg(root().join("deploy").join(path))
            .output();
        match judged {
            Ok(judged) => assert!(judged.status.success(), "{path}: {}", text(&judged)),
            Err(_) => println!("without cloud-init only the keys of {path} were checked"),
        }
    }
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

const KEEPALIVED: &str = "keepalived/keepalived.conf";

#[test]
fn the_keepalived_configuration_is_valid() {
    // A user that every machine has, and the interface that the file names.
    let file = read(KEEPALIVED).replace("script_user keepalived_script", "script_user nobody");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("keepalived.conf");
    fs::write(&path, file).expect("written");
    let script = "command -v keepalived >/dev/null || exit 200\n\
                  ip tuntap add eth0 mode tap && ip link set eth0 up || exit 200\n\
                  exec keepalived --config-test --use-file \"$0\"";
    let judged = Command::new("unshare").args(["--net", "sh", "-c", script]).arg(&path).output();
    match judged {
        Ok(judged) if judged.status.code() != Some(200) => {
            // It says what it does not take; it may end by a signal of its own all the same.
            let said = text(&judged);
            assert!(said.trim().is_empty(), "{said}");
        }
        _ => println!("without keepalived, and root, its configuration was not read by it"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_check_of_keepalived_tells_whether_a_member_is_ready() {
    let file = read(KEEPALIVED);
    let line = file.lines().find_map(|line| line.trim().strip_prefix("script \""));
    let check = line.and_then(|line| line.strip_suffix('"')).expect("a command");
    let cluster = Cluster::start(1).await;
    let address = cluster.group.node_config(1).listen.to_string();
    let words = check.replace("127.0.0.1:6443", &address);
    let mut words = words.split(' ');
    // keepalived wants the whole path of it.
    let program = words.next().expect("a program");
    assert!(Path::new(program).is_file(), "{program}");
    let mut command = Command::new(program);
    command.args(words);
    assert!(command.status().expect("it runs").success(), "{check}");
    cluster.kill(1).await;
    assert!(!command.status().expect("it runs").success(), "{check}");
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
