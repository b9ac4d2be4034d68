//! What the conformance suite, which runs over whole stores, cannot bring about.

use super::{HistoryReader, READ_ROWS_MAX};
use crate::transaction::{Written, transaction_of};
use crate::{KvStore, PersistBatch, RedbStore, StoreOptions, Table, WriteBatch, rows};
use reddwarf_core::{
    BranchId, BranchRef, Change, Collection, Commit, CommitId, CommitPoint, CommitRef,
    HistoryError, ObjectIndex, ObjectKey, Proposal, ProposalKind, RequestId, Revision, View, Write,
};
use reddwarf_versioning::{Anchor, Checkpoint, EntryContext, State};
use std::sync::Arc;
use tempfile::TempDir;

const MAIN: BranchId = BranchId::MAIN;

struct Past {
    _folder: TempDir,
    store: Arc<RedbStore>,
    reader: HistoryReader,
    state: State,
    written: Written,
}

fn pods() -> Collection {
    Collection::new("", "pods")
}

fn pod(n: usize) -> ObjectKey {
    pods().key("ns", &format!("pod-{n:05}"))
}

fn put(key: ObjectKey) -> Change {
    let (body, index) = (r#"{"metadata":{"resourceVersion":""}}"#.into(), ObjectIndex::default());
    Change::Put { key, body, version_offset: 32, index, salt: None }
}

impl Past {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.redb");
        let store = RedbStore::open(path, StoreOptions::new("test")).expect("a new file");
        let store = Arc::new(store);
        let reader = HistoryReader::new(store.clone());
        Past { _folder: folder, store, reader, state: State::new(), written: Written::default() }
    }

    /// Applies commits, each at the time that is its place, and writes them down.
    fn commit(&mut self, commits: Vec<Vec<Change>>) {
        let mut applied = Vec::new();
        let durable = self.state.applied().index;
        for (index, changes) in (durable + 1..).zip(commits) {
            let write = Write { changes, time_ms: index * 100, ..Write::default() };
            let request_id = RequestId(u128::from(index).to_be_bytes());
            let kind = ProposalKind::Write(write);
            let proposal = Proposal { request_id, made_at: index - 1, kind };
            let entry = EntryContext { index, term: 1, leader: 1 };
            applied.push(self.state.apply(entry, proposal).expect("in order"));
        }
        let batch = PersistBatch { applied, checkpoint: self.state.checkpoint() };
        let rows = transaction_of(&[batch], durable, &mut self.written).expect("rows");
        self.store.commit(rows).expect("writes");
    }

    fn checkpoint(&self, change: impl FnOnce(&mut Checkpoint)) {
        let mut checkpoint = self.state.checkpoint();
        change(&mut checkpoint);
        let batch = PersistBatch { applied: Vec::new(), checkpoint };
        let index = self.state.applied().index;
        let rows = transaction_of(&[batch], index, &mut Written::default()).expect("rows");
        self.store.commit(rows).expect("writes");
    }

    /// Removes commits and their ids up to `floor`, as retention would.
    fn forget(&self, floor: Revision) {
        self.checkpoint(|checkpoint| {
            let (commit, root) = (CommitId::default(), [0; 32]);
            checkpoint.anchor = Some(Anchor { commit, revision: floor, root });
        });
        let mut batch = WriteBatch::default();
        batch.delete_before(Table::Commits, rows::number_key(floor.0 + 1));
        self.store.commit(batch).expect("writes");
    }

    fn commit_at(&self, revision: u64) -> Result<Option<Commit>, HistoryError> {
        self.reader.commit(&CommitRef::Revision(Revision(revision)))
    }
}

#[test]
fn nothing_has_happened_yet() {
    let past = Past::new();
    let reader = &past.reader;
    assert_eq!(reader.floor().expect("reads"), Revision::ZERO);
    assert_eq!(past.commit_at(0).expect("reads"), None);
    assert!(matches!(past.commit_at(1), Err(HistoryError::Future { .. })));
    assert_eq!(reader.resolve_time(5).expect("reads"), Revision::ZERO);
    let page = reader.commits(MAIN, Revision::ZERO, Revision::MAX, 10).expect("reads");
    assert!(page.commits.is_empty() && page.next.is_none());
    let view = reader.collection_at(MAIN, &pods(), None, Revision::ZERO, &View::default());
    assert!(view.expect("reads").objects.is_empty());
    let unknown = reader.object_log(BranchId(3), &pod(0), None, 10);
    assert!(matches!(unknown, Err(HistoryError::NoBranch(BranchId(3)))));
}

