//! What a member does while it leads: the first objects, the API's background work, scheduling,
//! controllers.

use super::live::Live;
use reddwarf_apiserver::background::{self, Background};
use reddwarf_apiserver::bootstrap::{self, BootstrapConfig};
use reddwarf_apiserver::registry::LiveRegistry;
use reddwarf_controllers::{self as controllers, Controllers};
use reddwarf_core::Store;
use reddwarf_core::api::ApiClient;
use reddwarf_scheduler as scheduler;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

/// Pause before the first objects are tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The leader's loops.
pub(super) struct Leader {
    /// Each with an identity of its own in the history: the first objects and the background
    /// work, the controllers, and the scheduler.
    pub controller: Arc<dyn ApiClient>,
    pub controllers: Arc<dyn ApiClient>,
    pub scheduler: Arc<dyn ApiClient>,
    pub store: Arc<dyn Store>,
    pub registry: Arc<LiveRegistry>,
    pub bootstrap: BootstrapConfig,
    /// How the members are.
    pub live: Live,
    pub scheduler_metrics: scheduler::Metrics,
}

impl Leader {
    /// Runs the loops whenever `leadership` holds a term, until `stop`. Those of one term have
    /// ended before those of the next begin.
    pub async fn run(self, mut leadership: watch::Receiver<Option<u64>>, stop: CancellationToken) {
        loop {
            let term = *leadership.borrow_and_update();
            let cancel = stop.child_token();
            let work = async {
                match term {
                    Some(term) => self.lead(term, cancel.clone()).await,
                    None => cancel.cancelled().await,
                }
            };
            tokio::pin!(work);
            let lost = async {
                // The node outlives its watchers only when the process ends.
                let _ = leadership.wait_for(|now| *now != term).await;
            };
            tokio::select! {
                () = &mut work => {}
                () = lost => {
                    cancel.cancel();
                    work.await;
                }
            }
            if stop.is_cancelled() {
                return;
            }
        }
    }

    async fn lead(&self, term: u64, cancel: CancellationToken) {
        info!(term, "this member leads");
        let client = self.controller.fenced(term);
        if cancel.run_until_cancelled(self.first_objects(client.as_ref())).await.is_none() {
            return;
        }
        let background = Background {
            client,
            store: self.store.clone(),
            registry: self.registry.clone(),
            term,
            bootstrap: self.bootstrap.clone().into(),
            members: self.live.addresses.clone(),
        };
        let controllers = Controllers {
            client: self.controllers.fenced(term),
            store: self.store.clone(),
            kinds: self.registry.clone(),
            members: self.live.health.clone(),
        };
        tokio::join!(
            background::run(background, cancel.clone()),
            controllers::run(controllers, cancel.clone()),
            scheduler::run(
                self.scheduler.fenced(term),
                cancel.clone(),
                self.scheduler_metrics.clone()
            ),
        );
        info!(term, "this member leads no longer");
    }

    async fn first_objects(&self, client: &dyn ApiClient) {
        while let Err(failure) = bootstrap::run(client, &self.bootstrap).await {
            let cause = std::error::Error::source(&failure).map(ToString::to_string);
            error!(error = %failure, cause, "the first objects are not there yet");
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}
