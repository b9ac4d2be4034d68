//! One member: its port, its node of the group, and what the leader runs.

mod accept;
mod api;
mod backup_route;
mod backup_schedule;
mod certificates;
mod certified;
mod connection;
mod error;
mod leader;
mod live;
mod member;
mod members;
mod reception;
mod signals;
pub(crate) mod tls;
mod upgrade;

pub(crate) use error::NO_MEMBER_EXIT;
pub use error::ServerError;
pub use signals::stop_signals;

use crate::config::Config;
use crate::group::PidFile;
use reddwarf_core::Build;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// Threads that serve requests: all cores but one, which is left to the group.
const REQUEST_THREADS_MAX: usize = 8;
/// How long what is still done may take once the member has stopped.
const LAST_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a member of a program of `build` until SIGTERM or SIGINT.
///
/// The group has a thread of its own, on which Raft, the connections between members and
/// `apply` run: however long requests compute, heartbeats are sent and answered.
///
/// # Errors
/// [`ServerError`]
pub fn run(config: Config, build: Build) -> Result<(), ServerError> {
    let pid_file = hold_pid_file(&config)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let requests = runtime("requests", cores.saturating_sub(1).clamp(1, REQUEST_THREADS_MAX))?;
    let group = runtime("group", 1)?;
    let result = requests.block_on(async {
        let stop = CancellationToken::new();
        stop_signals(stop.clone()).map_err(ServerError::Process)?;
        member::run(config, build, group.handle(), stop).await
    });
    // What either still does holds the data: only then may another process run here.
    requests.shutdown_timeout(LAST_TIMEOUT);
    group.shutdown_timeout(LAST_TIMEOUT);
    drop(pid_file);
    result
}

fn hold_pid_file(config: &Config) -> Result<Option<PidFile>, ServerError> {
    let Some(path) = &config.pid_file else { return Ok(None) };
    let held = PidFile::hold(path);
    held.map(Some).map_err(|source| ServerError::PidFile { path: path.clone(), source })
}

fn runtime(name: &str, threads: usize) -> Result<Runtime, ServerError> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name(name)
        .enable_all()
        .build()
        .map_err(ServerError::Process)
}
