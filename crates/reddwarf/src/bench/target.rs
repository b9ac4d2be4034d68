//! What is driven.

use crate::client::{ClientError, Connection, client_config};
use crate::group::{Launch, LocalGroup, running_pid, stop};
use crate::kubeconfig::{Endpoint, Kubeconfig};
use miette::{Context, IntoDiagnostic, Result};
use rustls::ClientConfig;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Writers that share one connection to a member.
const WORKERS_PER_CONNECTION: usize = 32;
/// How long a member of an own group may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// The servers under test.
pub(super) struct Target {
    members: Vec<Endpoint>,
    tls: Arc<ClientConfig>,
    token: Option<String>,
    group: Option<LocalGroup>,
    own_folder: Option<PathBuf>,
}

impl Target {
    fn new(kubeconfig: &Kubeconfig, group: Option<LocalGroup>) -> Result<Target> {
        Ok(Target {
            members: kubeconfig.members.clone(),
            tls: client_config(kubeconfig)?,
            token: kubeconfig.token.clone(),
            group,
            own_folder: None,
        })
    }

    /// The servers of a kubeconfig.
    pub fn of_kubeconfig(path: Option<&Path>) -> Result<Target> {
        Target::new(&Kubeconfig::find(path)?, None)
    }

    /// A group that `reddwarf up` started.
    pub fn of_group(folder: &Path) -> Result<Target> {
        let group = LocalGroup::open(folder)?;
        Target::new(&Kubeconfig::read(&group.admin_kubeconfig())?, Some(group))
    }

    /// Servers by URL.
    pub fn of_servers(
        urls: &[String],
        ca: Option<&Path>,
        cert: Option<&Path>,
        key: Option<&Path>,
    ) -> Result<Target> {
        let read = |path: Option<&Path>| match path {
            Some(path) => std::fs::read_to_string(path)
                .into_diagnostic()
                .wrap_err_with(|| format!("cannot read {}", path.display())),
            None => Ok(String::new()),
        };
        let kubeconfig = Kubeconfig {
            members: urls.iter().map(|u| Endpoint { name: u.clone(), url: u.clone() }).collect(),
            authority: read(ca)?,
            certificate: read(cert)?,
            key: read(key)?,
            token: None,
        };
        Target::new(&kubeconfig, None)
    }

    /// Starts three members in a temporary folder; also gives the milliseconds until all were
    /// ready.
    pub async fn spawn() -> Result<(Target, f64)> {
        let folder = std::env::temp_dir().join(format!("reddwarf-bench-{}", std::process::id()));
        let group = LocalGroup::open_or_create(&folder, Some(3), Some(free_ports(3)?))?;
        let program = std::env::current_exe().into_diagnostic()?;
        let started = Instant::now();
        Launch::new(&group, &program)?.members().await?;
        let ready_ms = started.elapsed().as_secs_f64() * 1e3;
        let mut target = Target::of_group(&folder)?;
        target.own_folder = Some(folder);
        Ok((target, ready_ms))
    }

    /// Stops and removes an own group.
    pub fn close(&self) -> Result<()> {
        let (Some(folder), Some(group)) = (&self.own_folder, &self.group) else { return Ok(()) };
        for i in 1..=group.plan.nodes {
            stop(&group.node_folder(i), STOP_TIMEOUT)?;
        }
        std::fs::remove_dir_all(folder).into_diagnostic()
    }

    /// The local group, when the members are processes of this machine.
    pub fn group(&self) -> Option<&LocalGroup> {
        self.group.as_ref()
    }

    /// The servers.
    pub fn members(&self) -> &[Endpoint] {
        &self.members
    }

    /// Process ids of the members, as far as they are known and run.
    pub fn member_pids(&self) -> Vec<i32> {
        let Some(group) = &self.group else { return Vec::new() };
        let pid = |i| running_pid(&group.node_folder(i).join("pid")).ok().flatten();
        (1..=group.plan.nodes).filter_map(pid).collect()
    }

    /// A new connection to member `at`, counted round.
    pub async fn connect(&self, at: usize) -> Result<Connection, ClientError> {
        let member = &self.members[at % self.members.len()];
        Connection::open(&member.url, self.tls.clone(), self.token.as_deref()).await
    }

    /// Connections for `workers`, spread over the members from `first` on.
    pub async fn connections(
        &self,
        first: usize,
        workers: usize,
    ) -> Result<Vec<Connection>, ClientError> {
        let each = workers.div_ceil(self.members.len() * WORKERS_PER_CONNECTION);
        let count = (each * self.members.len()).min(workers.max(1));
        let mut open = Vec::with_capacity(count);
        for at in 0..count {
            open.push(self.connect(first + at).await?);
        }
        Ok(open)
    }
}

/// The first of `count` neighbouring ports that nothing listens on now.
pub(super) fn free_ports(count: u16) -> Result<u16> {
    for _ in 0..64 {
        let first: u16 = 20_000 + rand::random::<u16>() % 10_000;
        let held: Vec<_> =
            (first..first + count).map(|port| TcpListener::bind(("127.0.0.1", port))).collect();
        if held.iter().all(std::result::Result::is_ok) {
            return Ok(first);
        }
    }
    Err(miette::miette!("no {count} neighbouring free ports from 20000 to 30000"))
}
