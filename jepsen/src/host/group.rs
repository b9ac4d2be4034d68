//! The group under test.

use super::{HostError, Hosts, Member, Role, Strays};
use crate::client::{Call, Client, Credentials, Endpoint, Habits, Servers};
use crate::net::Network;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a member may take to serve.
pub const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a starting member is asked; nothing else tells when another process is ready.
const POLL: Duration = Duration::from_millis(25);
/// How long one question may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);
/// What a member needs of the first one before it starts.
const AUTHORITY: [&str; 2] = ["ca.crt", "ca.key"];

/// All members, and what is between them.
pub struct Group {
    /// Every place for a member, in the order of their numbers; `all[0]` is `n1`. Who is a member
    /// now is told by [`Group::members`].
    pub all: Vec<Member>,
    /// The links between them, when they can be acted on.
    pub network: Option<Arc<Network>>,
    /// How the run's clients behave.
    pub habits: Arc<Habits>,
    /// Where clients find the members of now.
    pub servers: Servers,
    /// The run's folder.
    pub(super) folder: PathBuf,
    credentials: Mutex<Option<Credentials>>,
    hosts: Option<Arc<dyn Hosts>>,
}

impl Group {
    /// Lays the members' folders and configurations out below `folder`; nothing runs yet, so
    /// disks may be put below their data, and variables around their processes. The first `nodes`
    /// places are the first members', the others are for who joins them. Members run the first of
    /// the `programs` until they are told to run the next.
    ///
    /// # Errors
    /// [`HostError::File`]
    pub fn lay_out(
        hosts: Arc<dyn Hosts>,
        nodes: usize,
        folder: &Path,
        programs: &[PathBuf],
    ) -> Result<Group, HostError> {
        let numbered = hosts.places().iter().enumerate();
        let all: Vec<Member> = numbered
            .map(|(at, place)| {
                let name = format!("n{}", at + 1);
                let folder = folder.join(&name);
                Member::new(name, place, folder, programs)
            })
            .collect();
        for (at, member) in all.iter().enumerate() {
            fs::create_dir_all(&member.data).map_err(HostError::file(&member.data))?;
            // One that joins is told who is there.
            let peers = if at < nodes { &all[..nodes] } else { &[] };
            let config = config(member, peers);
            fs::write(member.config(), config).map_err(HostError::file(member.config()))?;
            member.set_belongs(at < nodes);
        }
        let group = Group {
            all,
            network: hosts.network(),
            habits: Arc::new(Habits::default()),
            servers: Servers::default(),
            folder: folder.into(),
            credentials: Mutex::new(None),
            hosts: Some(hosts),
        };
        group.tell_clients();
        Ok(group)
    }

    /// No members: the servers are others', and only clients can be acted on.
    pub fn strangers(credentials: Credentials) -> Group {
        Group {
            all: Vec::new(),
            network: None,
            habits: Arc::default(),
            servers: Servers::default(),
            folder: PathBuf::new(),
            credentials: Mutex::new(Some(credentials)),
            hosts: None,
        }
    }

    /// Lets members that do not run yet keep as little of their logs as they can be told to.
    ///
    /// # Errors
    /// [`HostError::File`]
    pub fn shorten_logs(&self) -> Result<(), HostError> {
        for member in &self.all {
            let path = member.config();
            let opened = OpenOptions::new().append(true).open(&path);
            let written = opened.and_then(|mut file| writeln!(file, "\n[wal]\nkeep = \"8MiB\""));
            written.map_err(HostError::file(path))?;
        }
        Ok(())
    }

    /// The members of now, in the order of their numbers.
    pub fn members(&self) -> Vec<&Member> {
        self.all.iter().filter(|member| member.belongs()).collect()
    }

    /// Lets clients know who the members are now.
    pub(super) fn tell_clients(&self) {
        let endpoint = |member: &Member| Endpoint {
            name: member.name.clone(),
            address: member.address.to_string(),
        };
        self.servers.replace(self.members().into_iter().map(endpoint).collect());
    }

