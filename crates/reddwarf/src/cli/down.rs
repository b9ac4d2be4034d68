//! `reddwarf down`: stops a group that `up` started.

use super::up::group_folder;
use crate::group::{LocalGroup, ProcessError, stop};
use clap::Args;
use miette::Result;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// How long a process may take to stop cleanly.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Args, Debug)]
pub(super) struct DownFlags {
    /// Where the group lives [default: reddwarf/local in the user's data folder]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(super) fn run(flags: &DownFlags) -> Result<()> {
    stop_group(&LocalGroup::open(&group_folder(flags.data.as_deref())?)?)
}

/// Stops the simulated workers, which still want the API, then all members at once.
pub(super) fn stop_group(group: &LocalGroup) -> Result<()> {
    if stop(&group.hollow_folder(), STOP_TIMEOUT)? {
        say("hollow stopped");
    }
    let stopping: Vec<_> = (1..=group.plan.nodes)
        .map(|i| {
            let folder = group.node_folder(i);
            let thread = std::thread::spawn(move || stop(&folder, STOP_TIMEOUT));
            (LocalGroup::node_name(i), thread)
        })
        .collect();
    let mut failed: Option<ProcessError> = None;
    for (name, thread) in stopping {
        match thread.join() {
            Ok(Ok(true)) => say(&format!("{name} stopped")),
            Ok(Ok(false)) => say(&format!("{name} was not running")),
            Ok(Err(error)) => failed = Some(error),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Prints a line; whoever reads it may have gone, which must not keep members running.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
