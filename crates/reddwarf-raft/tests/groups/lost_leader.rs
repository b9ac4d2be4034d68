//! What members do when their leader's process is gone, and how they learn what is committed.
//!
//! Heartbeats and election timeouts are so long here that nothing can rest on them.

use crate::group::{Group, free_addr};
use reddwarf_raft::Limits;
use std::time::{Duration, Instant};

/// Longer than any of these tests may take.
const NEVER: Duration = Duration::from_secs(60);

fn without_timers() -> Limits {
    Limits {
        heartbeat: NEVER / 4,
        election_min: NEVER,
        election_max: 2 * NEVER,
        ..Limits::default()
    }
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + NEVER / 6;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_first_member_leads_first() {
    let group = Group::start(3, without_timers());
    assert_eq!(group.leader(), 0);
}

#[test]
fn a_leader_whose_process_is_gone_is_replaced_without_a_timeout() {
    let mut group = Group::start(3, without_timers());
    let first = group.leader();
    group.create(first, "before").expect("written");
    eventually("the others connect to the leader", || {
        let status = group.member(1).runtime.block_on(group.member(1).node.status());
        status.members.iter().filter(|member| member.role == "follower").count() == 2
    });
    group.kill(first);
    let second = group.leader();
    assert_ne!(second, first);
    group.create(second, "after").expect("written by the others");
    assert!(group.has(second, "before"));
}

#[test]
fn a_member_that_alone_cannot_reach_the_leader_does_not_unseat_it() {
    let mut group = Group::start(3, Limits::default());
    let leader = group.leader();
    let term = *group.member(leader).node.leadership().borrow();
    let cut_off = (leader + 1) % 3;
    group.kill(cut_off);
    let address = std::mem::replace(&mut group.peers[leader].addr, free_addr());
    group.start_member(cut_off);
    group.peers[leader].addr = address;
    group.create(leader, "still").expect("written");
    eventually("the leader reaches it", || group.has(cut_off, "still"));
    // As long as several of its attempts, and several election timeouts.
    let end = Instant::now() + Duration::from_millis(1_500);
    while Instant::now() < end {
        assert_eq!(*group.member(leader).node.leadership().borrow(), term);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_follower_learns_of_a_commit_without_another_write_or_a_heartbeat() {
    let group = Group::start(3, without_timers());
    let leader = group.leader();
    // Quick enough that a lone commit index waits for the next entries.
    for at in 0..50 {
        group.create(leader, &format!("cm-{at}")).expect("written");
    }
    for follower in (0..3).filter(|at| *at != leader) {
        eventually("the last write shows", || group.has(follower, "cm-49"));
        let name = format!("through-{follower}");
        let began = Instant::now();
        group.create(follower, &name).expect("written through a follower");
        assert!(began.elapsed() < NEVER / 6, "{:?}", began.elapsed());
        assert!(group.has(follower, &name));
    }
}
