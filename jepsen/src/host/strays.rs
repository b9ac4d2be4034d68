//! Members that outlived a run which was killed: the next run ends them.

use rustix::process::{Pid, Signal, getuid, kill_process};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The notes about members' processes: one file for each jepsen that runs, named after its
/// process id, with a line for each member that it started.
pub struct Strays;

impl Strays {
    /// Notes that this process started a member, so that it can be ended after a crash.
    pub fn note(pid: Pid, config: &Path) {
        let path = own();
        let noted = folder()
            .and_then(|_| OpenOptions::new().append(true).create(true).open(&path))
            .and_then(|mut file| writeln!(file, "{} {}", pid.as_raw_nonzero(), config.display()));
        if let Err(error) = noted {
            tracing::warn!(%error, path = %path.display(), "cannot note a member");
        }
    }

    /// The members of this process have ended.
    pub fn forget() {
        // There is none when no member was started.
        let _ = fs::remove_file(own());
    }

    /// Ends the members of runs that are gone.
    pub fn end_all() {
        let files = folder().and_then(fs::read_dir);
        for file in files.into_iter().flatten().flatten() {
            let run = file.file_name().to_string_lossy().into_owned();
            if Path::new("/proc").join(&run).exists() {
                continue;
            }
            let notes = fs::read_to_string(file.path()).unwrap_or_default();
            notes.lines().filter_map(|line| line.split_once(' ')).for_each(end);
            let _ = fs::remove_file(file.path());
        }
    }
}

/// Ends a process if it is the member that was noted: its number may have gone to another.
fn end((pid, config): (&str, &str)) {
    let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) else { return };
    let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
    if command.split(|byte| *byte == 0).any(|argument| argument == config.as_bytes()) {
        tracing::warn!(pid = pid.as_raw_nonzero(), config, "ending a member of an earlier run");
        // It may end by itself meanwhile.
        let _ = kill_process(pid, Signal::KILL);
    }
}

fn folder() -> std::io::Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("jepsen-{}", getuid().as_raw()));
    fs::create_dir_all(&path)?;
    // Others may make it first in a folder that is everybody's, and their notes are not ours.
    if fs::symlink_metadata(&path)?.uid() != getuid().as_raw() {
        return Err(ErrorKind::PermissionDenied.into());
    }
    Ok(path)
}

fn own() -> PathBuf {
    let name = format!("jepsen-{}", getuid().as_raw());
    std::env::temp_dir().join(name).join(std::process::id().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    #[test]
    fn only_the_noted_member_is_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep runs");
        let pid = child.id().to_string();
        // The child may not be `sleep` yet: its command line is this test's until it is.
        while !fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.starts_with(b"sleep")) {
            std::thread::yield_now();
        }
        end((&pid, "/run/n1/config.toml"));
        assert_eq!(child.try_wait().expect("a child"), None);
        end((&pid, "60"));
        assert_eq!(child.wait().expect("it ends").signal(), Some(9));
    }
}
