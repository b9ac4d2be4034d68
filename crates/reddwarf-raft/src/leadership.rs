//! Who leads, and when this member may act as the leader.

use crate::core::LeaderView;
use crate::machine::AppliedTo;
use crate::types::TypeConfig;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::type_config::alias::WatchReceiverOf;
use openraft::vote::RaftLeaderId;
use tokio::sync::watch;

/// Follows Raft until it ends. `leader` follows at once; `leadership` becomes `Some` only after
/// the first entry of the term is applied here (invariant 7).
pub async fn follow(
    node_id: u64,
    mut server: WatchReceiverOf<TypeConfig, RaftServerMetrics<TypeConfig>>,
    mut applied: watch::Receiver<AppliedTo>,
    leader: watch::Sender<LeaderView>,
    leadership: watch::Sender<Option<u64>>,
) {
    loop {
        let view = {
            let metrics = server.borrow_watched();
            LeaderView { leader: metrics.current_leader, term: metrics.vote.leader_id().term() }
        };
        set(&leader, view);
        let leads = view.leader == Some(node_id);
        let ready = leads && applied.borrow_and_update().term == view.term;
        set(&leadership, ready.then_some(view.term));
        let ended = if leads && !ready {
            tokio::select! {
                changed = server.changed() => changed.is_err(),
                changed = applied.changed() => changed.is_err(),
            }
        } else {
            server.changed().await.is_err()
        };
        if ended {
            set(&leader, LeaderView { leader: None, term: view.term });
            set(&leadership, None);
            return;
        }
    }
}

fn set<T: PartialEq + Copy>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|current| {
        let changed = *current != value;
        *current = value;
        changed
    });
}
