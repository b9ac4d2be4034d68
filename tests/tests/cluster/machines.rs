//! What `deploy/` has for several machines makes a group of them: its scripts and commands are run
//! here, with folders of one machine in the places of theirs.

use reddwarf_tests::cluster::{eventually, free_ports, program, turn};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

fn read(path: &str) -> String {
    fs::read_to_string(deploy().join(path)).expect("there")
}

fn yaml(path: &str) -> Value {
    serde_yaml_ng::from_str(&read(path)).expect("YAML")
}

fn words(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().filter_map(Value::as_str).collect()
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{command:?}: {said}{}", String::from_utf8_lossy(&stderr));
    said
}

/// Members that end with the test.
#[derive(Default)]
struct Members(Vec<Child>);

impl Members {
    fn start(&mut self, command: &mut Command) {
        let log = Stdio::null();
        self.0.push(command.stdout(log).stderr(Stdio::null()).spawn().expect("reddwarf runs"));
    }
}

impl Drop for Members {
    fn drop(&mut self) {
        for member in &mut self.0 {
            // It may have ended by itself.
            let _ = member.kill();
            let _ = member.wait();
        }
    }
}

/// Waits until the group tells of so many voters that answer.
async fn voters(kubeconfig: &Path, count: usize) {
    eventually(&format!("{count} members vote"), async || {
        let mut status = Command::new(program());
        status.args(["status", "-o", "json", "--kubeconfig"]).arg(kubeconfig);
        let output = status.output().expect("reddwarf runs");
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let members = told["members"].as_array().cloned().unwrap_or_default();
        let all = members.iter().all(|m| m["voter"] == true && m["role"] != "unreachable");
        all && members.len() == count
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_services_of_the_compose_file_become_a_group() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let volumes = folder.path().join("volumes");
    let port = free_ports(3);
    let address = |i: u16| format!("127.0.0.1:{}", port + i - 1);
    let compose = yaml("compose/compose.yaml");
    let services = &compose["services"];
    let mut config = read("compose/config.toml");
    for i in 1..=3 {
        config = config.replace(&format!("\"node-{i}:6443\""), &format!("{:?}", address(i)));
    }
    let path = folder.path().join("config.toml");
    fs::write(&path, config).expect("written");
    let mut members = Members::default();
    let mut start = |i: u16| {
        let name = format!("node-{i}");
        let command = words(&services[&name]["command"]);
        let path = path.to_str().expect("a plain path");
        let command: Vec<&str> = command
            .iter()
            .map(|word| if *word == "/etc/reddwarf/config.toml" { path } else { word })
            .collect();
        let mut member = Command::new(program());
        member.args(command).args(["--listen", &address(i), "--data-dir"]);
        members.start(member.arg(volumes.join(name)));
    };

    // The order is that of the conditions.
    assert!(services["node-1"].get("depends_on").is_none());
    start(1);
    let healthy = &services["authority"]["depends_on"]["node-1"]["condition"];
    assert_eq!(healthy, "service_healthy");
    let first = volumes.join("node-1");
    let place = first.to_str().expect("a plain path");
    let check = words(&services["node-1"]["healthcheck"]["test"]);
    let check: Vec<String> =
        check[1..].iter().map(|word| word.replace("/var/lib/reddwarf", place)).collect();
    eventually("node-1 is healthy", async || {
        let status = Command::new(&check[0]).args(&check[1..]).status();
        status.expect("it runs").success()
    })
    .await;
    let shell = words(&services["authority"]["entrypoint"]);
    let script = shell[2]
        .replace("$$", "$")
        .replace("-o reddwarf -g reddwarf ", "")
        .replace("/volumes", volumes.to_str().expect("a plain path"));
    succeeds(Command::new(shell[0]).args([shell[1], &script]));
    for i in [2, 3] {
        let done = &services[format!("node-{i}")]["depends_on"]["authority"]["condition"];
        assert_eq!(done, "service_completed_successfully");
        start(i);
    }
    voters(&first.join("admin.kubeconfig"), 3).await;
}

/// A machine: the folders that it has to itself, and the port that it has for 6443.
struct Machine {
    root: PathBuf,
    port: u16,
}

impl Machine {
    fn boot(&self, file: &str, values: &[(&str, &str)]) {
        let config = yaml(file);
        for entry in config["write_files"].as_array().expect("files") {
            let (path, content) = (entry["path"].as_str(), entry["content"].as_str());
            let (path, content) = (path.expect("a path"), content.expect("a content"));
            if path.ends_with("reddwarf.service") {
                assert_eq!(content, read("systemd/reddwarf.service"), "{file}");
            }
            let content = match path.ends_with("machine.env") {
                true => filled(content, values),
                false => self.translated(content),
            };
            let path = self.place(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            fs::write(&path, content).expect("written");
            let mode = entry["permissions"].as_str().expect("permissions");
            let mode = u32::from_str_radix(mode, 8).expect("octal");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
        }
        // What the scripts need of a machine that is not there.
        let stubs = self.place("/stubs");
        for (name, text) in [("systemctl", ""), ("runuser", "shift 3\nexec \"$@\"\n")] {
            fs::create_dir_all(&stubs).expect("made");
            fs::write(stubs.join(name), format!("#!/bin/sh\n{text}")).expect("written");
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(stubs.join(name), mode).expect("set");
        }
        fs::create_dir_all(self.place("/usr/bin")).expect("made");
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", stubs.display());
        for command in config["runcmd"].as_array().expect("commands") {
            let command = words(command);
            let mut script = Command::new(self.place(command[0]));
            succeeds(script.args(&command[1..]).env("PATH", &path));
        }
    }

    fn place(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    fn translated(&self, script: &str) -> String {
        let root = self.root.to_str().expect("a plain path");
        let mut script = script.replace("-o reddwarf -g reddwarf ", "");
        for path in
            ["/etc/reddwarf", "/usr/bin/reddwarf", "/var/lib/reddwarf", "/var/backups/reddwarf"]
        {
            script = script.replace(path, &format!("{root}{path}"));
        }
        script.replace("0.0.0.0:6443", "127.0.0.1:6443").replace("6443", &self.port.to_string())
    }

    /// What the unit starts.
    fn unit(&self) -> Command {
        let unit = read("systemd/reddwarf.service");
        let line =
            unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).expect("a command");
        let words = line.split(' ');
        let mut words =
            words.map(|word| if word.starts_with('/') { self.place(word) } else { word.into() });
        let mut command = Command::new(words.next().expect("a program"));
        command.args(words);
        command
    }
}

/// The lines `NAME=value` with other values.
fn filled(lines: &str, values: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for line in lines.lines() {
        let (name, _) = line.split_once('=').expect("NAME=value");
        let value = values.iter().find(|(given, _)| *given == name);
        let (_, value) = value.unwrap_or_else(|| panic!("nobody says what {name} is"));
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_machines_of_the_cloud_init_files_become_a_group() {
    let _turn = turn().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let port = free_ports(3);
    let program = program();
    let sum = succeeds(Command::new("sha256sum").arg(&program));
    let sum = sum.split(' ').next().expect("a sum");
    let url = format!("file://{}", program.display());
    let binary = [("BINARY_URL", url.as_str()), ("BINARY_SHA256", sum), ("ADDRESS", "127.0.0.1")];
    let mut members = Members::default();
    let machine = |i: u16| Machine { root: folder.path().join(i.to_string()), port: port + i - 1 };

    let first = machine(1);
    first.boot(
        "cloud-init/first.yaml",
        &[&binary[..], &[("NAME", "node-1"), ("CLUSTER", "shop")]].concat(),
    );
    members.start(&mut first.unit());
    let kubeconfig = first.place("/var/lib/reddwarf/admin.kubeconfig");
    let made = async || kubeconfig.exists();
    eventually("it makes its certificates", made).await;
    voters(&kubeconfig, 1).await;
    for (i, name) in [(2, "node-2"), (3, "node-3")] {
        let mut token = Command::new(&program);
        token.args(["token", "create", "--single-use", "--kubeconfig"]).arg(&kubeconfig);
        let printed = succeeds(&mut token);
        let words: Vec<&str> = printed.split_whitespace().collect();
        let ["reddwarf", "join", server, "--token", token, "--ca-hash", hash] = words[..] else {
            panic!("{printed}");
        };
        let told = [("NAME", name), ("SERVER", server), ("TOKEN", token), ("CA_HASH", hash)];
        let machine = machine(i);
        machine.boot("cloud-init/joining.yaml", &[&binary[..], &told].concat());
        let kept = fs::read_to_string(machine.place("/etc/reddwarf/machine.env")).expect("reads");
        assert!(!kept.contains("TOKEN") && kept.contains("CA_HASH"), "{kept}");
        assert!(
            !machine.place("/var/lib/reddwarf/pki/ca.key").exists(),
            "the key stays where it was"
        );
        members.start(&mut machine.unit());
    }
    voters(&kubeconfig, 3).await;
    let backups = machine(3).place("/var/backups/reddwarf");
    eventually("a member makes a backup", async || {
        fs::read_dir(&backups)
            .expect("there")
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().starts_with("shop.node-3."))
    })
    .await;
}
