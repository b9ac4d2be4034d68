//! The conformance suite over the replicated store, a group of three and a group of one.

#[path = "../../../crates/reddwarf-raft/tests/groups/group.rs"]
mod group;

use group::Group;
use reddwarf_raft::Limits;
use reddwarf_tests::store_suite;
use std::sync::Arc;

fn run(size: u64) {
    let group = Group::start(size, Limits::default());
    group.leader();
    let stores = group.members.iter().flatten().map(|running| Arc::clone(&running.store));
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(store_suite::run(stores.collect()));
    group.assert_same_roots();
}

#[test]
fn a_group_of_three_keeps_the_stores_contract() {
    run(3);
}

#[test]
fn a_group_of_one_keeps_the_stores_contract() {
    run(1);
}
