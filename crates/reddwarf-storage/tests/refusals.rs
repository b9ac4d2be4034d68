//! Files that are not opened, each for a reason that names it.

use reddwarf_core::{
    Change, Collection, FeatureLevel, FeatureLevels, Fence, ObjectIndex, Proposal, ProposalKind,
    RequestId, Write,
};
use reddwarf_storage::rows::{FORMAT_VERSION, META_FORMAT, META_LEVEL, format_row};
use reddwarf_storage::{
    Durable, InlinePersister, KvStore, LoadError, OpenError, Persist, PersistBatch, RedbStore,
    SnapshotError, SnapshotReader, SnapshotWriter, StoreOptions, Table, WriteBatch, load,
};
use reddwarf_versioning::{EntryContext, RestoreError, State, StateRoot, WindowLimits};
use std::path::Path;
use std::sync::Arc;

fn options() -> StoreOptions {
    StoreOptions::new("mine")
}

fn fill(path: &Path) -> StateRoot {
    let store = Arc::new(RedbStore::open(path, options()).expect("a new file"));
    let persister = InlinePersister::new(store, Durable::default(), Arc::new(|_| ()));
    let mut state = State::new();
    for index in 1..=40u64 {
        let change = Change::Put {
            key: Collection::new("", "pods").key("ns", &format!("pod-{index}")),
            body: format!(r#"{{"metadata":{{"resourceVersion":""}},"n":"{index:0900}"}}"#).into(),
            version_offset: 32,
            index: ObjectIndex::default(),
            salt: None,
        };
        let proposal = Proposal {
            request_id: RequestId([index as u8; 16]),
            made_at: 0,
            kind: ProposalKind::Write(Write { changes: vec![change], ..Write::default() }),
        };
        let entry = EntryContext { index, term: 1, leader: 1 };
        let applied = vec![state.apply(entry, proposal).expect("in order")];
        persister.submit(PersistBatch { applied, checkpoint: state.checkpoint() });
    }
    state.root()
}

#[test]
fn another_cluster_a_newer_format_and_a_second_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    fill(&path);

    let error = RedbStore::open(&path, StoreOptions::new("other")).expect_err("refused");
    assert!(matches!(&error, OpenError::OtherCluster { found, .. } if found == "mine"), "{error}");

    let store = RedbStore::open(&path, options()).expect("its own");
    let error = RedbStore::open(&path, options()).expect_err("refused");
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");

    let mut batch = WriteBatch::default();
    batch.put(Table::Meta, META_FORMAT.to_vec(), format_row(FORMAT_VERSION + 1).to_vec());
    store.commit(batch).expect("writes");
    drop(store);
    let error = RedbStore::open(&path, options()).expect_err("refused");
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(error.to_string().contains(&path.display().to_string()));
}

fn supporting(oldest: u32, newest: u32) -> StoreOptions {
    let levels = FeatureLevels { oldest: FeatureLevel(oldest), newest: FeatureLevel(newest) };
    StoreOptions { levels, ..options() }
}

/// A file of a group that was raised to the third level, and the root of its state.
fn raised(path: &Path) -> StateRoot {
    let mut state = State::new();
    let store = Arc::new(RedbStore::open(path, supporting(1, 3)).expect("a new file"));
    let persister = InlinePersister::new(store.clone(), Durable::default(), Arc::new(|_| ()));
    for level in 2..=3u8 {
        let entry = EntryContext { index: u64::from(level), term: 1, leader: 1 };
        let (fence, to) = (Fence { term: 1 }, FeatureLevel(level.into()));
        let kind = ProposalKind::RaiseLevel { fence, level: to };
        let proposal = Proposal { request_id: RequestId([level; 16]), made_at: 0, kind };
        let applied = vec![state.apply(entry, proposal).expect("in order")];
        persister.submit(PersistBatch { applied, checkpoint: state.checkpoint() });
    }
    state.root()
}

#[test]
fn a_file_of_another_feature_level_is_refused_and_stays_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let root = raised(&path);
    for (levels, words) in [
        ((1, 2), "at feature level 3, this build supports 1-2; start a version of reddwarf"),
        ((4, 5), "at feature level 3, this build supports 4-5; start the version before"),
    ] {
        let supported = supporting(levels.0, levels.1);
        let frozen = RedbStore::open_frozen(&path, supported.cache_bytes, supported.levels);
        for refused in [RedbStore::open(&path, supported), frozen] {
            let error = refused.expect_err("refused");
            assert!(matches!(error, OpenError::Level { .. }), "{error}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(!error.is_damage(), "it would be made anew");
        }
        let refused = RedbStore::open(&path, StoreOptions { cluster: "other".into(), ..options() });
        let error = refused.expect_err("another cluster's before all else");
        assert!(matches!(error, OpenError::OtherCluster { .. }), "{error}");
    }
    let store = RedbStore::open(&path, supporting(3, 4)).expect("supported");
    let state = load(&store, WindowLimits::default()).expect("loads").state;
    assert_eq!((state.level(), state.root()), (FeatureLevel(3), root));
}

