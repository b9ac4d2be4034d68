//! Members notice when one of them has another state.

use crate::group::Group;
use reddwarf_core::ProposeError;
use reddwarf_raft::Limits;
use reddwarf_raft::status::MemberStatus;
use reddwarf_storage::rows::{META_CHECKPOINT, checkpoint_value};
use reddwarf_storage::{KvStore, RedbStore, StoreOptions, Table, WriteBatch, read_checkpoint};
use std::time::{Duration, Instant};

/// Makes the stopped member's state differ from the others' without damaging any row.
fn falsify(group: &Group, at: usize) {
    let path = group.data_dir(at).join("state.redb");
    let store = RedbStore::open(path, StoreOptions::new("test")).expect("opens");
    let mut checkpoint = read_checkpoint(&store).expect("reads");
    checkpoint.clock_ms += 1;
    let mut batch = WriteBatch::default();
    let value = checkpoint_value(&checkpoint).expect("encodes");
    batch.put(Table::Meta, META_CHECKPOINT.to_vec(), value);
    store.commit(batch).expect("commits");
}

fn status(group: &Group, at: usize) -> MemberStatus {
    let running = group.member(at);
    let status = running.runtime.block_on(running.node.status());
    status.members[at].status.clone()
}

fn wait_until(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !check() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Leaves time to look at a member in quarantine.
fn slow_repair() -> Limits {
    Limits { repair_pause: Duration::from_secs(3), ..Limits::default() }
}

/// The member has the others' state, tells so and serves, and what was wrong is kept.
fn assert_repaired(group: &Group, at: usize) {
    wait_until("the member is repaired", || {
        status(group, at).trouble.is_none() && status(group, at).diverged_at.is_none()
    });
    let metrics = group.member(at).node.metrics();
    assert_eq!((metrics.repairs.get(), metrics.quarantined.get()), (1, 0));
    let name = format!("repaired-{at}");
    group.create(at, &name).expect("it takes writes");
    group.barrier(at);
    assert!(group.has(at, &name) && group.has(at, "before"));
    group.assert_same_roots();
    assert!(group.data_dir(at).join("state.redb.damaged").is_file());
    let verified = group.member(at).runtime.block_on(group.member(at).node.verify(None));
    assert_eq!(verified.expect("reads").problems, Vec::<String>::new());
}

fn assert_only_diverged(group: &Group, wrong: usize) {
    for at in 0..3 {
        let running = group.member(at);
        let read = running.runtime.block_on(running.store.read_barrier());
        assert_eq!(read.is_err(), at == wrong, "{at}: {read:?}");
        assert_eq!(status(group, at).diverged_at.is_some(), at == wrong, "{at}");
    }
    let refused = group.create(wrong, "refused").expect_err("refused");
    assert!(matches!(refused, ProposeError::Unavailable(_)), "{refused}");
    group.create((wrong + 1) % 3, "others").expect("the others go on");
}

#[test]
fn a_follower_with_another_state_serves_no_reads() {
    let mut group = Group::start(3, slow_repair());
    let wrong = (group.leader() + 1) % 3;
    group.create(wrong, "before").expect("written");
    group.barrier(wrong);
    group.stop(wrong);
    falsify(&group, wrong);
    group.start_member(wrong);
    wait_until("the member is told", || status(&group, wrong).diverged_at.is_some());
    assert_only_diverged(&group, wrong);
    let leader = group.leader();
    assert_eq!(group.member(leader).node.metrics().root_mismatch.get(), 1);
    assert_repaired(&group, wrong);
}

#[test]
fn a_leader_with_another_state_hands_leadership_away() {
    let mut group = Group::start(3, slow_repair());
    group.leader();
    group.create(0, "before").expect("written");
    (0..3).for_each(|at| group.barrier(at));
    (0..3).for_each(|at| group.stop(at));
    falsify(&group, 0);
    // Two members that differ know only that one of them is wrong.
    group.start_member(0);
    group.start_member(1);
    wait_until("the false member leads", || {
        let leader = group.leader();
        if leader == 1 {
            let running = group.member(1);
            running.runtime.block_on(running.node.hand_over());
        }
        leader == 0
    });
    let mismatch = || group.member(0).node.metrics().root_mismatch.get();
    wait_until("the difference is noticed", || mismatch() == 1);
    assert_eq!(status(&group, 0).diverged_at, None);
    group.start_member(2);
    wait_until("the false leader is told", || status(&group, 0).diverged_at.is_some());
    wait_until("another member leads", || group.leader() != 0);
    assert_only_diverged(&group, 0);
    assert_repaired(&group, 0);
}

#[test]
fn a_damaged_row_is_found_by_the_scrub() {
    let limits = Limits { scrub_pause: Duration::from_millis(50), ..Limits::default() };
    let mut group = Group::start(1, limits);
    group.leader();
    for at in 0..10 {
        group.create(0, &format!("cm-{at}")).expect("written");
    }
    let passes = |group: &Group| group.member(0).node.metrics().scrub_passes.get();
    wait_until("a pass ends", || passes(&group) > 1);
    assert_eq!(group.member(0).node.metrics().scrub_damaged.get(), 0);
    group.stop(0);
    // An old version, which starting does not read.
    let store = RedbStore::open(group.data_dir(0).join("state.redb"), StoreOptions::new("test"));
    let mut batch = WriteBatch::default();
    batch.put(Table::Versions, 0_u64.to_be_bytes().to_vec(), &b"damaged"[..]);
    store.expect("opens").commit(batch).expect("commits");
    group.start_member(0);
    wait_until("the row is found", || group.member(0).node.metrics().scrub_damaged.get() > 0);
}
