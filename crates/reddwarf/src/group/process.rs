//! Starting and stopping the processes of a local group.

use super::running_pid;
use miette::Diagnostic;
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a process that is stopping is looked at; the kernel tells only its parent.
const STOP_POLL: Duration = Duration::from_millis(20);

/// Why a process could not be started or stopped.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum ProcessError {
    /// It did not start.
    #[error("cannot start {}", program.display())]
    #[diagnostic(code(reddwarf::process::start))]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its pid file or log cannot be used.
    #[error("cannot use {}", path.display())]
    #[diagnostic(code(reddwarf::process::file))]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not stop.
    #[error("process {pid} does not stop")]
    #[diagnostic(
        code(reddwarf::process::stop),
        help("look at its log; `kill -9 {pid}` loses no acknowledged write")
    )]
    Stuck {
        /// Which process.
        pid: i32,
    },
}

/// What [`start`] did.
#[derive(Debug)]
pub enum Started {
    /// The process was running already.
    Already(i32),
    /// A child of this process.
    Now(Child),
}

/// Starts `program` in the background, its output appended to `folder/log`, unless the process
/// of `folder/pid` is running. The program writes that file itself.
///
/// # Errors
/// [`ProcessError`]
pub fn start<A: AsRef<OsStr>>(
    program: &Path,
    folder: &Path,
    arguments: &[A],
) -> Result<Started, ProcessError> {
    let pid_path = folder.join("pid");
    let running =
        running_pid(&pid_path).map_err(|source| ProcessError::File { path: pid_path, source })?;
    if let Some(pid) = running {
        return Ok(Started::Already(pid));
    }
    let log_path = folder.join("log");
    let log_error = |source| ProcessError::File { path: log_path.clone(), source };
    let log = OpenOptions::new().append(true).create(true).open(&log_path).map_err(log_error)?;
    let both = log.try_clone().map_err(log_error)?;
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(both)
        .stderr(log)
        // Ctrl-C in the terminal reaches `up` alone, which stops the members in order.
        .process_group(0)
        .spawn()
        .map_err(|source| ProcessError::Start { program: program.into(), source })?;
    Ok(Started::Now(child))
}

/// Asks the process of `folder/pid` to stop and waits until it has; `false` when none runs.
///
/// # Errors
/// [`ProcessError::Stuck`] when it still runs after `patience`.
pub fn stop(folder: &Path, patience: Duration) -> Result<bool, ProcessError> {
    let path = folder.join("pid");
    let running =
        || running_pid(&path).map_err(|source| ProcessError::File { path: path.clone(), source });
    let Some(pid) = running()? else { return Ok(false) };
    let Some(process) = Pid::from_raw(pid) else { return Ok(false) };
    // It may have ended meanwhile; the lock on its file tells.
    let _ = kill_process(process, Signal::TERM);
    let deadline = Instant::now() + patience;
    while running()? == Some(pid) {
        if Instant::now() > deadline {
            return Err(ProcessError::Stuck { pid });
        }
        std::thread::sleep(STOP_POLL);
    }
    Ok(true)
}
