//! A member that comes back with another data folder has forgotten its votes.

use crate::group::Group;
use reddwarf_raft::{Limits, Node, StartError};
use std::time::{Duration, Instant};

fn wait_until(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !check() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn limits() -> Limits {
    let (propose_timeout, read_timeout) = (Duration::from_secs(2), Duration::from_secs(2));
    Limits { propose_timeout, read_timeout, ..Limits::default() }
}

/// A group of three whose data folders are all recorded, and the number of its leader.
fn recorded_group() -> (Group, usize) {
    let group = Group::start(3, limits());
    let leader = group.leader();
    let members = group.member(leader).node.members();
    assert!(members.values().all(|member| member.incarnation != 0), "known from its founding on");
    group.create(leader, "before").expect("written");
    (group, leader)
}

fn wipe(group: &Group, at: usize) {
    let dir = group.data_dir(at);
    std::fs::remove_dir_all(dir.join("wal")).expect("removes");
    std::fs::remove_file(dir.join("state.redb")).expect("removes");
    std::fs::remove_file(dir.join("identity")).expect("removes");
}

fn failure(group: &Group, at: usize) -> String {
    let running = group.member(at);
    let failed =
        async { tokio::time::timeout(Duration::from_secs(5), running.node.failed()).await };
    running.runtime.block_on(failed).expect("it is told in time").to_string()
}

#[test]
fn a_wiped_member_is_refused_and_gives_no_majority() {
    let (mut group, leader) = recorded_group();
    let (wiped, other) = ((leader + 1) % 3, (leader + 2) % 3);
    group.stop(wiped);
    wipe(&group, wiped);
    group.start_member(wiped);
    let said = failure(&group, wiped);
    assert!(said.contains("another data directory"), "{said}");
    group.create(leader, "two-are-enough").expect("written by the others");
    assert!(!group.has(wiped, "before"), "nothing is replicated to it");
    // Its vote would make a majority with the member that is left.
    group.kill(leader);
    group.create(other, "lost").expect_err("one member is no majority");
    group.start_member(leader);
    // Until then the other one knows that it is alone, and refuses reads at once.
    let running = group.member(other);
    wait_until("reads are confirmed again", || {
        running.runtime.block_on(running.store.read_barrier()).is_ok()
    });
    assert!(group.has(other, "two-are-enough"));
}

#[test]
fn two_wiped_members_found_no_second_group() {
    let (mut group, leader) = recorded_group();
    let wiped = [(leader + 1) % 3, (leader + 2) % 3];
    (0..3).for_each(|at| group.stop(at));
    wiped.iter().for_each(|at| wipe(&group, *at));
    wiped.iter().for_each(|at| group.start_member(*at));
    group.create(wiped[0], "lost").expect_err("they wait for the third");
    group.start_member(leader);
    wiped.iter().for_each(|at| assert!(failure(&group, *at).contains("another data directory")));
    group.create(wiped[1], "lost").expect_err("they do not lead");
    assert!(group.has(leader, "before"));
}

#[test]
fn a_folder_without_its_log_or_its_identity_is_refused() {
    let mut group = Group::start(1, limits());
    group.leader();
    group.create(0, "before").expect("written");
    group.stop(0);
    let start = || {
        let runtime = tokio::runtime::Runtime::new().expect("runtime");
        runtime.block_on(Node::start(group.config(0))).err().expect("refused")
    };
    let (dir, away) = (group.data_dir(0), group.data_dir(0).join("away"));
    for name in ["wal", "identity"] {
        std::fs::rename(dir.join(name), &away).expect("renames");
        let refused = start();
        assert!(matches!(refused, StartError::Apart { .. }), "{refused}");
        assert!(refused.to_string().contains(name), "{refused}");
        let _ = std::fs::remove_dir_all(dir.join(name));
        std::fs::rename(&away, dir.join(name)).expect("renames");
    }
    group.start_member(0);
    group.barrier(0);
    assert!(group.has(0, "before"));
}
