//! Crashes and failures at every point: what is reopened is a prefix of what was applied, and
//! nothing that was reported durable is missing.

use crate::faulty_disk::FaultyDisk;
use crate::workload::{roots, step};
use crate::{
    Durable, InlinePersister, KvStore, OpenError, Persist, PersistBatch, Persister,
    PersisterLimits, RedbStore, StoreOptions, load, read_checkpoint,
};
use redb::Database;
use reddwarf_versioning::{EntryContext, State, WindowLimits};
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const CACHE_BYTES: usize = 256 * 1024;
/// Longer than a transaction takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

fn try_open(disk: &FaultyDisk) -> Result<Arc<RedbStore>, OpenError> {
    let disk = disk.clone();
    let opener = move |_: &std::path::Path, _| {
        Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(disk.clone())
    };
    let options = StoreOptions::new("test");
    RedbStore::open_with(PathBuf::from("disk"), options, Box::new(opener)).map(Arc::new)
}

fn open(disk: &FaultyDisk) -> Arc<RedbStore> {
    try_open(disk).expect("the disk's file opens")
}

fn new_disk() -> FaultyDisk {
    let disk = FaultyDisk::default();
    drop(open(&disk));
    disk
}

/// Writes entries until one fails; returns the index that was reported durable last.
fn write(store: Arc<dyn KvStore>, state: &mut State, last: u64) -> u64 {
    let durable = Durable::from(&state.checkpoint());
    let persister = InlinePersister::new(store, durable, Arc::new(|_| ()));
    for index in state.applied().index + 1..=last {
        persister.submit(step(state, index));
        if persister.failure().is_some() {
            break;
        }
    }
    persister.durable().applied.index
}

#[test]
fn every_crash_point_leaves_a_prefix() {
    const LAST: u64 = 14;
    let roots = roots(LAST);
    let disk = new_disk();
    disk.fail(0..0, ErrorKind::Other);
    assert_eq!(write(open(&disk), &mut State::new(), LAST), LAST);
    let operations = disk.operations();
    assert!(operations > 100, "{operations}");

    let empty = new_disk();
    let mut seen = std::collections::BTreeSet::new();
    for point in 1..=operations {
        let disk = empty.crash(0);
        disk.fail(point..u64::MAX, ErrorKind::Other);
        // Opening is part of the run; a failure there means that nothing was written.
        let durable = try_open(&disk).map_or(0, |store| write(store, &mut State::new(), LAST));
        let disk = disk.crash(point);
        let store = open(&disk);
        let loaded = load(store.as_ref(), WindowLimits::default()).expect("a whole state");
        let index = loaded.checkpoint.applied.index;
        assert!(index >= durable, "crash at {point}: {index} found, {durable} reported durable");
        assert_eq!(loaded.state.root(), roots[index as usize], "crash at {point}");
        seen.insert(index);

        // The log is replayed from there, and the file takes it.
        let mut state = loaded.state;
        assert_eq!(write(store, &mut state, LAST), LAST);
        assert_eq!(state.root(), roots[LAST as usize]);
    }
    assert!(seen.len() as u64 > LAST / 2, "{seen:?}");
}

#[test]
fn a_full_disk_is_waited_out() {
    const LAST: u64 = 20;
    let disk = new_disk();
    let store = open(&disk);
    let limits = PersisterLimits { gather: Duration::ZERO, ..Default::default() };
    let hook = Arc::new(|_| ());
    let persister =
        Persister::start(store.clone(), Durable::default(), limits, hook).expect("a thread");
    disk.fail(10..20, ErrorKind::StorageFull);
    let mut state = State::new();
    for index in 1..=LAST {
        persister.submit(step(&mut state, index));
    }
    assert_eq!(persister.flush().expect("room came").applied.index, LAST);
    assert!(disk.operations() > 20);
    let loaded = load(store.as_ref(), WindowLimits::default()).expect("a whole state");
    assert_eq!(loaded.state.root(), roots(LAST)[LAST as usize]);
}

#[test]
fn another_failure_is_final() {
    let disk = new_disk();
    let store = open(&disk);
    disk.fail(1..u64::MAX, ErrorKind::Other);
    let called = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let flag = called.clone();
    let hook = Arc::new(move |_| flag.store(true, std::sync::atomic::Ordering::SeqCst));
    let persister =
        Persister::start(store, Durable::default(), PersisterLimits::default(), hook).expect("ok");
    persister.submit(step(&mut State::new(), 1));
    assert!(persister.flush().is_err());
    assert!(persister.failure().is_some());
    assert_eq!(persister.durable().applied.index, 0);
    persister.shutdown();
    assert!(called.load(std::sync::atomic::Ordering::SeqCst));
}

#[test]
fn another_file_ends_a_failure() {
    let disk = new_disk();
    let store = open(&disk);
    disk.fail(1..u64::MAX, ErrorKind::InvalidData);
    let hook = Arc::new(|_| ());
    let limits = PersisterLimits::default();
    let persister =
        Persister::start(store.clone(), Durable::default(), limits, hook).expect("a thread");
    let mut state = State::new();
    persister.submit(step(&mut state, 1));
    assert!(persister.flush().expect_err("it fails").is_damage());
    // What is submitted meanwhile is dropped: the log has it.
    persister.submit(step(&mut state, 2));
    disk.fail(0..0, ErrorKind::InvalidData);
    let checkpoint = state.checkpoint();
    let swap = &mut || store.reopen().map(|()| checkpoint.clone());
    assert_eq!(persister.install(swap).expect("another file").applied.index, 2);
    assert!(persister.failure().is_none());
    persister.submit(step(&mut state, 3));
    assert_eq!(persister.flush().expect("it is waited for no more").applied.index, 3);
}

#[test]
fn a_flush_waits_for_entry_zero_alone() {
    let disk = new_disk();
    let store = open(&disk);
    let hook = Arc::new(|_| ());
    let limits = PersisterLimits::default();
    let persister =
        Persister::start(store.clone(), Durable::default(), limits, hook).expect("a thread");
    let mut state = State::new();
    let entry = EntryContext::default();
    state.set_membership(entry, bytes::Bytes::from_static(b"members")).expect("applied");
    persister.submit(PersistBatch { applied: Vec::new(), checkpoint: state.checkpoint() });
    assert_eq!(persister.flush().expect("durable").membership, "members");
    assert_eq!(read_checkpoint(store.as_ref()).expect("reads").membership, "members");
}

#[test]
fn what_is_hastened_is_not_gathered() {
    let store = open(&new_disk());
    let (told, progress) = std::sync::mpsc::channel();
    let hook = Arc::new(move |_| told.send(()).unwrap_or_default());
    let limits = PersisterLimits { gather: Duration::from_secs(3_600), ..Default::default() };
    let persister = Persister::start(store, Durable::default(), limits, hook).expect("a thread");
    let mut state = State::new();
    // The first transaction has nothing before it to keep a distance from.
    persister.submit(step(&mut state, 1));
    progress.recv_timeout(PATIENCE).expect("written");
    persister.submit(step(&mut state, 2));
    persister.hasten();
    progress.recv_timeout(PATIENCE).expect("written without gathering");
    assert_eq!(persister.durable().applied.index, 2);
}
