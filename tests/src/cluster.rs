//! Groups of real processes.
//!
//! A test starts members with the program that stands beside the test's own executable, kills
//! and pauses them by their ids, and talks to them as any client does. Whatever a test leaves
//! running ends with the [`Cluster`]; when the test fails, the ends of all logs are printed.

use bytes::Bytes;
use http::Method;
use reddwarf::client::{Answer, ClientError, Connection, GroupClient};
use reddwarf::group::{Launch, LocalGroup, running_pid};
use reddwarf::kubeconfig::Kubeconfig;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// Groups do not run side by side: two of them would share too few cores to keep time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// Waits until no other test of this program has a group.
pub async fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().await
}

/// Lines of each log that a failed test prints.
const LOG_LINES_SHOWN: usize = 60;
/// How long a request of a test may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a request of kubectl may take, in seconds.
const KUBECTL_TIMEOUT_SECONDS: u32 = 30;
/// How long something that must come true may take.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The `reddwarf` program built with the tests.
///
/// # Panics
/// When it is not there: `cargo test --workspace` builds it.
pub fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let folders = test.ancestors().skip(1).take(2);
    let found = folders.map(|folder| folder.join("reddwarf")).find(|path| path.is_file());
    found.unwrap_or_else(|| {
        panic!("there is no reddwarf beside {}; build the whole workspace first", test.display())
    })
}

/// The kubectl to test with.
///
/// # Panics
/// When there is none and it cannot be built.
pub fn kubectl_program() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("kubectl.sh");
        let output = Command::new(&script).output().expect("tests/kubectl.sh runs");
        let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path.into()
    })
}

/// The first of `count` neighbouring ports that nothing listens on.
pub fn free_ports(count: u16) -> u16 {
    loop {
        let first: u16 = 30_000 + rand::random::<u16>() % 2_000;
        let bind = |port| TcpListener::bind(("127.0.0.1", port)).is_ok();
        if (first..first + count).all(bind) {
            return first;
        }
    }
}

type Ended = Arc<parking_lot::Mutex<BTreeMap<i32, ExitStatus>>>;

/// A running group.
pub struct Cluster {
    /// Its folder's layout.
    pub group: LocalGroup,
    /// A client that goes to whichever member answers.
    pub client: GroupClient,
    /// How processes ended, by their ids.
    ended: Ended,
    _folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Cluster {
    /// Starts `nodes` members and waits until all are ready.
    pub async fn start(nodes: u16) -> Cluster {
        Cluster::start_with_workers(nodes, 0).await
    }

    /// The same with simulated worker nodes.
    pub async fn start_with_workers(nodes: u16, workers: u32) -> Cluster {
        let cluster = Cluster::prepare(nodes).await;
        let mut launch = Launch::new(&cluster.group, &program()).expect("a kubeconfig");
        launch.members().await.expect("all members become ready");
        assert!(launch.workers(workers).await.expect("workers start"), "workers register");
        cluster.reap(launch);
        cluster
    }

    /// A group's files, of which nothing runs yet; [`Cluster::start_missing`] starts it.
    pub async fn prepare(nodes: u16) -> Cluster {
        let turn = turn().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let group = LocalGroup::open_or_create(folder.path(), Some(nodes), Some(free_ports(nodes)))
            .expect("a new group");
        let kubeconfig = Kubeconfig::read(&group.admin_kubeconfig()).expect("just written");
        let client = GroupClient::new(&kubeconfig).expect("certificates just made");
        Cluster { group, client, ended: Ended::default(), _folder: folder, _turn: turn }
    }

    /// Starts member `i`, from 1, which must refuse to run or end by itself; gives what it says.
    ///
    /// # Panics
    /// When it runs on.
    pub async fn refusal(&self, i: u16) -> String {
        self.refusal_of(&program(), i).await
    }

    /// The same with another program.
    ///
    /// # Panics
    /// When it runs on.
    pub async fn refusal_of(&self, program: &Path, i: u16) -> String {
        let config = self.group.node_folder(i).join("config.toml");
        let member = tokio::process::Command::new(program)
            .args(["server", "--config"])
            .arg(config)
            .kill_on_drop(true)
            .output();
        let ended = tokio::time::timeout(PATIENCE, member).await.expect("it does not run");
        let output = ended.expect("reddwarf runs");
        assert!(!output.status.success(), "it ends with a failure");
        // A member that may not come back is not to be started again and again.
        let is_no_member = String::from_utf8_lossy(&output.stderr).contains("no_member");
        assert_eq!(output.status.code() == Some(77), is_no_member, "{:?}", output.status);
        // A terminal's width breaks lines within sentences.
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        said.split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ")
    }

    /// Starts whatever member does not run, and waits until all are ready.
    pub async fn start_missing(&self) {
        self.start_missing_as(&program()).await;
    }

    /// The same with another program.
    pub async fn start_missing_as(&self, program: &Path) {
        let mut launch = Launch::new(&self.group, program).expect("a kubeconfig");
        launch.members().await.expect("all members become ready");
        self.reap(launch);
    }

    /// Process id of member `i`, from 1.
    pub fn pid(&self, i: u16) -> Pid {
        let path = self.group.node_folder(i).join("pid");
        let pid = running_pid(&path).expect("a pid file").expect("a running member");
        Pid::from_raw(pid).expect("a process id is positive")
    }

    /// Sends a signal to member `i`.
    pub fn signal(&self, i: u16, signal: Signal) {
        kill_process(self.pid(i), signal).expect("the member runs");
    }

    /// Kills member `i` with SIGKILL and waits until it is gone.
    pub async fn kill(&self, i: u16) {
        self.signal(i, Signal::KILL);
        self.wait_gone(i).await;
    }

    /// Stops member `i` with SIGTERM and waits until it has ended; gives how.
    pub async fn stop(&self, i: u16) -> ExitStatus {
        let pid = self.pid(i).as_raw_nonzero().get();
        self.signal(i, Signal::TERM);
        let mut status = None;
        eventually("the member ends", async || {
            status = self.ended.lock().get(&pid).copied();
            status.is_some()
        })
        .await;
        status.expect("it has ended")
    }

    /// Waits until member `i` does not run.
    pub async fn wait_gone(&self, i: u16) {
        let path = self.group.node_folder(i).join("pid");
        eventually("the member ends", async || running_pid(&path).ok().flatten().is_none()).await;
    }

    /// Number of the member that leads, as any member that answers tells it.
    pub async fn leader(&self) -> u16 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Ok(status) = self.client.get_json("/reddwarf/status").await {
                let members = status["members"].as_array().cloned().unwrap_or_default();
                let leader = members.iter().find(|m| m["role"] == "leader");
                let number = leader.and_then(|m| m["name"].as_str()?.strip_prefix("node-"));
                if let Some(number) = number.and_then(|n| n.parse().ok()) {
                    return number;
                }
            }
            assert!(Instant::now() < deadline, "no member leads");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// A new connection to member `i`, from 1.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn connect(&self, i: u16) -> Result<Connection, ClientError> {
        let name = LocalGroup::node_name(i);
        let member = self.client.members().iter().find(|m| m.name == name);
        self.client.connect(member.expect("a member of the group")).await
    }

