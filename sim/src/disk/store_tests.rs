//! A member's state over the disk: whatever operation the member dies at, what is opened again is a
//! prefix of what was applied, and nothing that was reported durable is missing.

use super::SimDisk;
use reddwarf_core::{Change, Collection, ObjectIndex, Proposal, ProposalKind, RequestId, Write};
use reddwarf_storage::{
    Durable, InlinePersister, KvError, KvStore, Persist, PersistBatch, RedbStore, SnapshotReader,
    SnapshotWriter, StoreOptions, Table, WriteBatch, compact, load,
};
use reddwarf_versioning::{EntryContext, State, StateRoot, WindowLimits};
use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// Entries that are written one by one, then the one of a snapshot, then those after it.
const FIRST: u64 = 5;
const SNAPSHOT: u64 = 12;
const LAST: u64 = 15;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn step(state: &mut State, index: u64) -> PersistBatch {
    let key = Collection::new("", "pods").key("ns", &format!("pod-{}", index % 4));
    let content = "x".repeat((index * 131 % 900) as usize);
    let body = format!(r#"{{"metadata":{{"resourceVersion":""}},"n":"{content}"}}"#).into();
    let index_of = ObjectIndex { uid: format!("uid-{index}").into(), ..ObjectIndex::default() };
    let put = Change::Put { key, body, version_offset: 32, index: index_of, salt: None };
    let proposal = Proposal {
        request_id: RequestId(u128::from(index).to_be_bytes()),
        made_at: index - 1,
        kind: ProposalKind::Write(Write { changes: vec![put], ..Write::default() }),
    };
    let entry = EntryContext { index, term: 1, leader: 1 };
    let applied = vec![state.apply(entry, proposal).expect("in order")];
    PersistBatch { applied, checkpoint: state.checkpoint() }
}

/// State roots by index, and the bytes of a snapshot.
struct Expected {
    roots: Vec<StateRoot>,
    snapshot: Vec<u8>,
}

impl Expected {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let store = RedbStore::open(folder.path().join("state.redb"), StoreOptions::new("test"));
        let store = Arc::new(store.expect("opens"));
        let hook = Arc::new(|_| ());
        let persister = InlinePersister::new(store.clone(), Durable::default(), hook);
        let mut state = State::new();
        let (mut roots, mut snapshot) = (vec![state.root()], Vec::new());
        for index in 1..=LAST {
            persister.submit(step(&mut state, index));
            roots.push(state.root());
            if index == SNAPSHOT {
                let mut reader = SnapshotReader::open(store.clone(), "test").expect("opens");
                while let Some(chunk) = reader.next_chunk().expect("reads") {
                    snapshot.extend_from_slice(&chunk);
                }
            }
        }
        Expected { roots, snapshot }
    }
}

struct Member {
    disk: SimDisk,
    place: TempDir,
    /// The index that was reported durable last.
    durable: u64,
}

impl Member {
    fn new() -> Self {
        let place = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(place.path().join("member")).expect("a folder");
        let disk = SimDisk::new(place.path().join("member"), Box::new(|| ()));
        Member { disk, place, durable: 0 }
    }

    fn path(&self) -> PathBuf {
        self.place.path().join("member/state.redb")
    }

    fn open(&self) -> Result<Arc<RedbStore>, Box<dyn Error + Send + Sync>> {
        let options = StoreOptions {
            cache_bytes: 256 * 1024,
            files: Arc::new(self.disk.clone()),
            ..StoreOptions::new("test")
        };
        Ok(Arc::new(RedbStore::open(self.path(), options)?))
    }

    /// Entries, a snapshot in the place of some, entries, and the file anew.
    fn live(&mut self, expected: &Expected) -> Outcome {
        let store = self.open()?;
        let persister = InlinePersister::new(store.clone(), Durable::default(), Arc::new(|_| ()));
        let mut state = State::new();
        self.write(&persister, &mut state, FIRST)?;

        let mut writer = SnapshotWriter::create(store.path(), store.options().clone())?;
        writer.feed(&expected.snapshot)?;
        let received = writer.finish()?;
        self.durable = persister.install(&mut || received.install(&store))?.applied.index;
        let mut state = load(store.as_ref(), WindowLimits::default())?.state;
        self.write(&persister, &mut state, LAST)?;
        compact(&store, &persister, &mut || Ok(()))?;
        Ok(())
    }

