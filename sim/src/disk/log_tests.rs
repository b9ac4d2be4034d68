//! The write-ahead log over the disk: whatever operation the member dies at, the log opens again, and
//! what it has acknowledged is there.

use super::SimDisk;
use reddwarf_raft::RaftMetrics;
use reddwarf_raft::inspect::log_files;
use reddwarf_raft::types::Vote;
use reddwarf_raft::wal::{Mode, Wal, WalOpenError, WalOptions};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tempfile::TempDir;

/// Small ones, so that some are filled.
const SEGMENT_BYTES: u64 = 2_048;
const VOTES: u64 = 150;
/// Votes after which the writer notes what is synced.
const ROUND: u64 = 7;

struct Member {
    disk: SimDisk,
    _place: TempDir,
    /// The term of the vote that was acknowledged last.
    durable: Arc<AtomicU64>,
}

impl Member {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        let disk = SimDisk::new(place.path().join("member"), Box::new(|| ()));
        Member { disk, _place: place, durable: Arc::default() }
    }

    fn open(&self) -> Result<Wal, WalOpenError> {
        let options = WalOptions {
            dir: self.disk.folder().join("wal"),
            segment_bytes: SEGMENT_BYTES,
            cache_bytes: 2_000,
        };
        let disk = Arc::new(self.disk.clone());
        Wal::open(options, disk, Mode::Inline, RaftMetrics::default())
    }

    fn live(&self) -> Result<(), WalOpenError> {
        let wal = self.open()?;
        for term in 1..=VOTES {
            let durable = self.durable.clone();
            let done = move |result: std::io::Result<()>| {
                if result.is_ok() {
                    durable.store(term, Ordering::Relaxed);
                }
            };
            wal.save_vote(Vote::new(term, 1), Box::new(done));
            if term % ROUND == 0 {
                wal.flush(Box::new(|_| ()));
            }
        }
        Ok(())
    }

    fn check(&self) -> u64 {
        let wal = self.open().expect("opens");
        let found = wal.vote().map_or(0, |vote| vote.leader_id.term);
        assert!(found >= self.durable.load(Ordering::Relaxed), "{found} found");
        found
    }
}

#[test]
fn the_member_may_die_at_any_operation() {
    let member = Member::new();
    let before = member.disk.operations();
    member.live().expect("nothing fails");
    assert_eq!(member.durable.load(Ordering::Relaxed), VOTES);
    let operations = member.disk.operations() - before;
    assert!(operations > 2 * VOTES, "{operations}");
    let segments = std::fs::read_dir(member.disk.folder().join("wal")).expect("reads");
    let names =
        segments.map(|entry| entry.expect("reads").file_name().into_string().expect("text"));
    assert!(names.filter(|name| name.ends_with(".wal")).count() > 2);

    let (mut lost, mut kept) = (0, 0);
    let mut seen = BTreeSet::new();
    for point in 1..=operations {
        for seed in 0..4 {
            let member = Member::new();
            member.disk.crash_at(point);
            // Nobody is told more than the acknowledgements say.
            drop(member.live());
            assert!(member.disk.is_dead(), "operation {point}");
            member.disk.revive(point * 4 + seed).expect("goes on");
            let found = member.check();
            match found - member.durable.load(Ordering::Relaxed) {
                0 => lost += 1,
                _ => kept += 1,
            }
            seen.insert(found);
        }
    }
    assert_eq!(seen, (0..=VOTES).collect());
    assert!(lost > 100 && kept > 50, "what was not synced: {lost} lost, {kept} kept");
}

#[test]
fn what_a_failed_sync_has_left_in_memory_is_not_trusted() {
    const BEFORE: u64 = 10;
    let mut shown = 0;
    for seed in 0..40 {
        let member = Member::new();
        let wal = member.open().expect("a new log");
        let save = |wal: &Wal, term: u64, expected: bool| {
            let done = move |result: std::io::Result<()>| assert_eq!(result.is_ok(), expected);
            wal.save_vote(Vote::new(term, 1), Box::new(done));
        };
        (1..=BEFORE).for_each(|term| save(&wal, term, true));
        member.disk.fail_next_sync(seed);
        save(&wal, BEFORE + 1, false);
        drop(wal);
        // The next process sees what the system still shows, and goes on from there.
        let wal = member.open().expect("opens");
        let found = wal.vote().expect("a vote").leader_id.term;
        assert!(found == BEFORE || found == BEFORE + 1, "{found}");
        shown += u64::from(found > BEFORE);
        save(&wal, found + 1, true);
        drop(wal);
        member.disk.crash(seed).expect("goes on");
        let wal = member.open().expect("nothing below a mark is missing");
        assert_eq!(wal.vote().expect("a vote").leader_id.term, found + 1);
    }
    assert!(shown > 5, "the system shows what it lost: {shown} times");
}

#[test]
fn a_byte_that_changes_below_a_mark_is_noticed() {
    let member = Member::new();
    member.live().expect("nothing fails");
    let folder = member.disk.folder();
    let files = log_files(&folder.join("wal")).expect("lists");
    assert!(files.len() > 2 && files.iter().all(|(_, marked)| *marked > 0), "{files:?}");
    for (path, marked) in files {
        let file = path.strip_prefix(&folder).expect("below it");
        for at in (0..marked).step_by(3) {
            let flip = |bytes: &[u8]| vec![(at, vec![bytes[at as usize] ^ (1 << (at % 8))])];
            member.disk.rot(file, flip).expect("changes");
            let opened = member.open().map(drop);
            assert!(matches!(opened, Err(WalOpenError::Damaged { .. })), "{at} {opened:?}");
            member.disk.rot(file, flip).expect("changes back");
        }
    }
    assert_eq!(member.check(), VOTES);
}
