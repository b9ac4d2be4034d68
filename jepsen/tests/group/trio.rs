//! Three members, and what is asked of them.

use jepsen::client::{Answer, Call, Client, ClientError, Lines};
use jepsen::host::{Group, HostError, Member, Namespaces};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// Groups do not run side by side: two of them would share too few cores to keep time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());
/// How long something that must come true may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// How often it is looked at; nothing tells when another process is done.
const POLL: Duration = Duration::from_millis(5);
/// How long a request may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// Where objects are written.
pub const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// The member's program, or none where there is none.
fn program() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/release/reddwarf");
    let program = std::env::var_os("REDDWARF").map_or(beside, PathBuf::from);
    if !program.is_file() {
        eprintln!("SKIPPED: {} is not there; REDDWARF may name another", program.display());
        return None;
    }
    Some(program)
}

/// Three members.
pub struct Trio {
    pub group: Group,
    clients: Vec<Mutex<Client>>,
    _folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Trio {
    /// Lays them out in network namespaces, which only root can make; `equip` puts below and
    /// around them what a test needs, or tells that it cannot be had. Nothing runs yet.
    pub async fn in_namespaces(
        equip: impl FnOnce(&mut Group) -> Result<(), String>,
    ) -> Option<Trio> {
        let hosts = match Namespaces::create(3, 7) {
            Err(error @ HostError::Unavailable { .. }) if !rustix::process::geteuid().is_root() => {
                eprintln!("SKIPPED: {error}");
                return None;
            }
            hosts => Arc::new(hosts.expect("namespaces")),
        };
        let program = program()?;
        let turn = ONE_AT_A_TIME.lock().await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut group = Group::lay_out(hosts, 3, folder.path(), &[program]).expect("folders");
        if let Err(why) = equip(&mut group) {
            eprintln!("SKIPPED: {why}");
            return None;
        }
        let founded = group.found().await;
        founded.unwrap_or_else(|error| panic!("{error}\n{}", logs(&group)));
        let client = |member| group.client(member, ANSWER_TIMEOUT).expect("it is founded");
        let clients = group.all.iter().map(|member| Mutex::new(client(member))).collect();
        Some(Trio { group, clients, _folder: folder, _turn: turn })
    }

    /// The member that leads.
    pub async fn leader(&self) -> &Member {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(leader) = self.group.leader().await {
                return leader;
            }
            assert!(Instant::now() < deadline, "no member leads");
            tokio::time::sleep(POLL).await;
        }
    }

    /// The members that do not lead.
    pub async fn followers(&self) -> Vec<&Member> {
        let leader = self.leader().await;
        self.group.all.iter().filter(|member| member.name != leader.name).collect()
    }

    /// The members but one.
    pub fn others(&self, one: &Member) -> Vec<&Member> {
        self.group.all.iter().filter(|member| member.name != one.name).collect()
    }

    pub fn client(&self, member: &Member) -> Client {
        self.group.client(member, ANSWER_TIMEOUT).expect("it is founded")
    }

    /// A member's answer, over a connection that is kept. What was not sent is sent again: a busy
    /// machine takes its time to connect.
    pub async fn ask(&self, member: &Member, call: Call) -> Answer {
        let at = self.group.all.iter().position(|known| known.name == member.name);
        let mut client = self.clients[at.expect("one of them")].lock().await;
        let began = Instant::now();
        loop {
            match client.send(call.clone()).await {
                Err(ClientError::NotSent(_)) if began.elapsed() < PATIENCE => {
                    tokio::time::sleep(POLL).await;
                }
                answer => return answer.expect("an answer"),
            }
        }
    }

    pub async fn get(&self, member: &Member, path: &str) -> Value {
        let answer = self.ask(member, Call::get(path)).await;
        assert!(answer.is_success(), "{path} of {}: {answer:?}", member.name);
        answer.json().expect("JSON")
    }

    /// Creates a ConfigMap, which must succeed.
    pub async fn write(&self, member: &Member, name: &str) -> Value {
        let answer = self.ask(member, Call::post(MAPS, &map(name))).await;
        assert!(answer.is_success(), "{name} at {}: {answer:?}", member.name);
        answer.json().expect("JSON")
    }

    /// Watches from `version` on.
    pub async fn watch(&self, member: &Member, path: &str, version: &str) -> Lines {
        let path = format!("{path}?watch=true&resourceVersion={version}");
        self.client(member).stream(Call::get(path)).await.expect("a watch")
    }

    /// Ends the members, so that what lies below them can go.
    pub async fn end(self) {
        self.group.end().await;
    }
}

/// The ends of all logs, for a failure.
fn logs(group: &Group) -> String {
    let tail = |member: &Member| format!("---- {}\n{}\n", member.name, member.log_tail(25));
    group.all.iter().map(tail).collect()
}

impl Drop for Trio {
    fn drop(&mut self) {
        for member in &self.group.all {
            // It may have ended by itself.
            let _ = member.signal(rustix::process::Signal::KILL);
        }
        if std::thread::panicking() {
            eprintln!("{}", logs(&self.group));
        }
    }
}

/// An object to write.
pub fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

/// An object's or a list's version.
pub fn version(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().expect("a version").to_owned()
}

/// Waits until `check` holds; how long that took.
///
/// # Panics
/// When it does not within [`PATIENCE`].
pub async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !check().await {
        assert!(began.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
    began.elapsed()
}
