//! A member's process: started with a prefix and variables, reaped by its id.

use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// What a process is started under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Launch {
    /// A command that becomes the program (`exec`), such as `ip netns exec NAME`.
    pub prefix: Vec<OsString>,
    /// Variables beside those that jepsen was started with.
    pub environment: BTreeMap<OsString, OsString>,
}

impl Launch {
    /// The command for `program`, which ends when jepsen drops its handle.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = match self.prefix.split_first() {
            None => Command::new(program),
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
        };
        command.envs(&self.environment).kill_on_drop(true);
        command
    }
}

/// A process that was started, until it ends; a task waits for it, so it is never a zombie.
#[derive(Debug)]
pub(super) struct Process {
    /// Its id.
    pub pid: Pid,
    ended: watch::Receiver<Option<ExitStatus>>,
    waiter: tokio::task::JoinHandle<()>,
}

impl Process {
    /// Starts `program`; what it says is appended to `log`.
    pub fn start(
        launch: &Launch,
        program: &Path,
        arguments: &[OsString],
        log: &Path,
    ) -> io::Result<Process> {
        let out = OpenOptions::new().append(true).create(true).open(log)?;
        let mut child = launch
            .command(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(out.try_clone()?)
            .stdout(out)
            // Ctrl-C in the terminal reaches jepsen alone.
            .process_group(0)
            .spawn()?;
        let id = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let pid = id.ok_or_else(|| io::Error::other("it ended at once"))?;
        let (tell, ended) = watch::channel(None);
        let waiter = tokio::spawn(async move { wait(&mut child, &tell).await });
        Ok(Process { pid, ended, waiter })
    }

    /// How it ended, if it did.
    pub fn status(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Sends a signal unless it ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        if self.status().is_some() {
            return Err(io::Error::other("it has ended"));
        }
        Ok(kill_process(self.pid, signal)?)
    }

    /// Gives what tells the end, to be awaited without holding the process.
    pub fn ended(&self) -> watch::Receiver<Option<ExitStatus>> {
        self.ended.clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The child goes with the task, which kills it.
        self.waiter.abort();
        if self.status().is_none() {
            // It may end by itself meanwhile.
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }
}

async fn wait(child: &mut Child, tell: &watch::Sender<Option<ExitStatus>>) {
    match child.wait().await {
        Ok(status) => {
            tell.send_replace(Some(status));
        }
        Err(error) => tracing::error!(%error, "cannot wait for a process"),
    }
}
