//! A leader whose disk is full hands leadership to a member that has room.
//!
//! A follower without room keeps nobody from writing, a leader without room everybody. It gives way
//! while its log still has the segment that it writes to, so that it can vote and step down.

use crate::core::Core;
use crate::health;
use crate::transfer;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often the disk is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// How long another member may take to tell whether it has room.
const ASK_TIMEOUT: Duration = Duration::from_millis(500);

/// Looks at the disk while this member leads, until the node stops.
pub async fn watch(core: Arc<Core>) {
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        if core.is_leader() && core.disk_full() {
            // When all are full, none is better than this one.
            let _ = transfer::hand_over_but(&core, &without_room(&core).await).await;
        }
    }
}

/// The members that are full, or do not answer.
async fn without_room(core: &Core) -> BTreeSet<u64> {
    let others = core.members().into_keys().filter(|id| *id != core.node_id);
    let asked = others.map(|id| async move { (!has_room(core, id).await).then_some(id) });
    futures::future::join_all(asked).await.into_iter().flatten().collect()
}

async fn has_room(core: &Core, id: u64) -> bool {
    health::of_member(core, id, ASK_TIMEOUT).await.is_some_and(|health| !health.disk_full)
}
