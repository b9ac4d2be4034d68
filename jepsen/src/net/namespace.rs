//! Network namespaces: made, entered, removed; also those that a crashed run has left.

use super::NetError;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Where the system keeps the names of network namespaces.
const NAMES: &str = "/run/netns";

/// All our names begin so; the number of the process that made it follows.
const PREFIX: &str = "jepsen-";

/// How many this process has made. It is in their names, for there may be several networks.
static MADE: AtomicU32 = AtomicU32::new(0);

/// A network namespace that goes when this is dropped. Processes in it stay, without a network.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes one, with its loopback device up.
    ///
    /// # Errors
    /// Without the right to do so, or without iproute2.
    pub fn create(label: &str) -> Result<Namespace, NetError> {
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}-{label}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Namespace { name };
        ip(&["-n", &namespace.name, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` shows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What to put before a command for it to run inside. The process is the command's own: its
    /// id is that of the child that was started.
    pub fn prefix(&self) -> Vec<String> {
        vec!["nsenter".to_owned(), format!("--net={}", self.path().display()), "--".to_owned()]
    }

    /// Does something on a thread of its own inside; sockets that it opens stay inside.
    ///
    /// # Errors
    /// [`NetError::Enter`], and those of `inside`.
    pub fn within<T: Send>(
        &self,
        inside: impl FnOnce() -> Result<T, NetError> + Send,
    ) -> Result<T, NetError> {
        let entered = || {
            self.enter().map_err(|source| NetError::Enter { name: self.name.clone(), source })?;
            inside()
        };
        std::thread::scope(|scope| scope.spawn(entered).join())
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Moves the calling thread inside, for good.
    ///
    /// # Errors
    /// Without the right to do so, or when the namespace is gone.
    pub fn enter(&self) -> io::Result<()> {
        let file = File::open(self.path())?;
        Ok(move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))?)
    }

    fn path(&self) -> PathBuf {
        Path::new(NAMES).join(&self.name)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "del", &self.name]) {
            tracing::warn!(name = self.name, %error, "a network namespace stays");
        }
    }
}

/// Removes the namespaces of runs that are gone, and ends the processes left in them. What cannot
/// be removed stays: perhaps another run has just done it.
pub fn remove_stale() {
    let Ok(names) = std::fs::read_dir(NAMES) else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        if is_stale(&name, |pid| Path::new("/proc").join(pid.to_string()).exists()) {
            tracing::info!(name, "removing what an earlier run has left");
            if let Err(error) = remove(&name) {
                tracing::warn!(name, %error, "a network namespace stays");
            }
        }
    }
}

fn remove(name: &str) -> Result<(), NetError> {
    ip(&["netns", "pids", name])?.split_whitespace().for_each(kill);
    ip(&["netns", "del", name]).map(drop)
}

fn kill(pid: &str) {
    let pid = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended by itself.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

fn is_stale(name: &str, lives: impl Fn(u32) -> bool) -> bool {
    let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split_once('-'));
    pid.and_then(|(pid, _)| pid.parse().ok()).is_some_and(|pid| !lives(pid))
}

/// Runs `ip`; what it printed.
pub fn ip(arguments: &[&str]) -> Result<String, NetError> {
    let output = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| NetError::Program { program: "ip", package: "iproute2", source })?;
    if !output.status.success() {
        return Err(NetError::Command {
            command: format!("ip {}", arguments.join(" ")),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ours_whose_process_is_gone_are_stale() {
        let lives = |pid| pid == 7;
        assert!(is_stale("jepsen-8-0-n1", lives));
        assert!(!is_stale("jepsen-7-0-n1", lives));
        for other in ["jepsen-x-0", "jepsen-8", "other-8-0-n1", ""] {
            assert!(!is_stale(other, lives), "{other}");
        }
    }
}