    /// What the hosts are called.
    pub fn hosts(&self) -> &'static str {
        self.hosts.as_ref().map_or("others'", |hosts| hosts.name())
    }

    /// Starts the members for the first time and waits until all are ready. The first makes the
    /// group's authority, which the others are given.
    ///
    /// # Errors
    /// [`HostError`]
    pub async fn found(&self) -> Result<(), HostError> {
        let members = self.members();
        let Some((first, others)) = members.split_first() else { return Ok(()) };
        first.start()?;
        let kubeconfig = first.data.join("admin.kubeconfig");
        until(first, "is not ready", || kubeconfig.is_file()).await?;
        let credentials = Credentials::of_kubeconfig(&kubeconfig)?;
        for member in others {
            copy_authority(&first.data.join("pki"), &member.data.join("pki"))?;
            // What an operator put there is not the member's to lose.
            member.disk.iter().try_for_each(|disk| disk.settle())?;
            member.start()?;
        }
        self.keep(first)?;
        *self.credentials.lock() = Some(credentials);
        self.all_ready(READY_TIMEOUT).await
    }

    /// Who administers the group.
    ///
    /// # Errors
    /// [`HostError::State`] before it is founded.
    pub fn credentials(&self) -> Result<Credentials, HostError> {
        let credentials = self.credentials.lock().clone();
        let state = HostError::State { name: "the group".into(), state: "is not founded" };
        credentials.ok_or(state)
    }

    /// The member of that name, or the place for one.
    pub fn member(&self, name: &str) -> Option<&Member> {
        self.all.iter().find(|member| member.name == name)
    }

    /// A client of one member.
    ///
    /// # Errors
    /// [`HostError::State`] before the group is founded.
    pub fn client(&self, member: &Member, timeout: Duration) -> Result<Client, HostError> {
        let endpoint = Endpoint { name: member.name.clone(), address: member.address.to_string() };
        Ok(Client::new(endpoint, &self.credentials()?, timeout))
    }

    /// Waits until the member serves: `/readyz` answers 200.
    ///
    /// # Errors
    /// [`HostError::Ended`], [`HostError::Late`]
    pub async fn ready(&self, member: &Member, patience: Duration) -> Result<(), HostError> {
        let deadline = Instant::now() + patience;
        let mut client = self.client(member, ASK_TIMEOUT)?;
        while !client.send(Call::get("/readyz")).await.is_ok_and(|answer| answer.is_success()) {
            must_run(member)?;
            in_time(member, "is not ready", deadline, patience)?;
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Waits until every member serves.
    ///
    /// # Errors
    /// [`HostError::Ended`], [`HostError::Late`]
    pub async fn all_ready(&self, patience: Duration) -> Result<(), HostError> {
        let waits = self.members().into_iter().map(|member| self.ready(member, patience));
        futures::future::try_join_all(waits).await.map(drop)
    }

    /// What every member does, as the first that answers tells it; empty when none does.
    pub async fn roles(&self) -> BTreeMap<String, Role> {
        for member in self.members().into_iter().filter(|member| member.pid().is_some()) {
            if let Some(status) = self.status(member).await {
                return roles(&status);
            }
        }
        BTreeMap::new()
    }

    /// The member that leads. When two claim it (one of them is cut off and does not know it
    /// yet), the one with the newer term.
    pub async fn leader(&self) -> Option<&Member> {
        let asked = self.members().into_iter().filter(|member| member.pid().is_some());
        let answers = futures::future::join_all(asked.map(|member| self.status(member))).await;
        let claims = answers.iter().flatten().filter_map(|status| {
            let leader = members(status).find(|member| member["role"] == "leader")?;
            Some((leader["term"].as_u64()?, leader["name"].as_str()?.to_owned()))
        });
        let (_, name) = claims.max()?;
        self.member(&name)
    }

    /// The group as one member sees it.
    pub async fn status(&self, member: &Member) -> Option<Value> {
        let mut client = self.client(member, ASK_TIMEOUT).ok()?;
        client.send(Call::get("/reddwarf/status")).await.ok()?.json()
    }

    /// The state roots that a member keeps of recent log indexes from `since` on.
    pub async fn roots(&self, member: &Member, since: u64) -> Option<Vec<(u64, String)>> {
        let mut client = self.client(member, ASK_TIMEOUT).ok()?;
        let call = Call::get(format!("/reddwarf/roots?since={since}"));
        let told = client.send(call).await.ok()?.json()?;
        let root = |at: &Value| Some((at["index"].as_u64()?, at["root"].as_str()?.to_owned()));
        Some(told["roots"].as_array()?.iter().filter_map(root).collect())
    }

    /// Kills what runs.
    pub async fn end(&self) {
        for member in &self.all {
            // It may have ended by itself.
            let _ = member.kill().await;
        }
        Strays::forget();
    }
}

fn members(status: &Value) -> impl Iterator<Item = &Value> {
    status["members"].as_array().into_iter().flatten()
}

fn roles(status: &Value) -> BTreeMap<String, Role> {
    let one = |member: &Value| {
        let role = match member["role"].as_str()? {
            "leader" => Role::Leader,
            "unreachable" => Role::Unreachable,
            _ => Role::Other,
        };
        Some((member["name"].as_str()?.to_owned(), role))
    };
    members(status).filter_map(one).collect()
}

fn config(member: &Member, peers: &[Member]) -> String {
    let mut text = format!(
        "name = {:?}\ncluster = \"jepsen\"\ndata_dir = {:?}\nlisten = \"{}\"\n",
        member.name,
        member.data.display().to_string(),
        member.address
    );
    for peer in peers {
        // Writing to a string cannot fail.
        let _ =
            write!(text, "\n[[peers]]\nname = {:?}\naddress = \"{}\"\n", peer.name, peer.address);
    }
    text
}

pub(super) fn copy_authority(from: &Path, to: &Path) -> Result<(), HostError> {
    fs::create_dir_all(to).map_err(HostError::file(to))?;
    for name in AUTHORITY {
        let path: PathBuf = from.join(name);
        fs::copy(&path, to.join(name)).map_err(HostError::file(&path))?;
    }
    Ok(())
}

async fn until(
    member: &Member,
    what: &'static str,
    so: impl Fn() -> bool,
) -> Result<(), HostError> {
    let deadline = Instant::now() + READY_TIMEOUT;
    while !so() {
        must_run(member)?;
        in_time(member, what, deadline, READY_TIMEOUT)?;
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

fn must_run(member: &Member) -> Result<(), HostError> {
    let Some(status) = member.ended() else { return Ok(()) };
    Err(HostError::Ended { name: member.name.clone(), status, log: member.log.clone() })
}

fn in_time(
    member: &Member,
    what: &'static str,
    deadline: Instant,
    patience: Duration,
) -> Result<(), HostError> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(HostError::Late { name: member.name.clone(), what, seconds: patience.as_secs() })
}
