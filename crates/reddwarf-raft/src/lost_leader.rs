//! Electing another leader at once when the leader's process is gone.
//!
//! A process that dies closes its connections, and its port refuses new ones: that is better
//! evidence than silence, and comes at once. A machine or a network that dies says nothing, and
//! the election timeout remains. Nothing is forced: a member only gives up its own lease and asks
//! for a pre-vote, which members that still hear the leader refuse. Safety never rests on leases
//! here, because reads confirm the leader with a majority (Raft §6.4).

use crate::core::{Core, LeaderView};
use crate::peer::Lane;
use crate::types::TypeConfig;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::errors::Fatal;
use openraft::raft::TransferLeaderRequest;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Pause before a leader whose connection broke is looked at again; doubles from
/// [`LOOKS_QUICK`] looks on, up to [`LOOK_MAX`].
const LOOK: Duration = Duration::from_millis(2);
const LOOKS_QUICK: u32 = 50;
const LOOK_MAX: Duration = Duration::from_millis(250);
/// How long a leader's port may take to accept or to refuse.
const PORT_TIMEOUT: Duration = Duration::from_secs(1);
/// Members take turns, in the order of their ids, so that none stands in another's way.
const TURN: Duration = Duration::from_millis(20);
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
            () = attend(&core, view) => return,
        }
    }
}

/// Asks for the leader's place whenever its process is gone; dropped when there is another
/// leader. Ends with Raft.
async fn attend(core: &Core, view: LeaderView) {
    let Some(leader) = view.leader.filter(|id| *id != core.node_id) else {
        return std::future::pending().await;
    };
    loop {
        wait_for(core, leader, Port::Refuses).await;
        tracing::info!(leader, "the leader's process is gone");
        if succeed(core, leader).await.is_err() {
            return;
        }
        // The others do not think so, or could not agree in time: the election timeout decides.
        wait_for(core, leader, Port::Accepts).await;
    }
}

/// Asks for the leader's place a few times.
async fn succeed(core: &Core, leader: u64) -> Result<(), Fatal<TypeConfig>> {
    if core.quarantine().diverged_at().is_some() {
        return Ok(());
    }
    if !core.raft.voter_ids().any(|id| id == core.node_id) {
        return Ok(());
    }
    let others: Vec<u64> = core.raft.voter_ids().filter(|id| *id != leader).collect();
    let before = others.iter().filter(|id| **id < core.node_id).count() as u32;
    let vote = core.raft.metrics().borrow_watched().vote;
    // To a third node this request only ends the lease of the leader whose vote it names.
    let end_lease = TransferLeaderRequest::new(vote, leader, None);
    for round in 0..ROUNDS {
        if core.raft.handle_transfer_leader(end_lease.clone()).await?.is_err() {
            break;
        }
        let turns = if round == 0 { before } else { others.len() as u32 };
        tokio::time::sleep(TURN * turns).await;
        core.raft.trigger().elect(true).await?;
    }
    Ok(())
}

/// What a member's port does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Port {
    Accepts,
    Refuses,
}

/// Waits until a member's port does `wanted`; it is tried whenever no connection is open.
async fn wait_for(core: &Core, id: u64, wanted: Port) {
    let (mut looks, mut pause) = (0, LOOK);
    loop {
        if let Some(client) = core.client(id) {
            if wanted == Port::Refuses {
                let began = Instant::now();
                client.disconnected(Lane::Control).await;
                if began.elapsed() > LOOK_MAX {
                    (looks, pause) = (0, LOOK);
                }
            }
            let found = match tokio::time::timeout(PORT_TIMEOUT, client.knock()).await {
                Ok(Ok(())) => Some(Port::Accepts),
                Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => {
                    Some(Port::Refuses)
                }
                _ => None,
            };
            if found == Some(wanted) {
                return;
            }
        }
        tokio::time::sleep(pause).await;
        looks += 1;
        if looks > LOOKS_QUICK {
            pause = (pause * 2).min(LOOK_MAX);
        }
    }
}
