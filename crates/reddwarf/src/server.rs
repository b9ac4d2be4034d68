//! One member: its port, its node of the group, and what the leader runs.

mod accept;
mod api;
mod connection;
mod error;
mod leader;
mod live;
mod member;
mod signals;
mod tls;

pub use error::ServerError;
pub use signals::stop_signals;

use crate::config::Config;
use tokio_util::sync::CancellationToken;

/// Threads that serve requests; three members share a small machine.
const WORKER_THREADS: usize = 2;

/// Runs a member until SIGTERM or SIGINT.
///
/// # Errors
/// [`ServerError`]
pub fn run(config: Config) -> Result<(), ServerError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::env::var("RDW").ok().and_then(|v| v.parse().ok()).unwrap_or(WORKER_THREADS))
        .enable_all()
        .build()
        .map_err(ServerError::Process)?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        stop_signals(stop.clone()).map_err(ServerError::Process)?;
        member::run(config, stop).await
    })
}
