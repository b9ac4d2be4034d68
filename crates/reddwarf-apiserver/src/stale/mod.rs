//! Writes that name a version which is not the newest: what their 409 tells of the changes since,
//! and how clients that ask for it have them merged.
//!
//! The answer is Kubernetes'; only the causes in its details are more than that. They come from
//! the history as far as it answers soon, and are left out where it does not: a conflict is what
//! clients meet at high rates, and must stay cheap.

mod budget;
mod causes;
mod merging;
mod since;

pub(crate) use budget::Budget;
pub(crate) use merging::{Asked, asked, merged};

use crate::authz;
use crate::object::{meta, uid};
use crate::verbs::Exchange;
use reddwarf_core::{Revision, Status, StoredObject};
use serde_json::Value;
use since::Since;
use std::sync::Arc;
use std::time::Duration;

/// How long the history is waited for.
const TIME_MAX: Duration = Duration::from_millis(250);

/// A write that is refused because of the version that it names.
pub struct Stale {
    /// The refusal as Kubernetes gives it.
    pub status: Box<Status>,
    /// The version that the client named.
    pub asked: Revision,
    /// The object as it is.
    pub current: Arc<StoredObject>,
    /// Whether the client sent the object's uid as well, so that it has read the object.
    pub has_read: bool,
}

impl Stale {
    /// A refusal of a write whose body is `sent`, as far as it is an object.
    pub(crate) fn of(
        status: Box<Status>,
        sent: &Value,
        asked: Revision,
        current: &Arc<StoredObject>,
    ) -> Stale {
        let has_read = !uid(sent).is_empty() && meta(sent, "uid") == &*current.index.uid;
        Stale { status, asked, current: current.clone(), has_read }
    }

    /// The refusal with what has changed since, as far as that is to be had soon.
    pub(crate) async fn told(self, x: &Exchange<'_>) -> Box<Status> {
        let mut status = self.status;
        // Who may not read the object is not told of it.
        if !authz::allowed(x.user) || !x.server.conflicts_told().take() {
            return status;
        }
        let causes = async {
            let since = Since::find(x, self.asked, &self.current).await?;
            causes::of_changes(x, &since, self.has_read).await
        };
        if let Ok(Some(causes)) = tokio::time::timeout(TIME_MAX, causes).await {
            status.details.get_or_insert_default().causes = causes;
        }
        status
    }
}
