//! Brings a local group up: starts what is not running and waits until it serves.

use super::{LocalGroup, ProcessError, Started, start, stop};
use crate::client::{ClientError, GroupClient};
use crate::kubeconfig::{Kubeconfig, KubeconfigError};
use crate::server::NO_MEMBER_EXIT;
use bytes::Bytes;
use http::Method;
use miette::Diagnostic;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

/// How long members may take until they are ready; a large state loads in seconds.
const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// How often a starting member is asked; nothing else tells when another process is ready.
const READY_POLL: Duration = Duration::from_millis(15);
/// How long one question may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait for simulated workers to register.
const WORKERS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a process that cannot serve may take to stop.
const GIVE_UP_TIMEOUT: Duration = Duration::from_secs(5);
/// Lines of a failed process's log that are shown.
const LOG_LINES_SHOWN: usize = 15;

/// Why a group did not come up.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum LaunchError {
    /// A process ended while it was starting.
    #[error("{name} stopped at once ({status}):\n{tail}")]
    #[diagnostic(code(reddwarf::up::exited), help("the whole log is {}", log.display()))]
    Exited {
        /// Which.
        name: String,
        /// How.
        status: ExitStatus,
        /// The last lines of its log.
        tail: String,
        /// Its log.
        log: PathBuf,
    },
    /// A member runs but does not serve.
    #[error("{name} is not ready after {seconds} s")]
    #[diagnostic(code(reddwarf::up::not_ready), help("its log is {}", log.display()))]
    NotReady {
        /// Which.
        name: String,
        /// How long it had.
        seconds: u64,
        /// Its log.
        log: PathBuf,
    },
    /// A process could not be started.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Process(#[from] ProcessError),
    /// The group's kubeconfig cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Kubeconfig(#[from] KubeconfigError),
    /// The group's certificates cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Client(#[from] ClientError),
}

/// A process of the group.
#[derive(Debug)]
pub struct Process {
    /// `node-i` or `hollow`.
    pub name: String,
    /// Where its pid and log are.
    pub folder: PathBuf,
    /// The child, when this process started it and it has not ended.
    pub child: Option<Child>,
    /// Whether it has ended because it is no member of the group any more.
    pub removed: bool,
}

impl Process {
    fn must_live(&mut self) -> Result<(), LaunchError> {
        // An error of `try_wait` says nothing of the child.
        let Some(status) = self.child.as_mut().and_then(|c| c.try_wait().ok().flatten()) else {
            return Ok(());
        };
        self.child = None;
        if status.code() == Some(NO_MEMBER_EXIT.into()) {
            self.removed = true;
            return Ok(());
        }
        let log = self.folder.join("log");
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n");
        Err(LaunchError::Exited { name: self.name.clone(), status, tail, log })
    }
}

fn member_arguments(folder: &Path) -> [OsString; 3] {
    let config = folder.join("config.toml").into_os_string();
    ["server".into(), "--config".into(), config]
}

/// A group that is being brought up.
pub struct Launch<'a> {
    group: &'a LocalGroup,
    program: PathBuf,
    client: GroupClient,
    /// What was started or found running, members first.
    pub processes: Vec<Process>,
}

impl<'a> Launch<'a> {
    /// Prepares to start `program` for each member of `group`.
    ///
    /// # Errors
    /// [`LaunchError::Kubeconfig`], [`LaunchError::Client`]
    pub fn new(group: &'a LocalGroup, program: &Path) -> Result<Self, LaunchError> {
        let kubeconfig = Kubeconfig::read(&group.admin_kubeconfig())?;
        let client = GroupClient::new(&kubeconfig)?;
        Ok(Launch { group, program: program.into(), client, processes: Vec::new() })
    }

    /// Starts the members that do not run and waits until every one is ready. When one cannot
    /// serve, those just started are stopped again.
    ///
    /// # Errors
    /// [`LaunchError`]
    pub async fn members(&mut self) -> Result<(), LaunchError> {
        for i in 1..=self.group.plan.nodes {
            self.start_member(i)?;
        }
        let outcome = self.all_ready().await;
        if outcome.is_err() {
            for process in self.processes.iter().filter(|p| p.child.is_some()) {
                // The first failure is the one to report.
                let _ = stop(&process.folder, GIVE_UP_TIMEOUT);
            }
        }
        outcome
    }

