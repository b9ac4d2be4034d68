//! Requests that come, wait, are let in and refused.

use super::*;
use crate::request::UserInfo;
use futures::FutureExt;

fn flows(seats: u32) -> Arc<FlowControl> {
    Arc::new(FlowControl::new(seats, &View::default(), FlowMetrics::default()))
}

fn flow(flows: &Arc<FlowControl>, user: &str, group: &str) -> Flow {
    let groups = vec![group.to_owned(), "system:authenticated".to_owned()];
    let user = UserInfo::named(user, groups);
    let digest = Digest { user: &user, verb: "get", path: "/version", resource: None };
    flows.classify(View::default, &digest)
}

const LONG: Duration = Duration::from_secs(30);

/// Takes all seats that a flow can get at once.
async fn fill(flows: &Arc<FlowControl>, flow: &Flow) -> Vec<Permit> {
    let mut held = Vec::new();
    while let Some(permit) = flows.enter(flow, 1, LONG).now_or_never() {
        held.push(permit.expect("let in"));
    }
    held
}

#[tokio::test]
async fn whoever_waits_is_let_in_when_a_seat_is_free() {
    let flows = flows(20);
    let anyone = flow(&flows, "u", "people");
    let mut held = fill(&flows, &anyone).await;
    assert!(!held.is_empty());
    let waiting = tokio::spawn({
        let (flows, anyone) = (flows.clone(), flow(&flows, "u", "people"));
        async move { flows.enter(&anyone, 1, LONG).await.map(|_| ()) }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    held.pop();
    assert_eq!(waiting.await.expect("no panic"), Ok(()));
}

#[tokio::test]
async fn a_full_level_stops_neither_nodes_nor_masters() {
    let flows = flows(20);
    let anyone = flow(&flows, "u", "people");
    let _held = fill(&flows, &anyone).await;
    for group in ["system:nodes", "system:masters"] {
        let other = flow(&flows, "n", group);
        let entered = flows.enter(&other, 1, LONG).now_or_never();
        assert!(matches!(entered, Some(Ok(_))), "{group}");
    }
    assert!(flow(&flows, "n", "system:masters").is_exempt());
}

#[tokio::test]
async fn waiting_ends_with_its_time() {
    let flows = flows(20);
    let anyone = flow(&flows, "u", "people");
    let held = fill(&flows, &anyone).await;
    let refused = flows.enter(&anyone, 1, Duration::from_millis(50)).await.map(|_| ());
    assert_eq!(refused, Err(Refused { retry_after_seconds: 1 }));
    assert!(flows.state.lock().waiting.is_empty(), "nobody waits any more");
    let count = held.len();
    drop(held);
    assert_eq!(fill(&flows, &anyone).await.len(), count, "all seats are back");
}

#[tokio::test]
async fn one_who_leaves_while_waiting_takes_no_seat() {
    let flows = flows(20);
    let anyone = flow(&flows, "u", "people");
    let held = fill(&flows, &anyone).await;
    let count = held.len();
    {
        let mut gone = Box::pin(flows.enter(&anyone, 1, LONG));
        assert!(gone.as_mut().now_or_never().is_none());
        // The seat comes while he still waits, and he never looks.
        drop(held);
    }
    assert_eq!(fill(&flows, &anyone).await.len(), count);
}

#[tokio::test]
async fn full_queues_refuse() {
    let flows = flows(20);
    let anyone = flow(&flows, "u", "people");
    let _held = fill(&flows, &anyone).await;
    // Six queues of 50 belong to the flow.
    let mut waiting: Vec<_> = (0..300).map(|_| Box::pin(flows.enter(&anyone, 1, LONG))).collect();
    assert!(waiting.iter_mut().all(|w| w.as_mut().now_or_never().is_none()));
    assert!(matches!(flows.enter(&anyone, 1, LONG).now_or_never(), Some(Err(_))));
    let another = flow(&flows, "v", "people");
    assert!(flows.enter(&another, 1, LONG).now_or_never().is_none(), "another user may wait");
}