    fn write(&mut self, persister: &InlinePersister, state: &mut State, last: u64) -> Outcome {
        for index in state.applied().index + 1..=last {
            persister.submit(step(state, index));
            if let Some(failure) = persister.failure() {
                return Err(failure.into());
            }
            self.durable = persister.durable().applied.index;
        }
        Ok(())
    }

    /// Opens what is there: the index at which it stands.
    fn check(&self, expected: &Expected) -> u64 {
        let store = self.open().expect("opens");
        let loaded = load(store.as_ref(), WindowLimits::default()).expect("a whole state");
        let index = loaded.checkpoint.applied.index;
        assert_eq!(loaded.state.root(), expected.roots[index as usize]);
        index
    }
}

#[test]
fn the_member_may_die_at_any_operation() {
    let expected = Expected::new();
    let mut member = Member::new();
    member.live(&expected).expect("nothing fails");
    let operations = member.disk.operations();
    assert!(operations > 200, "{operations}");
    assert_eq!(member.disk.unsynced_bytes(), 0, "all that is reported durable is synced");

    let mut seen = BTreeSet::new();
    for point in 1..=operations {
        let mut member = Member::new();
        member.disk.crash_at(point);
        let lived = member.live(&expected);
        assert!(member.disk.is_dead(), "operation {point}: {lived:?}");
        member.disk.revive(point).expect("goes on");
        let index = member.check(&expected);
        assert!(
            index >= member.durable,
            "operation {point}: {index} found, {} reported durable",
            member.durable
        );
        seen.insert(index);
    }
    let all = (0..=FIRST).chain(SNAPSHOT..=LAST).collect();
    assert_eq!(seen, all);
}

#[test]
fn a_killed_member_finds_all_that_it_wrote_and_may_lose_it_afterwards() {
    let expected = Expected::new();
    for point in (1..150).step_by(7) {
        let mut member = Member::new();
        member.disk.crash_at(point);
        drop(member.live(&expected));
        member.disk.revive_without_loss().expect("goes on");
        let found = member.check(&expected);
        assert!(found >= member.durable, "operation {point}");
        member.disk.crash(point).expect("crashes");
        assert!(member.check(&expected) >= member.durable, "operation {point}");
    }
}

/// All files of a folder with their bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = std::fs::read_dir(folder).expect("reads").map(|entry| entry.expect("reads"));
    let mut files: Vec<_> = entries
        .map(|entry| (entry.file_name().into(), std::fs::read(entry.path()).expect("reads")))
        .collect();
    files.sort();
    files
}

#[test]
fn one_seed_leaves_one_content() {
    let expected = Expected::new();
    let after = |point, seed| {
        let mut member = Member::new();
        member.disk.crash_at(point);
        drop(member.live(&expected));
        member.disk.revive(seed).expect("goes on");
        files(&member.place.path().join("member"))
    };
    let mut differing = 0;
    for point in [40, 77, 120] {
        for seed in 0..6 {
            assert!(after(point, seed) == after(point, seed), "operation {point}, seed {seed}");
            differing += usize::from(after(point, seed) != after(point, seed + 1));
        }
    }
    assert!(differing > 3, "{differing}");
}

#[test]
fn a_full_disk_is_told_and_loses_nothing() {
    let mut member = Member::new();
    let store = member.open().expect("opens");
    let persister = InlinePersister::new(store.clone(), Durable::default(), Arc::new(|_| ()));
    let mut state = State::new();
    member.write(&persister, &mut state, FIRST).expect("writes");
    member.disk.set_full(true);
    let mut row = WriteBatch::default();
    row.put(Table::CommitIds, b"a row".to_vec(), vec![0; 10]);
    let full = store.commit(row);
    assert!(matches!(full, Err(KvError::Full(_))), "{full:?}");
    member.disk.set_full(false);
    store.reopen().expect("opens");
    member.write(&persister, &mut state, FIRST + 1).expect("there is room again");
    let loaded = load(store.as_ref(), WindowLimits::default()).expect("a whole state");
    assert_eq!(loaded.state.root(), state.root());
}