    /// Starts member `i` (from 1) unless it runs.
    ///
    /// # Errors
    /// [`LaunchError::Process`]
    pub fn start_member(&mut self, i: u16) -> Result<(), LaunchError> {
        let folder = self.group.node_folder(i);
        let arguments = member_arguments(&folder);
        self.start(LocalGroup::node_name(i), folder, &arguments)
    }

    /// Starts members that were found running and run no more: one that was killed just before
    /// holds its pid file until the kernel has taken it down.
    fn start_what_ended(&mut self) -> Result<(), LaunchError> {
        let members = self.processes.iter_mut().take(usize::from(self.group.plan.nodes));
        for process in members.filter(|process| process.child.is_none() && !process.removed) {
            let arguments = member_arguments(&process.folder);
            if let Started::Now(child) = start(&self.program, &process.folder, &arguments)? {
                process.child = Some(child);
            }
        }
        Ok(())
    }

    fn start(
        &mut self,
        name: String,
        folder: PathBuf,
        arguments: &[OsString],
    ) -> Result<(), LaunchError> {
        let child = match start(&self.program, &folder, arguments)? {
            Started::Already(_) => None,
            Started::Now(child) => Some(child),
        };
        self.processes.push(Process { name, folder, child, removed: false });
        Ok(())
    }

    /// Waits until every member answers `/readyz` with 200. One that was removed from the group need
    /// not, unless all were.
    ///
    /// # Errors
    /// [`LaunchError::Exited`], [`LaunchError::NotReady`]
    pub async fn all_ready(&mut self) -> Result<(), LaunchError> {
        let deadline = Instant::now() + READY_TIMEOUT;
        for at in 0..self.client.members().len() {
            while !self.is_ready(at).await {
                let removed = |process: &Process| process.removed;
                if self.processes.get(at).is_some_and(removed)
                    && !self.processes.iter().all(removed)
                {
                    break;
                }
                for process in &mut self.processes {
                    process.must_live()?;
                }
                self.start_what_ended()?;
                if Instant::now() > deadline {
                    let name = self.client.members()[at].name.clone();
                    let log = self.group.folder.join(&name).join("log");
                    let seconds = READY_TIMEOUT.as_secs();
                    return Err(LaunchError::NotReady { name, seconds, log });
                }
                tokio::time::sleep(READY_POLL).await;
            }
        }
        Ok(())
    }

    async fn is_ready(&self, at: usize) -> bool {
        let asked = async {
            let mut connection = self.client.connect(&self.client.members()[at]).await?;
            connection.send(Method::GET, "/readyz", None, Bytes::new()).await
        };
        match tokio::time::timeout(ASK_TIMEOUT, asked).await {
            Ok(Ok(answer)) => answer.status.is_success(),
            _ => false,
        }
    }

    /// Starts `count` simulated workers unless they run; whether they registered in time.
    ///
    /// # Errors
    /// [`LaunchError::Process`], [`LaunchError::Exited`]
    pub async fn workers(&mut self, count: u32) -> Result<bool, LaunchError> {
        if count == 0 {
            return Ok(true);
        }
        let folder = self.group.hollow_folder();
        let arguments = [
            "hollow".into(),
            "--nodes".into(),
            count.to_string().into(),
            "--kubeconfig".into(),
            self.group.hollow_kubeconfig().into_os_string(),
            "--pid-file".into(),
            folder.join("pid").into_os_string(),
        ];
        self.start("hollow".into(), folder, &arguments)?;
        let deadline = Instant::now() + WORKERS_TIMEOUT;
        while Instant::now() < deadline {
            let listed = self.client.get_json("/api/v1/nodes").await;
            let nodes = listed.ok().and_then(|list| Some(list["items"].as_array()?.len()));
            if nodes.is_some_and(|nodes| nodes >= count as usize) {
                return Ok(true);
            }
            for process in &mut self.processes {
                process.must_live()?;
            }
            tokio::time::sleep(READY_POLL).await;
        }
        Ok(false)
    }
}
