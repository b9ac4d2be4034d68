//! Crashes and damage: every prefix of a write recovers, every loss below a sync is noticed.

use super::*;
use crate::data::LogData;
use crate::environment::Pace;
use crate::types::log_id;
use openraft::EntryPayload;
use proptest::prelude::*;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use tokio::sync::oneshot;

fn options(dir: &Path, segment_bytes: u64) -> WalOptions {
    WalOptions { dir: dir.to_owned(), segment_bytes, cache_bytes: 2_000 }
}

fn open_in(dir: &Path, segment_bytes: u64) -> Result<Wal, WalOpenError> {
    let disk = Arc::new(FileDisk);
    Wal::open(options(dir, segment_bytes), disk, Mode::Inline, RaftMetrics::default())
}

fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let data = LogData::from_bytes(vec![index as u8; bytes].into());
    Entry::new(log_id(term, index), EntryPayload::Normal(data))
}

fn acknowledged() -> Done {
    Box::new(|result| result.expect("durable"))
}

fn indexes(wal: &Wal) -> Vec<u64> {
    let read = wal.read(0..u64::MAX).expect("reads");
    read.iter().map(|entry| entry.index()).collect()
}

#[test]
fn everything_survives_reopening_over_many_segments() {
    let dir = tempfile::tempdir().expect("tempdir");
    let wal = open_in(dir.path(), 4096).expect("opens");
    for index in 0..100 {
        wal.append(vec![entry(1, index, 300)], acknowledged()).expect("appends");
    }
    wal.save_vote(Vote::new(7, 3), acknowledged());
    wal.truncate_after(Some(89));
    wal.append(vec![entry(2, 90, 9_000)], acknowledged()).expect("appends");
    wal.save_committed(Some(log_id(1, 80)));
    wal.purge(log_id(1, 49));
    drop(wal);
    let segments = segment::list(dir.path()).expect("lists");
    assert!(segments[0] > 1, "purged segments are removed: {segments:?}");
    let wal = open_in(dir.path(), 4096).expect("opens");
    assert_eq!(indexes(&wal), (50..=90).collect::<Vec<_>>());
    assert_eq!(wal.state(), (Some(log_id(1, 49)), Some(log_id(2, 90))));
    assert_eq!(wal.vote(), Some(Vote::new(7, 3)));
    assert_eq!(wal.read(90..91).expect("reads"), vec![entry(2, 90, 9_000)]);
    wal.append(vec![entry(2, 91, 10)], acknowledged()).expect("appends");
}

#[test]
fn a_purge_beyond_the_end_is_accepted() {
    let dir = tempfile::tempdir().expect("tempdir");
    let wal = open_in(dir.path(), 4096).expect("opens");
    wal.append(vec![entry(1, 0, 10), entry(1, 1, 10)], acknowledged()).expect("appends");
    wal.purge(log_id(3, 40));
    assert_eq!(wal.state(), (Some(log_id(3, 40)), Some(log_id(3, 40))));
    wal.append(vec![entry(3, 41, 10)], acknowledged()).expect("appends");
    drop(wal);
    let wal = open_in(dir.path(), 4096).expect("opens");
    assert_eq!(indexes(&wal), vec![41]);
    assert!(wal.append(vec![entry(3, 43, 10)], acknowledged()).is_err(), "no hole");
}

