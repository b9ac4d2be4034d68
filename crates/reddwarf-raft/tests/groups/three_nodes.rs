//! Three members over TLS: writes through each, crashes, restarts, hand-over, snapshots.

use crate::group::{Group, create};
use reddwarf_core::{ProposeError, Rejection, Store};
use reddwarf_raft::Limits;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn small() -> Limits {
    Limits {
        wal_segment_bytes: 64 * 1024,
        wal_cache_bytes: 64 * 1024,
        snapshot_wal_bytes: 128 * 1024,
        log_keep_bytes: 64 * 1024,
        ..Limits::default()
    }
}

#[test]
fn every_member_takes_writes_and_reads_what_others_wrote() {
    let group = Group::start(3, Limits::default());
    group.leader();
    for round in 0..5 {
        for at in 0..3 {
            let name = format!("cm-{round}-{at}");
            group.create(at, &name).expect("written");
            assert!(group.has(at, &name), "applied here when answered");
            let other = (at + 1) % 3;
            group.barrier(other);
            assert!(group.has(other, &name), "a barrier on another member shows it");
        }
    }
    let again = group.create(1, "cm-0-0").expect_err("exists");
    assert!(matches!(again, ProposeError::Rejected(Rejection::Precondition { .. })), "{again}");
    group.assert_same_roots();
    let status = group.member(1).runtime.block_on(group.member(1).node.status());
    assert_eq!(status.members.len(), 3);
    assert_eq!(status.members.iter().filter(|member| member.role == "leader").count(), 1);
}

#[test]
fn killing_the_leader_loses_nothing_and_writes_resume() {
    let mut group = Group::start(3, Limits::default());
    let leader = group.leader();
    for at in 0..20 {
        group.create(at % 3, &format!("before-{at}")).expect("written");
    }
    let killed = Instant::now();
    group.kill(leader);
    let other = (leader + 1) % 3;
    group.create(other, "after").expect("written by the others");
    let gap = killed.elapsed();
    assert!(gap < Duration::from_secs(5), "writes resumed after {gap:?}");
    println!("writes resumed after {gap:?}");
    group.start_member(leader);
    group.barrier(leader);
    for at in 0..20 {
        assert!(group.has(leader, &format!("before-{at}")));
    }
    assert!(group.has(leader, "after"));
    group.assert_same_roots();
}

#[test]
fn all_killed_and_restarted_keep_every_acknowledged_write() {
    let mut group = Group::start(3, Limits::default());
    group.leader();
    for at in 0..30 {
        group.create(at % 3, &format!("cm-{at}")).expect("written");
    }
    (0..3).for_each(|at| group.kill(at));
    (0..3).for_each(|at| group.start_member(at));
    for member in 0..3 {
        group.barrier(member);
        (0..30).for_each(|at| assert!(group.has(member, &format!("cm-{at}")), "{member}: {at}"));
    }
    group.create(0, "after").expect("written");
    group.assert_same_roots();
}

#[test]
fn a_clean_stop_hands_leadership_over_without_a_failed_write() {
    let mut group = Group::start(3, Limits::default());
    let leader = group.leader();
    let writer = (leader + 1) % 3;
    let store = Arc::clone(&group.member(writer).store);
    let task = group.member(writer).runtime.spawn(async move {
        let mut slowest = Duration::ZERO;
        for at in 0..300 {
            let began = Instant::now();
            store.propose(create(&format!("cm-{at}"), 64)).await.expect("no write fails");
            slowest = slowest.max(began.elapsed());
        }
        slowest
    });
    std::thread::sleep(Duration::from_millis(50));
    group.stop(leader);
    let slowest = group.member(writer).runtime.block_on(task).expect("the writer ends");
    println!("slowest write {slowest:?}");
    let new_leader = group.leader();
    assert_ne!(new_leader, leader);
    group.start_member(leader);
    group.barrier(leader);
    assert!(group.has(leader, "cm-299"));
    group.assert_same_roots();
}

#[test]
fn a_member_that_missed_a_purge_catches_up_by_snapshot() {
    let mut group = Group::start(3, small());
    let leader = group.leader();
    let lagging = (leader + 1) % 3;
    group.create(leader, "first").expect("written");
    group.kill(lagging);
    let running = group.member(leader);
    for at in 0..400 {
        let write = create(&format!("cm-{at}"), 1_000);
        running.runtime.block_on(running.store.propose(write)).expect("written");
    }
    let deadline = Instant::now() + Duration::from_secs(20);
    let wal = group.data_dir(leader).join("wal").join("0000000000000001.wal");
    while wal.exists() {
        assert!(Instant::now() < deadline, "the log was not purged");
        std::thread::sleep(Duration::from_millis(50));
    }
    group.start_member(lagging);
    group.barrier(lagging);
    assert!(group.has(lagging, "first") && group.has(lagging, "cm-399"));
    group.create(lagging, "after").expect("written");
    group.assert_same_roots();
    // What was installed is durable: the member restarts from it alone.
    group.kill(lagging);
    group.start_member(lagging);
    group.barrier(lagging);
    assert!(group.has(lagging, "cm-399") && group.has(lagging, "after"));
}

#[test]
fn a_member_that_is_often_started_again_purges_its_log() {
    let mut group = Group::start(1, small());
    for round in 0..12 {
        group.leader();
        for at in 0..40 {
            let running = group.member(0);
            let write = create(&format!("cm-{round}-{at}"), 1_000);
            running.runtime.block_on(running.store.propose(write)).expect("written");
        }
        group.kill(0);
        group.start_member(0);
    }
    // 480 KiB were written in runs of 40 KiB each.
    let segments = || std::fs::read_dir(group.data_dir(0).join("wal")).expect("a folder").count();
    let deadline = Instant::now() + Duration::from_secs(20);
    while segments() > 6 {
        assert!(Instant::now() < deadline, "{} files of the log are left", segments());
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn without_a_quorum_writes_and_reads_fail_in_time() {
    let limits = Limits {
        propose_timeout: Duration::from_millis(800),
        read_timeout: Duration::from_millis(800),
        ..Limits::default()
    };
    let mut group = Group::start(3, limits);
    let leader = group.leader();
    group.kill((leader + 1) % 3);
    group.kill((leader + 2) % 3);
    let failed = group.create(leader, "lost").expect_err("no quorum");
    assert!(matches!(failed, ProposeError::Unknown(_) | ProposeError::Unavailable(_)), "{failed}");
    let running = group.member(leader);
    assert!(running.runtime.block_on(running.store.read_barrier()).is_err());
}

#[test]
fn concurrent_writers_on_all_members_are_all_applied_once() {
    let group = Group::start(3, Limits::default());
    group.leader();
    let writers: Vec<_> = (0..3)
        .flat_map(|at| (0..8).map(move |writer| (at, writer)))
        .map(|(at, writer)| {
            let store: Arc<dyn Store> = Arc::clone(&group.member(at).store);
            group.member(at).runtime.spawn(async move {
                for number in 0..25 {
                    let name = format!("cm-{at}-{writer}-{number}");
                    store.propose(create(&name, 200)).await.expect("written");
                }
            })
        })
        .collect();
    for writer in writers {
        group.member(0).runtime.block_on(writer).expect("the writer ends");
    }
    group.barrier(0);
    let view = group.member(0).store.view();
    assert_eq!(view.objects.len(), 3 * 8 * 25);
    assert_eq!(view.revision.0, 3 * 8 * 25);
    group.assert_same_roots();
}
