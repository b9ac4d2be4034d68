//! Members that come and go while the others run.

use crate::group::{Group, create};
use rand::Rng;
use reddwarf_raft::{ChangeError, Failure, Limits};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn wait_until(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !check() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Limits under which a log is soon purged.
fn small() -> Limits {
    Limits {
        wal_segment_bytes: 64 * 1024,
        wal_cache_bytes: 16 * 1024,
        snapshot_wal_bytes: 128 * 1024,
        log_keep_bytes: 64 * 1024,
        ..Limits::default()
    }
}

/// Names of the members as `at` knows them, when all of them vote.
fn voters(group: &Group, at: usize) -> Option<BTreeSet<String>> {
    let running = group.member(at);
    let status = running.runtime.block_on(running.node.status());
    let whole = status.members.iter().all(|member| member.voter);
    whole.then(|| status.members.into_iter().map(|member| member.status.name).collect())
}

fn wait_for_voters(group: &Group, at: usize, names: &[&str]) {
    let wanted: BTreeSet<String> = names.iter().map(|name| (*name).to_owned()).collect();
    wait_until(&format!("{names:?} vote"), || voters(group, at).as_ref() == Some(&wanted));
}

fn remove(group: &Group, by: usize, name: &str) -> Result<u64, ChangeError> {
    let running = group.member(by);
    running.runtime.block_on(running.node.remove(name))
}

fn failure(group: &Group, at: usize) -> Failure {
    let running = group.member(at);
    let failed =
        async { tokio::time::timeout(Duration::from_secs(10), running.node.failed()).await };
    running.runtime.block_on(failed).expect("it is told in time")
}

/// Makes a member lead.
fn let_lead(group: &Group, wanted: usize) {
    wait_until("it leads", || {
        let leader = group.leader();
        if leader != wanted {
            let running = group.member(leader);
            running.runtime.block_on(running.node.hand_over());
        }
        leader == wanted
    });
}

#[test]
fn a_group_of_one_grows_by_a_snapshot_and_is_left_by_its_first_member() {
    let mut group = Group::start(1, small());
    group.leader();
    for at in 0..400 {
        let running = group.member(0);
        let write = create(&format!("cm-{at}"), 1_000);
        running.runtime.block_on(running.store.propose(write)).expect("written");
    }
    let wal = group.data_dir(0).join("wal").join("0000000000000001.wal");
    wait_until("the log is purged", || !wal.exists());
    let second = group.join(0, "node-2", None);
    wait_for_voters(&group, 0, &["node-1", "node-2"]);
    let third = group.join(second, "node-3", None);
    wait_for_voters(&group, third, &["node-1", "node-2", "node-3"]);
    group.create(third, "after").expect("written");
    for at in [second, third] {
        group.barrier(at);
        assert!(group.has(at, "cm-0") && group.has(at, "cm-399") && group.has(at, "after"));
    }
    group.assert_same_roots();

    // The first one leads, and is asked itself.
    let_lead(&group, 0);
    remove(&group, 0, "node-1").expect("removed");
    assert_eq!(failure(&group, 0), Failure::Removed);
    wait_for_voters(&group, third, &["node-2", "node-3"]);
    group.kill(0);
    group.create(second, "without").expect("written");
    // What it has on disk does not let it in again.
    group.start_member(0);
    assert_eq!(failure(&group, 0), Failure::Removed);
    group.kill(0);
    group.barrier(third);
    assert!(group.has(third, "without"));
    let refused = remove(&group, second, "node-4").expect_err("unknown");
    assert_eq!(refused, ChangeError::Refused("node-4 is no member of this group".to_owned()));
}

#[test]
fn a_leader_is_heard_by_a_member_that_does_not_know_it_yet() {
    let mut group = Group::start(3, Limits::default());
    let leader = group.leader();
    let away = (leader + 1) % 3;
    group.create(leader, "before").expect("written");
    group.kill(away);
    let new = group.join(leader, "node-4", None);
    wait_for_voters(&group, leader, &["node-1", "node-2", "node-3", "node-4"]);
    let_lead(&group, new);
    group.create(new, "meanwhile").expect("written");
    group.start_member(away);
    group.barrier(away);
    assert!(group.has(away, "meanwhile"));
    group.assert_same_roots();
}

#[test]
fn a_change_is_completed_whoever_leads_and_whenever_the_leader_dies() {
    let mut group = Group::start(3, Limits::default());
    let mut random = rand::rng();
    let mut names = ["node-1".to_owned(), "node-2".to_owned(), "node-3".to_owned()];
    let mut places = [0, 1, 2];
    for round in 0..4 {
        let leader = group.leader();
        group.create(leader, &format!("round-{round}")).expect("written");
        let at = random.random_range(0..3);
        let new = format!("new-{round}");
        let joined = group.join(leader, &new, Some(&names[at].clone()));
        std::thread::sleep(Duration::from_millis(random.random_range(0..600)));
        let dies = group.leader();
        group.kill(dies);
        if dies != places[at] || random.random() {
            group.start_member(dies);
        }
        (names[at], places[at]) = (new, joined);
        let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
        wait_for_voters(&group, joined, &wanted);
        // Whoever was replaced is not there to be compared.
        let gone = (0..group.members.len()).filter(|member| !places.contains(member));
        for gone in gone.collect::<Vec<_>>() {
            if group.members[gone].is_some() {
                assert_eq!(failure(&group, gone), Failure::Removed, "round {round}");
                group.kill(gone);
            }
        }
        group.barrier(joined);
        assert!(group.has(joined, &format!("round-{round}")));
        group.assert_same_roots();
    }
}
