//! Work of the API that only the leader does.
//!
//! Every loop stops with its token; its writes carry the leader's term, so what a deposed
//! leader still has under way changes nothing.

mod event_expiry;
mod kubernetes_service;
mod namespace_defaults;
mod namespace_emptying;
mod namespace_status;
mod retention;

use crate::bootstrap::BootstrapConfig;
use crate::custom;
use crate::registry::LiveRegistry;
use reddwarf_core::Store;
use reddwarf_core::api::ApiClient;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The query by which a loop says that it does what upstream's controller manager does.
pub(crate) const AS_CONTROLLER_MANAGER: &str = "?fieldManager=kube-controller-manager";

/// Pause before a loop tries again what failed.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_secs(1);

/// What the loops work with.
#[derive(Clone)]
pub struct Background {
    /// Writes of the leader, fenced by `term`.
    pub client: Arc<dyn ApiClient>,
    /// This member's state.
    pub store: Arc<dyn Store>,
    /// The kinds that a namespace may hold.
    pub registry: Arc<LiveRegistry>,
    /// The term for which the loops run.
    pub term: u64,
    /// What the cluster's first objects were made from.
    pub bootstrap: Arc<BootstrapConfig>,
    /// Where live members serve the API.
    pub members: watch::Receiver<Vec<SocketAddr>>,
}

/// Runs all loops until `stop` is cancelled.
pub async fn run(background: Background, stop: CancellationToken) {
    let work = async {
        tokio::join!(
            namespace_defaults::run(&background),
            namespace_emptying::run(&background),
            event_expiry::run(&background),
            retention::run(&background),
            kubernetes_service::run(&background),
            custom::lifecycle::run(&background),
        )
    };
    tokio::select! {
        () = stop.cancelled() => {}
        _ = work => {}
    }
}
