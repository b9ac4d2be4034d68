//! Who leads, and when this member may act as the leader.

use crate::core::LeaderView;
use crate::machine::AppliedTo;
use crate::types::TypeConfig;
use openraft::async_runtime::watch::WatchReceiver;
use openraft::metrics::RaftServerMetrics;
use openraft::type_config::alias::WatchReceiverOf;
use openraft::vote::RaftLeaderId;
use std::time::Duration;
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

/// Waits until somebody else leads than was known, or `timeout` has passed; also once Raft has ended, after
/// which nobody does any more: who asks again and again must not do so without a pause.
pub async fn changed(view: &mut watch::Receiver<LeaderView>, timeout: Duration) {
    until(view, timeout, |_| true).await;
}

/// The same until a leader is another one than `id`.
pub async fn is_not(view: &mut watch::Receiver<LeaderView>, id: u64, timeout: Duration) {
    let other = |view: &LeaderView| view.leader.is_some_and(|leader| leader != id);
    if !other(&view.borrow_and_update()) {
        until(view, timeout, other).await;
    }
}

async fn until(
    view: &mut watch::Receiver<LeaderView>,
    timeout: Duration,
    wanted: impl Fn(&LeaderView) -> bool,
) {
    let changed = async {
        while view.changed().await.is_ok() {
            if wanted(&view.borrow_and_update()) {
                return;
            }
        }
        std::future::pending::<()>().await;
    };
    // Whether it has changed, the caller finds out.
    let _ = tokio::time::timeout(timeout, changed).await;
}

fn set<T: PartialEq + Copy>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|current| {
        let changed = *current != value;
        *current = value;
        changed
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    const PAUSE: Duration = Duration::from_millis(20);

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_for_a_leader_pauses_also_once_raft_has_ended() {
        let (sender, mut view) = watch::channel(LeaderView::default());
        drop(sender);
        let began = Instant::now();
        changed(&mut view, PAUSE).await;
        is_not(&mut view, 1, PAUSE).await;
        assert_eq!(began.elapsed(), 2 * PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn another_leader_ends_the_wait() {
        let (sender, mut view) = watch::channel(LeaderView { leader: Some(1), term: 1 });
        let began = Instant::now();
        let (_, ()) = tokio::join!(is_not(&mut view, 1, 100 * PAUSE), async {
            tokio::time::sleep(PAUSE).await;
            sender.send_replace(LeaderView { leader: None, term: 2 });
            tokio::time::sleep(PAUSE).await;
            sender.send_replace(LeaderView { leader: Some(2), term: 2 });
        });
        assert_eq!(began.elapsed(), 2 * PAUSE);
    }
}
