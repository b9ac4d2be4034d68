//! Members that join a group while it runs.

use crate::cluster::{Cluster, PATIENCE, program};
use reddwarf::client::GroupClient;
use reddwarf::kubeconfig::{Endpoint, Kubeconfig};
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs a command of the program against the group.
pub fn reddwarf(cluster: &Cluster, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).env("KUBECONFIG", cluster.group.admin_kubeconfig());
    command.output().expect("reddwarf runs")
}

/// What a command printed, on one line.
pub fn said(output: &Output) -> String {
    flat(&String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()))
}

/// A terminal's width breaks lines within sentences.
fn flat(text: &str) -> String {
    text.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
}

/// The arguments of the command that a new token prints, `join` first.
///
/// # Panics
/// When no token is made.
pub fn token(cluster: &Cluster, options: &[&str]) -> Vec<String> {
    join_command(cluster, &[&["token", "create"], options].concat())
}

/// The arguments of the command that a command of the program prints, `join` first.
///
/// # Panics
/// When it fails.
pub fn join_command(cluster: &Cluster, arguments: &[&str]) -> Vec<String> {
    let output = reddwarf(cluster, arguments);
    assert!(output.status.success(), "{}", said(&output));
    let line = String::from_utf8(output.stdout).expect("text");
    assert_eq!(line.lines().count(), 1, "{line}");
    let words = line.split_whitespace().map(str::to_owned);
    words.skip(1).collect()
}

/// A process that joins, and runs as a member; it is killed when this is dropped.
pub struct Joiner {
    child: Child,
    log: PathBuf,
    /// Where it keeps its data.
    pub data_dir: PathBuf,
    /// How it is reached.
    pub endpoint: Endpoint,
}

impl Joiner {
    /// Starts `reddwarf` with `join` and more arguments; the member is called `name` and listens
    /// at `port`.
    ///
    /// # Panics
    /// When the program does not start.
    pub fn start(
        cluster: &Cluster,
        join: &[String],
        name: &str,
        port: u16,
        more: &[&str],
    ) -> Joiner {
        let data_dir = cluster.group.folder.join(format!("joined-{name}"));
        let address = format!("127.0.0.1:{port}");
        let arguments = ["--name", name, "--listen", &address, "--data-dir"].map(str::to_owned);
        let mut arguments = [join, &arguments].concat();
        arguments.push(data_dir.to_str().expect("a plain path").to_owned());
        arguments.extend(more.iter().map(|word| (*word).to_owned()));
        Joiner::run(cluster, arguments, name, data_dir, address)
    }

    /// The same in two steps: the machine joins, and then the member is started by its data
    /// folder alone.
    ///
    /// # Panics
    /// When it does not join.
    pub fn start_prepared(cluster: &Cluster, join: &[String], name: &str, port: u16) -> Joiner {
        let mut joined = Joiner::start(cluster, join, name, port, &["--no-start"]);
        let ended = joined.child.wait().expect("a child");
        assert!(ended.success(), "{}", joined.logged());
        let folder = joined.data_dir.to_str().expect("a plain path").to_owned();
        let arguments = ["server".to_owned(), "--data-dir".to_owned(), folder].to_vec();
        let (folder, address) = (joined.data_dir.clone(), format!("127.0.0.1:{port}"));
        Joiner::run(cluster, arguments, name, folder, address)
    }

    /// Starts `reddwarf` with these arguments as a member of that name.
    ///
    /// # Panics
    /// When the program does not start.
    pub fn run(
        cluster: &Cluster,
        arguments: Vec<String>,
        name: &str,
        data_dir: PathBuf,
        address: String,
    ) -> Joiner {
        let log = cluster.group.folder.join(format!("joined-{name}.log"));
        let file = File::create(&log).expect("a writable folder");
        let child = Command::new(program())
            .args(arguments)
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .expect("reddwarf runs");
        let endpoint = Endpoint { name: name.to_owned(), url: format!("https://{address}") };
        Joiner { child, log, data_dir, endpoint }
    }

    /// What it has logged, on one line.
    pub fn logged(&self) -> String {
        flat(&std::fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// Kills it.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status;
            }
            assert!(Instant::now() < deadline, "{} runs on", self.endpoint.name);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A client of this member alone.
    ///
    /// # Panics
    /// When the group's kubeconfig cannot be used.
    pub fn client(&self, cluster: &Cluster) -> GroupClient {
        let kubeconfig = Kubeconfig::read(&cluster.group.admin_kubeconfig()).expect("written");
        let members = vec![self.endpoint.clone()];
        GroupClient::new(&Kubeconfig { members, ..kubeconfig }).expect("certificates")
    }
}

impl Drop for Joiner {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- {}\n{}", self.log.display(), self.logged());
        }
    }
}