#[test]
fn below_the_floor_nothing_is_told() {
    let mut past = Past::new();
    past.commit((0..10).map(|n| vec![put(pod(n % 2))]).collect());
    past.forget(Revision(4));
    let reader = &past.reader;
    assert_eq!(reader.floor().expect("reads"), Revision(4));
    for asked in [1, 3, 4] {
        let answer = past.commit_at(asked);
        let Err(HistoryError::Gone { floor: Revision(4), .. }) = answer else {
            panic!("revision {asked}: {answer:?}")
        };
    }
    assert_eq!(past.commit_at(5).expect("reads").expect("kept").header.last, Revision(5));
    let at = |revision| reader.object_at(MAIN, &pod(0), Revision(revision));
    assert!(matches!(at(3), Err(HistoryError::Gone { asked: Revision(3), .. })));
    assert_eq!(at(4).expect("the floor itself").expect("there").revision, Revision(3));
    let changed = |from| reader.changed_between(MAIN, Revision(10), Revision(from));
    assert!(matches!(changed(3), Err(HistoryError::Gone { .. })));
    assert_eq!(changed(4).expect("reads").len(), 2);
    assert_eq!(reader.resolve_time(500).expect("reads"), Revision(5));
    assert!(matches!(
        reader.resolve_time(499),
        Err(HistoryError::BeforeFirst { asked_ms: 499, first: Revision(5), first_ms: 500 })
    ));
    let page = reader.commits(MAIN, Revision::ZERO, Revision::MAX, 100).expect("reads");
    assert_eq!((page.commits.len(), page.next), (6, None));
}

#[test]
fn many_keys_take_several_transactions() {
    let mut past = Past::new();
    let keys = 2 * READ_ROWS_MAX + 3;
    past.commit((0..keys).map(|n| vec![put(pod(n))]).collect());
    let deletions = (0..keys).step_by(3).map(|n| vec![Change::Delete { key: pod(n) }]);
    past.commit(deletions.collect());
    let (then, now) = (Revision(keys as u64), past.state.revision());
    let known = past.state.view();
    let at = |revision| past.reader.collection_at(MAIN, &pods(), Some("ns"), revision, &known);
    assert_eq!(at(then).expect("reads").objects.len(), keys);
    let view = at(now).expect("reads");
    assert_eq!(view.objects.len(), keys - keys.div_ceil(3));
    assert!(
        view.objects.iter().all(|(key, object)| {
            known.get(key).is_some_and(|known| Arc::ptr_eq(known, object))
        })
    );
    let changed = past.reader.changed_between(MAIN, Revision::ZERO, then).expect("reads");
    assert_eq!(changed.len(), keys);
}

#[test]
fn pages_follow_each_other() {
    let mut past = Past::new();
    let commits = READ_ROWS_MAX + 50;
    past.commit((0..commits).map(|n| vec![put(pod(n % 7))]).collect());
    let (mut through, mut seen) = (Some(Revision::MAX), Vec::new());
    while let Some(newest) = through {
        let page = past.reader.commits(MAIN, Revision(10), newest, usize::MAX).expect("reads");
        seen.extend(page.commits.iter().map(|commit| commit.header.last.0));
        through = page.next;
    }
    assert_eq!(seen, (11..=commits as u64).rev().collect::<Vec<_>>());
}

#[test]
fn other_branches_are_passed_over() {
    let mut past = Past::new();
    past.commit((0..9).map(|n| vec![put(pod(n))]).collect());
    let other = BranchId(1);
    let (from, base) = (BranchId::MAIN, CommitPoint::default());
    let at = BranchRef { id: other, from, base, head: base };
    past.checkpoint(|checkpoint| {
        Arc::make_mut(&mut checkpoint.branches).refs.push(("b".into(), at))
    });
    let reader = &past.reader;
    let page = reader.commits(other, Revision::ZERO, Revision::MAX, 10).expect("reads");
    assert_eq!((page.commits.len(), page.next), (0, None));
    assert!(reader.object_log(other, &pod(1), None, 10).expect("reads").is_empty());
    assert!(reader.object_at(other, &pod(1), Revision(9)).expect("reads").is_none());
    assert!(reader.changed_between(other, Revision(1), Revision(9)).expect("reads").is_empty());
}

#[test]
fn damage_is_told() {
    let mut past = Past::new();
    past.commit((0..3).map(|n| vec![put(pod(n))]).collect());
    let mut batch = WriteBatch::default();
    batch.delete(Table::Versions, rows::number_key(1));
    let history = rows::history_key(MAIN, &pod(1), Revision(2));
    batch.put(Table::History, history, &b"P0000"[..]);
    batch.put(Table::Commits, rows::number_key(3), &b"no record"[..]);
    past.store.commit(batch).expect("writes");
    let reader = &past.reader;
    let told = |answer: Result<bool, HistoryError>| {
        assert!(matches!(answer, Err(HistoryError::Unreadable(_))), "{answer:?}");
    };
    told(reader.object_at(MAIN, &pod(0), Revision(1)).map(|object| object.is_some()));
    told(reader.object_log(MAIN, &pod(1), None, 1).map(|log| log.is_empty()));
    told(past.commit_at(3).map(|commit| commit.is_some()));
}
