//! Which members answer, for the endpoints of the `kubernetes` Service.

use reddwarf_raft::{MemberStatus, Node};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often the members are asked.
const INTERVAL: Duration = Duration::from_secs(2);

/// Addresses of the members that answer, kept up to date until `stop` while this member leads.
pub(super) fn members(
    node: &Arc<Node>,
    stop: CancellationToken,
) -> watch::Receiver<Vec<SocketAddr>> {
    let (sender, receiver) = watch::channel(Vec::new());
    let node = Arc::downgrade(node);
    tokio::spawn(stop.run_until_cancelled_owned(follow(node, sender)));
    receiver
}

fn serves(member: &MemberStatus) -> bool {
    // A learner may not have caught up yet.
    member.voter && member.role != "unreachable" && !member.quarantined
}

async fn follow(node: Weak<Node>, sender: watch::Sender<Vec<SocketAddr>>) {
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
        sender.send_if_modified(|current| {
            let changed = *current != addresses;
            if changed {
                *current = addresses;
            }
            changed
        });
    }
}
