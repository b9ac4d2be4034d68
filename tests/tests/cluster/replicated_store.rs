//! The conformance suites over the replicated store, a group of three and a group of one.

#[path = "../../../crates/reddwarf-raft/tests/groups/group.rs"]
mod group;

use group::Group;
use reddwarf_raft::Limits;
use reddwarf_tests::history_suite::Member;
use reddwarf_tests::{branch_suite, history_suite, store_suite};
use std::sync::Arc;

fn run(size: u64) {
    let group = Group::start(size, Limits::default());
    group.leader();
    let stores = group.members.iter().flatten().map(|running| Arc::clone(&running.store));
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(store_suite::run(stores.collect()));
    group.assert_same_roots();
}

/// The members of a group, with their histories.
fn members(group: &Group) -> Vec<Member> {
    let members = group.members.iter().flatten();
    let members = members.map(|running| Member {
        store: Arc::clone(&running.store),
        history: running.node.history(),
    });
    members.collect()
}

#[test]
fn a_group_of_three_keeps_the_contract_of_branches() {
    let group = Group::start(3, Limits::default());
    group.leader();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(branch_suite::run(members(&group)));
    group.assert_same_roots();
}

fn run_history(size: u64) {
    let group = Group::start(size, Limits::default());
    group.leader();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    runtime.block_on(history_suite::run(members(&group), rand::random()));
}

#[test]
fn a_group_of_three_keeps_the_historys_contract() {
    run_history(3);
}

#[test]
fn a_group_of_one_keeps_the_historys_contract() {
    run_history(1);
}

#[test]
fn a_group_of_three_keeps_the_stores_contract() {
    run(3);
}

#[test]
fn a_group_of_one_keeps_the_stores_contract() {
    run(1);
}
