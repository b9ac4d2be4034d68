//! Keeps the registry of a member up to date with the definitions in its state.

use super::DEFINITIONS;
use crate::registry::LiveRegistry;
use reddwarf_core::{Collection, Store, WatchClosed};
use std::sync::Arc;
use std::time::Duration;

/// Pause before a watch that could not be opened is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Follows the definitions until the store stops. Every member does so: a kind is served as
/// soon as the commit that establishes it is applied here.
pub async fn follow(registry: Arc<LiveRegistry>, store: Arc<dyn Store>) {
    let (group, plural) = DEFINITIONS;
    let definitions = Collection::new(group, plural);
    loop {
        let from = store.view().revision;
        registry.refresh(&*store);
        let Ok(mut changes) = store.watch(&definitions, from) else {
            tokio::time::sleep(RETRY_PAUSE).await;
            continue;
        };
        loop {
            match changes.next().await {
                Ok(batch) => registry.take_in(batch),
                Err(WatchClosed::TooSlow) => break,
                Err(WatchClosed::Stopping) => return,
            }
        }
    }
}
