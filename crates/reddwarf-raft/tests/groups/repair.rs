//! Members whose state is damaged make it anew: from their log, or from another member.

use crate::group::{Group, key};
use reddwarf_core::BranchId;
use reddwarf_raft::status::MemberStatus;
use reddwarf_raft::wal::{FileDisk, Mode, Wal, WalOptions};
use reddwarf_raft::{Limits, RaftMetrics};
use reddwarf_storage::rows::history_key;
use reddwarf_storage::{KvStore, RedbStore, StoreOptions, Table, WriteBatch, damaged_copy};
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn wait_until(what: &str, mut check: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !check() {
        assert!(Instant::now() < deadline, "not in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn status(group: &Group, at: usize) -> MemberStatus {
    let running = group.member(at);
    let status = running.runtime.block_on(running.node.status());
    status.members[at].status.clone()
}

fn state(group: &Group, at: usize) -> PathBuf {
    group.data_dir(at).join("state.redb")
}

fn create_many(group: &Group, at: usize, count: usize) {
    for n in 0..count {
        group.create(at, &format!("cm-{n}")).expect("written");
    }
}

/// Overwrites most of the stopped member's state.
fn ruin(group: &Group, at: usize) {
    let mut bytes = fs::read(state(group, at)).expect("reads");
    let range = bytes.len() / 8..bytes.len() * 7 / 8;
    bytes[range].iter_mut().for_each(|byte| *byte ^= 0x55);
    fs::write(state(group, at), bytes).expect("writes");
}

/// What the stopped member's log does not hold any more.
fn purged(group: &Group, at: usize) -> Option<u64> {
    let dir = group.data_dir(at).join("wal");
    let options = WalOptions { dir, segment_bytes: 16 << 20, cache_bytes: 1 << 20 };
    let wal = Wal::open(options, Arc::new(FileDisk), Mode::Inline, RaftMetrics::default());
    wal.expect("opens").state().0.map(|id| id.index())
}

/// Limits with which a log keeps next to nothing.
fn short_logs() -> Limits {
    Limits { snapshot_wal_bytes: 1, log_keep_bytes: 1, ..Limits::default() }
}

/// Fills the group until the logs of the members were purged.
fn fill(group: &mut Group, at: usize) {
    let leader = group.leader();
    for round in 0..20 {
        for n in 0..10 {
            group.create(leader, &format!("cm-{round}-{n}")).expect("written");
        }
        // The log is looked at every second: one look makes a snapshot, another one purges.
        std::thread::sleep(Duration::from_millis(2_300));
        group.barrier(at);
        group.stop(at);
        if purged(group, at).is_some() {
            return;
        }
        group.start_member(at);
    }
    panic!("the log is not purged");
}

fn assert_whole(group: &Group, at: usize, names: &[&str]) {
    wait_until("the state is confirmed", || status(group, at).trouble.is_none());
    group.barrier(at);
    names.iter().for_each(|name| assert!(group.has(at, name), "{name}"));
    group.assert_same_roots();
    let running = group.member(at);
    assert_eq!(running.node.metrics().quarantined.get(), 0);
    let verified = running.runtime.block_on(running.node.verify(None)).expect("reads");
    assert_eq!(verified.problems, Vec::<String>::new());
}

#[test]
fn a_group_of_one_makes_its_state_anew_from_a_whole_log() {
    let mut group = Group::start(1, Limits::default());
    group.leader();
    create_many(&group, 0, 30);
    group.stop(0);
    ruin(&group, 0);
    let ruined = fs::read(state(&group, 0)).expect("reads");
    group.start_member(0);
    group.leader();
    assert_whole(&group, 0, &["cm-0", "cm-29"]);
    assert_eq!(group.member(0).node.metrics().repairs.get(), 1);
    assert_eq!(fs::read(damaged_copy(&state(&group, 0))).expect("kept").len(), ruined.len());
}

#[test]
fn a_state_whose_log_was_purged_is_fetched() {
    let mut group = Group::start(3, short_logs());
    let at = (group.leader() + 1) % 3;
    group.create(at, "before").expect("written");
    fill(&mut group, at);
    ruin(&group, at);
    let other = group.leader();
    group.create(other, "meanwhile").expect("the others go on");
    group.start_member(at);
    assert_whole(&group, at, &["before", "meanwhile", "cm-0-0"]);
    assert_eq!(group.member(at).node.metrics().repairs.get(), 1);
    assert!(damaged_copy(&state(&group, at)).is_file());
    group.create(at, "after").expect("it takes writes");
}

#[test]
fn an_older_copy_of_the_state_is_replaced() {
    let mut group = Group::start(3, short_logs());
    let at = (group.leader() + 1) % 3;
    group.create(at, "before").expect("written");
    group.barrier(at);
    group.stop(at);
    let older = fs::read(state(&group, at)).expect("reads");
    group.start_member(at);
    fill(&mut group, at);
    fs::write(state(&group, at), older).expect("writes");
    group.start_member(at);
    assert_whole(&group, at, &["before", "cm-0-0"]);
}

#[test]
fn a_member_without_others_says_what_is_wrong() {
    let mut group = Group::start(1, short_logs());
    fill(&mut group, 0);
    ruin(&group, 0);
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let refused = runtime.block_on(reddwarf_raft::Node::start(group.config(0)));
    let said = refused.err().expect("refused").to_string();
    assert!(said.contains("state.redb") && said.contains("damaged"), "{said}");
}

#[test]
fn a_damaged_row_is_repaired_while_the_member_serves() {
    let limits = Limits { scrub_pause: Duration::from_millis(50), ..Limits::default() };
    let mut group = Group::start(3, limits);
    let at = (group.leader() + 1) % 3;
    group.create(at, "before").expect("written");
    create_many(&group, at, 10);
    group.barrier(at);
    group.stop(at);
    // An old version, which starting does not read.
    let store = RedbStore::open(state(&group, at), StoreOptions::new("test")).expect("opens");
    let mut batch = WriteBatch::default();
    batch.put(Table::Versions, 0_u64.to_be_bytes().to_vec(), &b"damaged"[..]);
    store.commit(batch).expect("commits");
    drop(store);
    group.start_member(at);
    wait_until("the row is found", || group.member(at).node.metrics().scrub_damaged.get() > 0);
    group.barrier(at);
    let trouble = status(&group, at).trouble.expect("it is told");
    assert!(trouble.contains("damaged row") && !status(&group, at).quarantined, "{trouble}");
    wait_until("the file is replaced", || group.member(at).node.metrics().repairs.get() == 1);
    assert_whole(&group, at, &["before", "cm-9"]);
    let found = group.member(at).node.metrics().scrub_damaged.get();
    let passes = group.member(at).node.metrics().scrub_passes.get();
    wait_until("two passes end", || {
        group.member(at).node.metrics().scrub_passes.get() > passes + 1
    });
    assert_eq!(group.member(at).node.metrics().scrub_damaged.get(), found, "none is left");
}

#[test]
fn a_damaged_row_that_is_read_is_repaired() {
    let limits = Limits { repair_pause: Duration::ZERO, ..Limits::default() };
    let mut group = Group::start(3, limits);
    let at = (group.leader() + 1) % 3;
    let written = group.create(at, "before").expect("written");
    let object = key("before");
    group.barrier(at);
    group.stop(at);
    // Neither a start nor reads of the present look at it.
    let row = history_key(BranchId::MAIN, &object, written.last);
    let store = RedbStore::open(state(&group, at), StoreOptions::new("test")).expect("opens");
    let mut batch = WriteBatch::default();
    batch.put(Table::History, row, &b"P1234"[..]);
    store.commit(batch).expect("commits");
    drop(store);
    group.start_member(at);
    group.barrier(at);
    let read = || {
        let running = group.member(at);
        let history = running.node.history();
        let found = history.object_at(BranchId::MAIN, &object, written.last);
        running.runtime.block_on(found).is_ok_and(|found| found.is_some())
    };
    assert!(!read(), "the row is damaged");
    wait_until("the file is replaced", || group.member(at).node.metrics().repairs.get() == 1);
    assert!(read(), "the new file has the row");
    assert_whole(&group, at, &["before"]);
}

#[test]
fn a_file_that_is_ruined_under_a_running_member_is_replaced() {
    // Without a cache every page is read from the file.
    let repair_pause = Duration::ZERO;
    let limits = Limits { repair_pause, store_cache_bytes: 0, ..Limits::default() };
    let mut group = Group::start(3, limits);
    let at = (group.leader() + 1) % 3;
    group.create(at, "before").expect("written");
    create_many(&group, at, 200);
    group.barrier(at);
    let file = fs::OpenOptions::new().read(true).write(true).open(state(&group, at));
    let file = file.expect("opens");
    let length = file.metadata().expect("reads").len();
    // All but the header, in the file that the member has open.
    file.write_all_at(&vec![0x55; length as usize - 4096], 4096).expect("writes");
    let leader = group.leader();
    let mut n = 0;
    wait_until("the file is replaced", || {
        n += 1;
        group.create(leader, &format!("later-{n}")).expect("the others go on");
        group.member(at).node.metrics().repairs.get() > 0
    });
    assert_whole(&group, at, &["before", "cm-199", "later-1", &format!("later-{n}")]);
    group.create(at, "after").expect("it takes writes");
    group.stop(at);
    group.start_member(at);
    assert_whole(&group, at, &["before", "cm-199", "after"]);
    assert_eq!(group.member(at).node.metrics().repairs.get(), 0, "the new file is whole");
}

#[test]
fn flipped_bits_are_survived_wherever_they_are() {
    let limits = Limits { repair_pause: Duration::ZERO, ..Limits::default() };
    let mut group = Group::start(3, limits);
    let at = (group.leader() + 1) % 3;
    group.create(at, "before").expect("written");
    create_many(&group, at, 60);
    let mut repairs = 0;
    for seed in 1..=12_u64 {
        group.barrier(at);
        group.stop(at);
        flip(&state(&group, at), seed);
        group.start_member(at);
        wait_until("the state is confirmed", || status(&group, at).trouble.is_none());
        group.create(at, &format!("seed-{seed}")).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        group.barrier(at);
        assert!(group.has(at, "before") && group.has(at, &format!("seed-{seed}")), "seed {seed}");
        group.assert_same_roots();
        repairs += group.member(at).node.metrics().repairs.get();
    }
    assert!(repairs > 0, "some of it was noticed");
}

/// Flips a bit in some of the blocks that hold something, the first ones among them.
fn flip(path: &std::path::Path, seed: u64) {
    let mut bytes = fs::read(path).expect("reads");
    let mut random = seed;
    let mut next = |below: usize| {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        (random >> 33) as usize % below
    };
    let full = |bytes: &[u8], at: usize| bytes[at..at + 512].iter().any(|byte| *byte != 0);
    let used: Vec<usize> =
        (0..bytes.len() - 511).step_by(512).filter(|at| full(&bytes, *at)).collect();
    for _ in 0..seed {
        let at = used[next(used.len())] + next(512);
        bytes[at] ^= 1 << next(8);
    }
    if seed.is_multiple_of(4) {
        bytes[next(320)] ^= 1 << next(8);
    }
    fs::write(path, bytes).expect("writes");
}