#[test]
fn every_prefix_of_a_write_recovers() {
    let dir = tempfile::tempdir().expect("tempdir");
    let wal = open_in(dir.path(), 4096).expect("opens");
    wal.append(vec![entry(1, 0, 40)], acknowledged()).expect("appends");
    wal.append(vec![entry(1, 1, 40)], acknowledged()).expect("appends");
    let before = wal.written_bytes() as usize + segment::SEGMENT_HEADER_BYTES as usize;
    wal.append(vec![entry(1, 2, 60), entry(1, 3, 60)], acknowledged()).expect("appends");
    let after = wal.written_bytes() as usize + segment::SEGMENT_HEADER_BYTES as usize;
    drop(wal);
    let path = segment::path(dir.path(), 1);
    let whole = std::fs::read(&path).expect("reads");
    for end in before..=after {
        let mut torn = whole.clone();
        torn[end..].fill(0);
        std::fs::write(&path, &torn).expect("writes");
        let wal = open_in(dir.path(), 4096).expect("a torn write recovers");
        let found = indexes(&wal);
        assert!(found == [0, 1] || found == [0, 1, 2] || found == [0, 1, 2, 3], "{end}: {found:?}");
        let next = found.len() as u64;
        wal.append(vec![entry(2, next, 5)], acknowledged()).expect("appends after a cut");
        drop(wal);
        let wal = open_in(dir.path(), 4096).expect("opens after a cut");
        assert_eq!(indexes(&wal).last(), Some(&next));
    }
}

#[test]
fn a_missing_segment_is_damage() {
    let dir = tempfile::tempdir().expect("tempdir");
    let wal = open_in(dir.path(), 4096).expect("opens");
    for index in 0..50 {
        wal.append(vec![entry(1, index, 300)], acknowledged()).expect("appends");
    }
    drop(wal);
    std::fs::remove_file(segment::path(dir.path(), 2)).expect("removes");
    assert!(matches!(open_in(dir.path(), 4096), Err(WalOpenError::Damaged { .. })));
}

#[test]
fn the_loss_of_the_newest_segment_is_damage() {
    let dir = tempfile::tempdir().expect("tempdir");
    let wal = open_in(dir.path(), 4096).expect("opens");
    for index in 0..50 {
        wal.append(vec![entry(1, index, 300)], acknowledged()).expect("appends");
    }
    drop(wal);
    let segments = segment::list(dir.path()).expect("lists");
    let newest = *segments.last().expect("some");
    assert_eq!(segment::newest(dir.path()).expect("lists"), Some(newest));
    drop(open_in(dir.path(), 4096).expect("opens as it is"));
    for lost in [vec![newest], segments] {
        for sequence in lost {
            let _ = std::fs::remove_file(segment::path(dir.path(), sequence));
        }
        assert!(matches!(open_in(dir.path(), 4096), Err(WalOpenError::Damaged { .. })));
    }
}

