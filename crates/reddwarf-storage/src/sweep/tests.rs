//! A file that is swept beside one that is not: above the floors both say the same.

use super::*;
use crate::workload::step;
use crate::{
    Durable, HistoryReader, InlinePersister, Persist, PersistBatch, RedbStore, SnapshotReader,
    SnapshotWriter, StoreOptions, load,
};
use proptest::prelude::*;
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    Change, Collection, CommitRef, Fence, HistoryError, Proposal, ProposalKind, RequestId, Write,
};
use reddwarf_versioning::{EntryContext, State, WindowLimits};
use std::sync::Arc;

const PODS: &str = "/pods/";

struct Group {
    _folder: tempfile::TempDir,
    state: State,
    swept: Arc<RedbStore>,
    whole: Arc<RedbStore>,
    persisters: [InlinePersister; 2],
    sweep: Sweep,
}

impl Group {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let open = |name: &str| {
            let store = RedbStore::open(folder.path().join(name), StoreOptions::new("test"));
            Arc::new(store.expect("a new file"))
        };
        let (swept, whole) = (open("swept.redb"), open("whole.redb"));
        let persisters = [&swept, &whole]
            .map(|store| InlinePersister::new(store.clone(), Durable::default(), Arc::new(|_| ())));
        let sweep = Sweep::default();
        Group { _folder: folder, state: State::new(), swept, whole, persisters, sweep }
    }

    fn submit(&self, batch: &PersistBatch) {
        self.persisters.iter().for_each(|persister| persister.submit(batch.clone()));
    }

    fn work(&mut self, entries: u64) {
        let from = self.state.applied().index + 1;
        for index in from..from + entries {
            let batch = step(&mut self.state, index);
            self.submit(&batch);
        }
    }

    fn propose(&mut self, kind: ProposalKind) {
        let index = self.state.applied().index + 1;
        let entry = EntryContext { index, term: 1 + index / 10, leader: 1 };
        let request_id = RequestId((u128::from(index) | 1 << 64).to_be_bytes());
        let applied = self.state.apply(entry, Proposal { request_id, made_at: index - 1, kind });
        let applied = vec![applied.expect("in order")];
        let rejected = matches!(applied[0].outcome, reddwarf_core::Outcome::Rejected(_));
        assert!(!rejected, "{:?}", applied[0].outcome);
        self.submit(&PersistBatch { applied, checkpoint: self.state.checkpoint() });
    }

    fn retain(&mut self, all: u64, pods: u64) {
        let term = 1 + (self.state.applied().index + 1) / 10;
        let scopes = vec![(PODS.to_owned(), Revision(pods))];
        let floors = Floors { all: Revision(all), scopes };
        self.propose(ProposalKind::Retain { fence: Fence { term }, floors });
    }

    /// Removes the branches, which hold the floors where they begin.
    fn end_branches(&mut self) {
        let objects = self.state.view().objects;
        let branches = objects.keys().filter(|key| key.collection() == BRANCHES);
        let changes: Vec<_> = branches.map(|key| Change::Delete { key: key.clone() }).collect();
        if !changes.is_empty() {
            self.propose(ProposalKind::Write(Write { changes, ..Write::default() }));
        }
    }

    fn sweep(&mut self) -> usize {
        let mut removed = 0;
        loop {
            let page = self.sweep.page(self.swept.as_ref()).expect("sweeps");
            removed += page.removed;
            if page.done {
                return removed;
            }
        }
    }

    /// Compares what both files say, of every revision.
    fn compare(&self) {
        let (swept, whole) =
            (HistoryReader::new(self.swept.clone()), HistoryReader::new(self.whole.clone()));
        let verified = swept.verify(None).expect("reads");
        assert_eq!(verified.problems, Vec::<String>::new());
        let view = self.state.view();
        let floors = view.floors.clone();
        let pods = Collection::new("", "pods");
        let step = usize::try_from(view.revision.0 / 30).expect("few").max(1);
        for revision in (0..=view.revision.0).map(Revision).step_by(step) {
            let read = |reader: &HistoryReader| {
                reader.collection_at(BranchId::MAIN, &pods, None, revision, &view)
            };
            match read(&swept) {
                Ok(found) => {
                    assert_eq!(found.objects, read(&whole).expect("kept").objects, "{revision}");
                }
                Err(HistoryError::Gone { floor, .. }) => {
                    let expected = [floors.all, floors.of_collection(&pods, None)];
                    assert!(revision < floor && expected.contains(&floor), "{floor}");
                }
                Err(error) => panic!("{revision}: {error}"),
            }
            // Of what has a higher floor both tell only what was still current there; a revision within
            // a commit is rounded up only where the commit is kept.
            let covering = whole.commit(&CommitRef::Revision(revision)).ok().flatten();
            let is_end = covering.is_some_and(|commit| commit.header.last == revision);
            if revision >= floors.highest() || (revision >= floors.all && is_end) {
                let changed = |reader: &HistoryReader| {
                    reader.changed_between(BranchId::MAIN, revision, view.revision).expect("kept")
                };
                assert_eq!(changed(&swept), changed(&whole), "since {revision}");
                let state = swept.state_at(revision, &view).expect("kept").objects;
                assert_eq!(state, whole.state_at(revision, &view).expect("kept").objects);
            }
        }
        for name in view.branches.values() {
            let log = |reader: &HistoryReader| {
                let page = reader.commits(name.at.id, Revision::ZERO, Revision::MAX, 100);
                page.expect("kept").commits
            };
            assert_eq!(log(&swept), log(&whole));
        }
        for store in [&self.swept, &self.copy()] {
            let loaded = load(store.as_ref(), WindowLimits::default()).expect("loads");
            assert_eq!(loaded.state.root(), self.state.root());
        }
    }

    /// What another member gets of the swept file.
    fn copy(&self) -> Arc<RedbStore> {
        let path = self.swept.path().with_file_name("copy.redb");
        let mut reader = SnapshotReader::open(self.swept.clone(), "test").expect("reads");
        let mut writer = SnapshotWriter::create(&path, StoreOptions::new("test")).expect("a file");
        while let Some(chunk) = reader.next_chunk().expect("reads") {
            writer.feed(&chunk).expect("takes it");
        }
        let _ = std::fs::remove_file(&path);
        let copy = RedbStore::open(&path, StoreOptions::new("test")).expect("a file");
        writer.finish().expect("whole").install(&copy).expect("in place");
        let copied = HistoryReader::new(Arc::new(copy));
        assert_eq!(copied.verify(None).expect("reads").problems, Vec::<String>::new());
        drop(copied);
        Arc::new(RedbStore::open(&path, StoreOptions::new("test")).expect("opens"))
    }
}

