//! Electing another leader at once when the leader's process is gone.
//!
//! A process that dies closes its connections, and its port refuses new ones: that is better
//! evidence than silence, and comes at once. A machine or a network that dies says nothing, and
//! the election timeout remains. Nothing is forced: a member only gives up its own lease and asks
//! for a pre-vote, which members that still hear the leader refuse. Safety never rests on leases
//! here, because reads confirm the leader with a majority (Raft §6.4).

use crate::core::{Core, LeaderView};
use crate::peer::Lane;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::raft::TransferLeaderRequest;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Pause before a leader whose connection broke is looked at again.
const LOOK: Duration = Duration::from_millis(5);
/// How long a leader's port may take to accept or to refuse.
const PORT_TIMEOUT: Duration = Duration::from_secs(1);
/// A member lets those with lower ids try so long before it, each.
const TURN: Duration = Duration::from_millis(40);
/// Rounds before it is left to the election timeout.
const ROUNDS: u32 = 4;

/// Watches each leader's process until the node stops.
pub async fn watch(core: Arc<Core>) {
    let mut leader = core.leader.clone();
    loop {
        let view = *leader.borrow_and_update();
        tokio::select! {
            () = core.stop.cancelled() => return,
            changed = leader.changed() => {
                if changed.is_err() {
                    return;
                }
            }
            () = succeed(&core, view) => {
                // Whatever came of it, the next look needs another leader or another term.
                if leader.changed().await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Waits until the leader's process is gone, then asks for its place; dropped when there is
/// another leader.
async fn succeed(core: &Core, view: LeaderView) {
    let Some(leader) = view.leader.filter(|id| *id != core.node_id) else {
        return std::future::pending().await;
    };
    gone(core, leader).await;
    tracing::info!(leader, "the leader's process is gone");
    let voters = core.raft.voter_ids();
    let before = voters.filter(|id| *id != leader && *id < core.node_id).count() as u32;
    let vote = core.raft.metrics().borrow_watched().vote;
    // To a third node this request only ends the lease of the leader whose vote it names.
    let end_lease = TransferLeaderRequest::new(vote, leader, None);
    for round in 0..ROUNDS {
        if !matches!(core.raft.handle_transfer_leader(end_lease.clone()).await, Ok(Ok(()))) {
            return;
        }
        let turn = if round == 0 { TURN * before } else { TURN * (before + 1) };
        tokio::time::sleep(turn).await;
        if core.raft.trigger().elect(true).await.is_err() {
            return;
        }
    }
}

/// Waits until the connection to a member is lost and its port refuses another.
async fn gone(core: &Core, id: u64) {
    loop {
        if let Some(client) = core.client(id) {
            client.disconnected(Lane::Control).await;
            let port = TcpStream::connect(&client.member().addr);
            let port = tokio::time::timeout(PORT_TIMEOUT, port).await;
            if matches!(port, Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused) {
                return;
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}
