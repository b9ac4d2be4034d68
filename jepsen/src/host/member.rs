//! One member of the group under test.

use super::process::Process;
use super::{HostError, Launch, Place, Strays};
use crate::disk::FaultyDisk;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal};
use std::collections::VecDeque;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::process::Command;

/// How long a killed process may take to be gone; a full disk or a traced process can delay it.
const KILL_TIMEOUT: Duration = Duration::from_secs(20);

/// What a member does in the group, as the group tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It leads.
    Leader,
    /// It follows, or is about to become something else.
    Other,
    /// The others do not reach it.
    Unreachable,
}

/// A member: its files, and its process when it runs.
#[derive(Debug)]
pub struct Member {
    /// `n1`, `n2`, …
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its folder in the run's: configuration and log.
    pub folder: PathBuf,
    /// Its data; a mount may stand here.
    pub data: PathBuf,
    /// What it says.
    pub log: PathBuf,
    /// What acts on its writes, when something stands below `data`.
    pub disk: Option<Arc<FaultyDisk>>,
    launch: Mutex<Launch>,
    /// The builds that it runs by turns; the first is the one of now.
    programs: Mutex<VecDeque<PathBuf>>,
    belongs: AtomicBool,
    process: Mutex<Option<Process>>,
}

impl Member {
    pub(super) fn new(
        name: String,
        place: &Place,
        folder: PathBuf,
        programs: &[PathBuf],
    ) -> Member {
        Member {
            name,
            address: place.address,
            data: folder.join("data"),
            log: folder.join("log"),
            folder,
            disk: None,
            launch: Mutex::new(place.launch.clone()),
            programs: Mutex::new(programs.iter().cloned().collect()),
            belongs: AtomicBool::new(false),
            process: Mutex::new(None),
        }
    }

    /// The file of its configuration.
    pub fn config(&self) -> PathBuf {
        self.folder.join("config.toml")
    }

    /// Whether it is a member of the group now; otherwise it is only a place for one.
    pub fn belongs(&self) -> bool {
        self.belongs.load(Ordering::Acquire)
    }

    /// Whether it is a member from now on.
    pub(super) fn set_belongs(&self, belongs: bool) {
        self.belongs.store(belongs, Ordering::Release);
    }

    /// The build that it runs, or would.
    pub fn program(&self) -> PathBuf {
        self.programs.lock()[0].clone()
    }

    /// Runs the next of the builds from its next start on; the same where there is only one.
    pub fn next_program(&self) -> PathBuf {
        let mut programs = self.programs.lock();
        programs.rotate_left(1);
        programs[0].clone()
    }

    /// A command of its build, at its place and with its variables.
    pub fn command(&self) -> Command {
        self.launch.lock().command(&self.program())
    }

    /// Changes what its next process is started under.
    pub fn set_launch(&self, change: impl FnOnce(&mut Launch)) {
        change(&mut self.launch.lock());
    }

    /// Its process's id, when it runs.
    pub fn pid(&self) -> Option<Pid> {
        let process = self.process.lock();
        process.as_ref().filter(|process| process.status().is_none()).map(|process| process.pid)
    }

    /// How its last process ended, when none runs.
    pub fn ended(&self) -> Option<ExitStatus> {
        self.process.lock().as_ref().and_then(Process::status)
    }

    /// Starts its process.
    ///
    /// # Errors
    /// [`HostError::State`] when it runs already, [`HostError::Start`]
    pub fn start(&self) -> Result<Pid, HostError> {
        let name = || self.name.clone();
        if self.pid().is_some() {
            return Err(HostError::State { name: name(), state: "runs already" });
        }
        let arguments: [OsString; 3] = ["server".into(), "--config".into(), self.config().into()];
        let launch = self.launch.lock().clone();
        let process = Process::start(&launch, &self.program(), &arguments, &self.log)
            .map_err(|source| HostError::Start { name: name(), source })?;
        let pid = process.pid;
        Strays::note(pid, &self.config());
        *self.process.lock() = Some(process);
        Ok(pid)
    }

    /// Sends a signal to its process.
    ///
    /// # Errors
    /// [`HostError::State`] when none runs, [`HostError::Signal`]
    pub fn signal(&self, signal: Signal) -> Result<Pid, HostError> {
        let process = self.process.lock();
        let running = process.as_ref().filter(|process| process.status().is_none());
        let Some(process) = running else {
            return Err(HostError::State { name: self.name.clone(), state: "does not run" });
        };
        let sent = process.signal(signal);
        sent.map_err(|source| HostError::Signal { name: self.name.clone(), source })?;
        Ok(process.pid)
    }

    /// Sends SIGKILL and waits until the process is gone.
    ///
    /// # Errors
    /// As of [`Member::signal`] and [`Member::wait_ended`].
    pub async fn kill(&self) -> Result<ExitStatus, HostError> {
        self.signal(Signal::KILL)?;
        self.wait_ended(KILL_TIMEOUT).await
    }

    /// Waits until its process has ended.
    ///
    /// # Errors
    /// [`HostError::State`] when it was never started, [`HostError::Late`]
    pub async fn wait_ended(&self, patience: Duration) -> Result<ExitStatus, HostError> {
        let ended = self.process.lock().as_ref().map(Process::ended);
        let Some(mut ended) = ended else {
            return Err(HostError::State { name: self.name.clone(), state: "does not run" });
        };
        let end = async { ended.wait_for(Option::is_some).await.ok().and_then(|status| *status) };
        let late = HostError::Late {
            name: self.name.clone(),
            what: "does not end",
            seconds: patience.as_secs(),
        };
        tokio::time::timeout(patience, end).await.ok().flatten().ok_or(late)
    }

    /// The state letter of its process (`proc(5)`): `R`, `S`, `T` when stopped, `Z`, …
    pub fn process_state(&self) -> Option<char> {
        let pid = self.pid()?;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
        // The name in parentheses may hold anything, also parentheses.
        stat.rsplit_once(") ")?.1.chars().next()
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        tail(&self.log, lines)
    }
}

fn tail(path: &Path, lines: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