fn rows_of(store: &RedbStore, table: Table) -> usize {
    let mut rows = 0;
    let read = store.read().expect("reads");
    read.scan(table, (Bound::Unbounded, Bound::Unbounded), &mut |_, _| {
        rows += 1;
        Ok(ControlFlow::Continue(()))
    })
    .expect("reads");
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]
    #[test]
    fn what_is_above_the_floors_stays(
        rounds in prop::collection::vec((1u64..60, 0u64..150, 0u64..150, any::<bool>()), 1..6),
    ) {
        let mut group = Group::new();
        for (entries, all, pods, sweeps) in rounds {
            group.work(entries);
            group.retain(all, pods);
            if sweeps {
                group.sweep();
            }
        }
        group.sweep();
        group.compare();
        prop_assert_eq!(group.sweep(), 0);
    }
}

/// The floor first rises into a commit, whose end is not reached before the next sweep.
#[test]
fn a_floor_within_a_commit_leaves_nothing_behind() {
    let mut group = Group::new();
    group.work(21);
    group.retain(0, 16);
    group.sweep();
    group.work(12);
    group.retain(0, 33);
    group.sweep();
    group.compare();
}

/// A branch may begin below the floor of some kind. What it shows there must not go by what main does
/// later.
#[test]
fn what_is_shown_below_a_floor_stays_as_it_is() {
    let mut group = Group::new();
    group.work(10);
    group.retain(0, u64::MAX);
    group.sweep();
    let floor = |group: &Group| group.state.view().floors.of_scope(PODS).expect("a floor");
    let first = floor(&group);
    let states = |group: &Group| {
        let view = group.state.view();
        [&group.swept, &group.whole].map(|store| {
            let reader = HistoryReader::new(store.clone());
            let at = |revision| reader.state_at(Revision(revision), &view).expect("kept").objects;
            (1..first.0).map(at).collect::<Vec<_>>()
        })
    };
    let before = states(&group);
    assert!(before[0].iter().any(|state| !state.is_empty()), "something is still current");
    group.work(60);
    group.sweep();
    assert_eq!(floor(&group), first);
    assert_eq!(states(&group), before);
}

