//! How the members are, as the leader asks them: for the endpoints of the `kubernetes` Service and
//! for events.

use reddwarf_controllers::members::Health;
use reddwarf_raft::{GroupMember, Node};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the members are asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is known while this member leads.
#[derive(Clone)]
pub(super) struct Live {
    /// Where the members serve that can.
    pub addresses: watch::Receiver<Vec<SocketAddr>>,
    /// How each member is.
    pub health: watch::Receiver<Vec<Health>>,
}

struct Tell {
    addresses: watch::Sender<Vec<SocketAddr>>,
    health: watch::Sender<Vec<Health>>,
}

/// Asks the members until `stop` while this one leads.
pub(super) fn members(node: &Arc<Node>, stop: CancellationToken) -> Live {
    let (addresses, health) = (watch::Sender::default(), watch::Sender::default());
    let live = Live { addresses: addresses.subscribe(), health: health.subscribe() };
    let follow = follow(Arc::downgrade(node), Tell { addresses, health });
    tokio::spawn(stop.run_until_cancelled_owned(follow));
    live
}

fn is_reachable(member: &GroupMember) -> bool {
    member.role != "unreachable"
}

fn serves(member: &GroupMember) -> bool {
    // A learner may not have caught up yet.
    member.voter
        && is_reachable(member)
        && !member.quarantined
        && member.health.cut_off_ms.is_none()
}

fn health(member: &GroupMember) -> Health {
    Health {
        name: member.name.clone(),
        reachable: is_reachable(member),
        disk_full: member.health.disk_full,
        slow_sync_ms: member.health.slow_sync_ms,
        trouble: member.trouble.clone(),
        repairs: member.health.repairs,
    }
}

async fn follow(node: Weak<Node>, tell: Tell) {
    let mut ticks = tokio::time::interval(INTERVAL);
    loop {
        ticks.tick().await;
        let Some(node) = node.upgrade() else { return };
        if node.leadership().borrow().is_none() {
            continue;
        }
        let mut addresses = Vec::new();
        let group = node.status().await;
        for member in group.members.iter().filter(|member| serves(member)) {
            if let Ok(found) = tokio::net::lookup_host(member.endpoint.as_str()).await {
                addresses.extend(found.take(1));
            }
        }
        addresses.sort_unstable();
        set(&tell.addresses, addresses);
        set(&tell.health, group.members.iter().map(health).collect());
    }
}

fn set<T: PartialEq>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|current| {
        let changed = *current != value;
        *current = value;
        changed
    });
}