    /// A request to member `i`, from 1.
    ///
    /// # Errors
    /// When it does not answer in time.
    pub async fn ask(
        &self,
        i: u16,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ClientError> {
        let mut connection = self.connect(i).await?;
        let json = body.map(|_| "application/json");
        let body = body.map(|b| Bytes::from(b.to_string())).unwrap_or_default();
        let sent = connection.send(method, path, json, body);
        let late = ClientError::Timeout { url: path.into(), seconds: ANSWER_TIMEOUT.as_secs() };
        tokio::time::timeout(ANSWER_TIMEOUT, sent).await.unwrap_or(Err(late))
    }

    /// The JSON that member `i` answers to a GET.
    pub async fn get(&self, i: u16, path: &str) -> Value {
        let answer = self.ask(i, Method::GET, path, None).await.expect("an answer");
        assert!(answer.status.is_success(), "{path}: {} {:?}", answer.status, answer.body);
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    /// A file in the group's folder, for kubectl; gives its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.group.folder.join(name);
        std::fs::write(&path, text).expect("a writable folder");
        path.to_str().expect("a plain path").to_owned()
    }

    /// A kubectl to be run against member `i`.
    pub fn kubectl_command(&self, i: u16, arguments: &[&str]) -> Command {
        let mut command = Command::new(kubectl_program());
        command
            .arg("--kubeconfig")
            .arg(self.group.admin_kubeconfig())
            .args(["--context", &LocalGroup::node_name(i)])
            .arg(format!("--request-timeout={KUBECTL_TIMEOUT_SECONDS}s"))
            .args(arguments)
            // Discovery is cached by server; ports of other tests' groups may come back.
            .env("HOME", &self.group.folder)
            .env("KUBE_EDITOR", "true");
        command
    }

    /// Runs kubectl against member `i`.
    pub fn kubectl(&self, i: u16, arguments: &[&str]) -> Output {
        self.kubectl_command(i, arguments).output().expect("kubectl runs")
    }

    /// Runs kubectl, which must fail; gives its standard error.
    #[track_caller]
    pub fn kubectl_refused(&self, i: u16, arguments: &[&str]) -> String {
        let output = self.kubectl(i, arguments);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "kubectl {} on node-{i}: {said}", arguments.join(" "));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    /// Runs kubectl, which must succeed; gives its standard output.
    #[track_caller]
    pub fn kubectl_ok(&self, i: u16, arguments: &[&str]) -> String {
        let output = self.kubectl(i, arguments);
        assert!(
            output.status.success(),
            "kubectl {} on node-{i}: {}{}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Waits for the children in the background, so that a killed one does not stay a zombie.
    fn reap(&self, launch: Launch<'_>) {
        for mut child in launch.processes.into_iter().filter_map(|process| process.child) {
            let ended = self.ended.clone();
            std::thread::spawn(move || {
                let pid = i32::try_from(child.id()).expect("a process id");
                let status = child.wait().expect("a child");
                ended.lock().insert(pid, status);
            });
        }
    }

    fn print_logs(&self) {
        let nodes = (1..=self.group.plan.nodes).map(|i| self.group.node_folder(i));
        for folder in nodes.chain([self.group.hollow_folder()]) {
            let text = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("---- {}\n{}", folder.join("log").display(), shown.join("\n"));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let nodes = (1..=self.group.plan.nodes).map(|i| self.group.node_folder(i));
        for folder in nodes.chain([self.group.hollow_folder()]) {
            let pid = running_pid(&folder.join("pid")).ok().flatten().and_then(Pid::from_raw);
            if let Some(pid) = pid {
                // It may end by itself meanwhile.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        if std::thread::panicking() {
            self.print_logs();
        }
    }
}

/// Waits until `check` holds.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !check().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