#[test]
fn a_snapshot_of_another_feature_level_is_not_installed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    raised(&path);
    let store = Arc::new(RedbStore::open(&path, supporting(1, 3)).expect("opens"));
    let send = |options: StoreOptions| {
        let mut reader = SnapshotReader::open(store.clone(), "mine").expect("begins");
        let to = folder.path().join("other.redb");
        let mut writer = SnapshotWriter::create(&to, options).expect("begins");
        while let Some(chunk) = reader.next_chunk().expect("reads") {
            writer.feed(&chunk)?;
        }
        writer.finish()
    };
    let error = send(supporting(1, 2)).expect_err("refused");
    assert!(matches!(error, SnapshotError::Level { .. }), "{error}");
    let text = "the snapshot is of a group at feature level 3, this build supports 1-2";
    assert_eq!(error.to_string(), text);
    let received = send(supporting(2, 3)).expect("supported");
    let copy = RedbStore::open(received.path(), supporting(1, 2)).expect_err("refused");
    assert!(matches!(copy, OpenError::Level { .. }), "{copy}");
    assert_eq!(received.checkpoint().level, FeatureLevel(3));
}

#[test]
fn a_file_that_is_no_data_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    for content in [&b"not a data file"[..], &[0; 8192], &[0xff; 100_000]] {
        std::fs::write(&path, content).expect("writes");
        let error = RedbStore::open(&path, options()).expect_err("refused");
        assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains("makes it anew"), "{error}");
        assert_eq!(std::fs::read(&path).expect("reads"), content, "a refused file is untouched");
    }
}

#[test]
fn a_truncated_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    fill(&path);
    let whole = std::fs::read(&path).expect("reads");
    for part in [1, 3, 7] {
        std::fs::write(&path, &whole[..whole.len() * part / 8]).expect("writes");
        assert!(RedbStore::open(&path, options()).is_err());
    }
}

/// A flipped byte is noticed, or lies where nothing is read; a wrong state never comes back.
#[test]
fn a_damaged_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let root = fill(&path);
    let whole = std::fs::read(&path).expect("reads");
    let used = whole.chunks(4096).rposition(|page| page.iter().any(|byte| *byte != 0));
    let used = used.expect("some page") * 4096;
    let (mut noticed, mut harmless) = (0, 0);
    for at in (0..used).step_by(1_531) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        std::fs::write(&path, &damaged).expect("writes");
        let Ok(store) = RedbStore::open(&path, options()) else {
            noticed += 1;
            continue;
        };
        match load(&store, WindowLimits::default()) {
            Err(_) => noticed += 1,
            Ok(loaded) => {
                assert_eq!(loaded.state.root(), root, "byte {at}");
                harmless += 1;
            }
        }
    }
    assert!(noticed > 10, "{noticed} noticed, {harmless} harmless");
}

#[test]
fn a_row_that_is_gone_without_a_trace_is_missed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    raised(&path);
    let store = RedbStore::open(&path, supporting(1, 3)).expect("opens");
    let row = |table: Table, key: &[u8]| {
        let value = store.read().expect("reads").get(table, key).expect("reads");
        (table, key.to_vec(), value.expect("it was written"))
    };
    let rows = [row(Table::Requests, &2_u64.to_be_bytes()), row(Table::Meta, META_LEVEL)];
    let loaded = || load(&store, WindowLimits::default());
    loaded().expect("whole");
    for (table, key, value) in rows {
        let mut batch = WriteBatch::default();
        batch.delete(table, key.clone());
        store.commit(batch).expect("writes");
        let error = loaded().expect_err("it is missing");
        assert!(error.is_damage(), "{error}");
        assert!(matches!(error, LoadError::Damaged(RestoreError::Whole)), "{error:?}");
        let mut batch = WriteBatch::default();
        batch.put(table, key, value);
        store.commit(batch).expect("writes");
        loaded().expect("whole again");
    }
}