#[test]
fn a_file_that_was_cut_short_is_damage() {
    let dir = tempfile::tempdir().expect("tempdir");
    let wal = open_in(dir.path(), 4096).expect("opens");
    for index in 0..20 {
        wal.append(vec![entry(1, index, 300)], acknowledged()).expect("appends");
    }
    wal.append(vec![entry(1, 20, 9_000)], acknowledged()).expect("a segment of its own size");
    drop(wal);
    for sequence in segment::list(dir.path()).expect("lists") {
        let path = segment::path(dir.path(), sequence);
        let whole = std::fs::read(&path).expect("reads");
        for len in [whole.len() - 1, whole.len() / 2, segment::SEGMENT_HEADER_BYTES as usize] {
            std::fs::write(&path, &whole[..len]).expect("writes");
            let opened = open_in(dir.path(), 4096);
            assert!(matches!(opened, Err(WalOpenError::Damaged { .. })), "{sequence}: {len}");
        }
        std::fs::write(&path, &whole).expect("writes");
        drop(open_in(dir.path(), 4096).expect("opens whole"));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn damage_below_a_sync_is_noticed(at: prop::sample::Index, bit in 0u8..8) {
        let dir = tempfile::tempdir().expect("tempdir");
        let wal = open_in(dir.path(), 4096).expect("opens");
        for index in 0..20 {
            wal.append(vec![entry(1, index, 100)], acknowledged()).expect("appends");
        }
        let synced = wal.written_bytes() as usize;
        wal.append(vec![entry(1, 20, 1)], acknowledged()).expect("appends");
        drop(wal);
        let path = segment::path(dir.path(), 1);
        let mut bytes = std::fs::read(&path).expect("reads");
        let at = at.index(synced);
        bytes[at] ^= 1 << bit;
        std::fs::write(&path, &bytes).expect("writes");
        let opened = open_in(dir.path(), 4096);
        prop_assert!(matches!(opened, Err(WalOpenError::Damaged { .. })), "damage at {at} passed");
    }

    #[test]
    fn damage_at_the_end_never_panics(from in 32usize..4096, bytes: Vec<u8>) {
        let dir = tempfile::tempdir().expect("tempdir");
        drop(open_in(dir.path(), 4096).expect("opens"));
        let path = segment::path(dir.path(), 1);
        let mut whole = std::fs::read(&path).expect("reads");
        let end = whole.len().min(from + bytes.len());
        whole[from..end].copy_from_slice(&bytes[..end - from]);
        std::fs::write(&path, &whole).expect("writes");
        let _ = open_in(dir.path(), 4096);
    }
}

/// A disk with room for so many preallocations, whose syncs may fail.
#[derive(Default)]
struct FaultyDisk {
    room: AtomicUsize,
    sync_fails: AtomicBool,
}

impl Disk for FaultyDisk {
    fn preallocate(&self, path: &Path, len: u64) -> io::Result<std::fs::File> {
        if len == 0 {
            return FileDisk.preallocate(path, len);
        }
        let taken =
            self.room.fetch_update(Ordering::AcqRel, Ordering::Acquire, |room| room.checked_sub(1));
        if taken.is_err() {
            return Err(io::Error::from(io::ErrorKind::StorageFull));
        }
        FileDisk.preallocate(path, len)
    }

    fn write_at(&self, file: &std::fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        FileDisk.write_at(file, offset, bytes)
    }

    fn sync(&self, file: &std::fs::File) -> io::Result<()> {
        if self.sync_fails.load(Ordering::Acquire) {
            return Err(io::Error::other("sync failed"));
        }
        FileDisk.sync(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        FileDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        FileDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        FileDisk.sync_dir(dir)
    }
}

#[test]
fn a_full_disk_holds_callbacks_until_there_is_room() {
    let dir = tempfile::tempdir().expect("tempdir");
    let disk = Arc::new(FaultyDisk { room: AtomicUsize::new(2), ..FaultyDisk::default() });
    let wal = Wal::open(
        options(dir.path(), 4096),
        Arc::clone(&disk) as Arc<dyn Disk>,
        Mode::Thread,
        RaftMetrics::default(),
    )
    .expect("opens");
    let (sender, receiver) = std::sync::mpsc::channel();
    for index in 0..2 {
        let sender = sender.clone();
        let done = Box::new(move |result: io::Result<()>| {
            let _ = sender.send((index, result.is_ok()));
        });
        wal.append(vec![entry(1, index, 6_000)], done).expect("appends");
        if index < 1 {
            assert_eq!(receiver.recv().expect("answers"), (index, true));
        }
    }
    assert!(receiver.recv_timeout(std::time::Duration::from_millis(250)).is_err(), "held");
    assert!(wal.low_on_space());
    disk.room.store(10, Ordering::Release);
    assert_eq!(receiver.recv().expect("answers"), (1, true));
    wal.append(vec![entry(1, 2, 10)], acknowledged()).expect("appends");
    let (sender, receiver) = std::sync::mpsc::channel();
    wal.flush(Box::new(move |result| {
        let _ = sender.send(result.is_ok());
    }));
    assert!(receiver.recv().expect("answers"));
    drop(wal);
    let wal = open_in(dir.path(), 4096).expect("opens");
    assert_eq!(indexes(&wal), vec![0, 1, 2]);
}

#[test]
fn a_failed_sync_is_final() {
    let dir = tempfile::tempdir().expect("tempdir");
    let disk = Arc::new(FaultyDisk { room: AtomicUsize::new(9), ..FaultyDisk::default() });
    let shared = Arc::clone(&disk) as Arc<dyn Disk>;
    let wal = Wal::open(options(dir.path(), 4096), shared, Mode::Inline, RaftMetrics::default())
        .expect("opens");
    disk.sync_fails.store(true, Ordering::Release);
    wal.append(vec![entry(1, 0, 10)], Box::new(|r| assert!(r.is_err()))).expect("appends");
    disk.sync_fails.store(false, Ordering::Release);
    assert!(wal.failed());
    wal.append(vec![entry(1, 1, 10)], Box::new(|r| assert!(r.is_err()))).expect("appends");
}

/// A disk that takes so long for each batch.
struct Paced(Duration);

impl Pace for Paced {
    fn log(&self) -> Duration {
        self.0
    }

    fn state(&self) -> Duration {
        Duration::ZERO
    }

    fn other(&self) -> Duration {
        Duration::ZERO
    }
}

fn open_paced(dir: &Path, disk: &Arc<FaultyDisk>) -> Wal {
    let mode = Mode::Task(Arc::new(Paced(PACE)));
    let disk = Arc::clone(disk) as Arc<dyn Disk>;
    Wal::open(options(dir, 4096), disk, mode, RaftMetrics::default()).expect("opens")
}

const PACE: Duration = Duration::from_millis(10);

fn answered() -> (Done, oneshot::Receiver<bool>) {
    let (told, answer) = oneshot::channel();
    let done = move |result: io::Result<()>| {
        let _ = told.send(result.is_ok());
    };
    (Box::new(done), answer)
}

#[tokio::test(start_paused = true)]
async fn a_task_takes_what_waits_at_its_pace_and_waits_for_room() {
    let dir = tempfile::tempdir().expect("tempdir");
    let disk = Arc::new(FaultyDisk { room: AtomicUsize::new(2), ..FaultyDisk::default() });
    let wal = open_paced(dir.path(), &disk);
    let began = tokio::time::Instant::now();
    let [(first, one), (second, two)] = [answered(), answered()];
    wal.append(vec![entry(1, 0, 100)], first).expect("appends");
    wal.save_vote(Vote::new(2, 1), second);
    assert_eq!(wal.durable(), (None, None));
    assert!(one.await.expect("answers") && two.await.expect("answers"));
    assert_eq!(began.elapsed(), PACE, "one batch");
    assert_eq!(wal.durable(), (Some(0), Some(Vote::new(2, 1))));

    // The first of these goes into the reserve, and there is no room for another one.
    let (done, mut three) = answered();
    wal.append((1..=3).map(|index| entry(1, index, 6_000)).collect(), done).expect("appends");
    let held = tokio::time::timeout(Duration::from_secs(60), &mut three).await;
    assert!(held.is_err() && wal.low_on_space(), "held");
    assert_eq!(wal.durable().0, Some(0));
    disk.room.store(10, Ordering::Release);
    assert!(three.await.expect("answers"));
    assert!(!wal.low_on_space());
    assert_eq!(wal.durable().0, Some(3));
    drop(wal);
    assert_eq!(indexes(&open_in(dir.path(), 4096).expect("opens")), [0, 1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_log_with_a_task_is_gone_at_once_when_it_is_dropped() {
    let dir = tempfile::tempdir().expect("tempdir");
    let disk = Arc::new(FaultyDisk { room: AtomicUsize::new(9), ..FaultyDisk::default() });
    let wal = open_paced(dir.path(), &disk);
    let (done, answer) = answered();
    wal.append(vec![entry(1, 0, 100)], done).expect("appends");
    tokio::task::yield_now().await;
    drop(wal);
    assert!(answer.await.is_err(), "nobody answers");
    assert_eq!(indexes(&open_in(dir.path(), 4096).expect("opens")), [0; 0]);
}

#[test]
fn what_a_killed_process_has_not_synced_is_synced_before_it_is_gone_on_from() {
    let dir = tempfile::tempdir().expect("tempdir");
    drop(open_in(dir.path(), 4096).expect("opens"));
    let disk = FaultyDisk { sync_fails: AtomicBool::new(true), ..FaultyDisk::default() };
    let metrics = RaftMetrics::default();
    let opened = Wal::open(options(dir.path(), 4096), Arc::new(disk), Mode::Inline, metrics);
    assert!(matches!(opened, Err(WalOpenError::Io { attempt: "sync segment", .. })));
}