/// The commits of one kind are squashed beyond where the floor of everything comes to lie.
#[test]
fn a_run_may_lie_across_the_floor_of_all() {
    let mut group = Group::new();
    group.work(31);
    group.retain(0, 0);
    group.work(21);
    group.retain(0, 39);
    group.sweep();
    group.work(1);
    group.retain(38, 0);
    group.sweep();
    group.compare();
}

#[test]
fn what_nobody_needs_is_gone() {
    let mut group = Group::new();
    for _ in 0..20 {
        group.work(30);
        group.retain(0, 0);
    }
    let before = rows_of(&group.swept, Table::Versions);
    let commits = rows_of(&group.swept, Table::Commits);
    group.end_branches();
    let end = group.state.view().revision.0;
    group.retain(0, end);
    assert!(group.sweep() > 100);
    let live = rows_of(&group.swept, Table::Current);
    let after = rows_of(&group.swept, Table::Versions);
    assert!(
        after < before / 3 && after < live + 40,
        "{before} versions, {after} left, {live} live"
    );
    assert!(rows_of(&group.swept, Table::Commits) < commits, "runs were squashed");
    group.compare();

    group.work(30);
    group.end_branches();
    group.retain(end, 0);
    let floor = group.state.view().floors.all;
    assert!(floor.0 > 0, "the floor of all rose to a mark");
    group.sweep();
    group.compare();
    let reader = HistoryReader::new(group.swept.clone());
    assert_eq!(reader.floor().expect("reads"), floor);
}

#[test]
fn a_held_file_is_left_alone() {
    let mut group = Group::new();
    group.work(80);
    group.end_branches();
    let end = group.state.view().revision.0;
    group.retain(0, end);
    let hold = group.swept.hold();
    assert_eq!(group.sweep(), 0);
    drop(hold);
    assert!(group.sweep() > 0);
}

#[test]
fn an_excised_version_is_gone_and_nothing_else() {
    let mut group = Group::new();
    group.work(120);
    let reader = HistoryReader::new(group.swept.clone());
    let pod = Collection::new("", "pods").key("ns", "pod-3");
    let log = reader.object_log(BranchId::MAIN, &pod, None, 100).expect("reads");
    let past = log.iter().filter(|entry| !entry.deleted).skip(2).map(|entry| entry.revision);
    let past: Vec<Revision> = past.collect();
    assert!(past.len() > 4, "{past:?}");
    let (gone, kept) = (past[1], past[2]);
    let before = reader.version(kept).expect("reads").expect("there");
    let bytes = reader.version(gone).expect("reads").expect("there").bytes.clone();
    let note = Change::Put {
        key: Collection::new("", "notes").key("", "n"),
        body: r#"{"metadata":{"resourceVersion":""}}"#.into(),
        version_offset: 32,
        index: Default::default(),
        salt: None,
    };
    let excised = vec![Excised { key: pod, revision: gone }];
    let write = Write { changes: vec![note], excised, ..Write::default() };
    group.propose(ProposalKind::from(write));
    let excised = |found| matches!(found, Err(HistoryError::Excised(at)) if at == gone);
    assert!(excised(reader.version(gone)), "at once");
    assert!(group.sweep() > 0);
    assert!(excised(reader.version(gone)));
    assert_eq!(reader.version(kept).expect("reads").expect("there"), before);
    let verified = reader.verify(None).expect("reads");
    assert_eq!((verified.problems, verified.excised), (Vec::<String>::new(), 1));
    let read = group.swept.read().expect("reads");
    read.scan(Table::Versions, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
        let found = value.windows(bytes.len()).any(|part| part == &bytes[..]);
        assert!(!found, "its bytes are at {key:?}");
        Ok(ControlFlow::Continue(()))
    })
    .expect("reads");
}
