//! What the versions of an object take that is written again and again.

use reddwarf_core::{
    Author, Change, Collection, ObjectIndex, Proposal, ProposalKind, RequestId, Revision, Write,
};
use reddwarf_storage::{
    Durable, HistoryReader, Persist, PersistBatch, Persister, PersisterLimits, RedbStore,
    StoreOptions, compact,
};
use reddwarf_versioning::{EntryContext, State};
use std::sync::Arc;

const VERSIONS: u64 = 10_000;
const OBJECT_BYTES: usize = 4_096;
const CHANGED_BYTES: usize = 100;
/// What a version may take on average, its commit and its place in all indexes included.
const ROWS_BYTES_MAX: u64 = 370;
const FILE_BYTES_MAX: u64 = 512;

/// Letters of which nothing repeats.
struct Letters(u64);

impl Letters {
    fn take(&mut self, count: usize) -> String {
        let letter = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b"abcdefghijklmnopqrstuvwxyzABCDEF"[(self.0 >> 59) as usize])
        };
        std::iter::repeat_with(letter).take(count).collect()
    }
}

/// A name in the form of the 16 random bytes of a request.
fn request_id(index: u64) -> RequestId {
    let mixed = u128::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    RequestId(mixed.rotate_left(41).wrapping_mul(0xd134_2543_de82_ef95).to_be_bytes())
}

fn update(index: u64, data: &str) -> Proposal {
    let head = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"web","namespace":"shop","uid":"7c1f0f8e-6f0c-4a7d-9d38-5f4d2d7c9b11","resourceVersion":""#;
    let body = format!("{head}\"}},\"data\":{{\"k\":\"{data}\"}}}}");
    let change = Change::Put {
        key: Collection::new("", "configmaps").key("shop", "web"),
        body: body.into(),
        version_offset: head.len() as u32,
        index: ObjectIndex {
            uid: "7c1f0f8e-6f0c-4a7d-9d38-5f4d2d7c9b11".into(),
            labels: vec![("app".into(), "web".into())],
            ..ObjectIndex::default()
        },
        salt: None,
    };
    let author = Author {
        user: "kubernetes-admin".into(),
        groups: vec!["system:masters".into(), "system:authenticated".into()],
        user_agent: "kubectl/v1.36.2 (linux/amd64) kubernetes/4c3f1a2".into(),
        field_manager: "kubectl-client-side-apply".into(),
    };
    let write = Write {
        author,
        verb: "update".into(),
        time_ms: 1_790_000_000_000 + index * 977,
        changes: vec![change],
        ..Write::default()
    };
    let made_at = index - 1;
    Proposal { request_id: request_id(index), made_at, kind: ProposalKind::Write(write) }
}

#[test]
fn versions_of_an_object_take_little_each() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let store = RedbStore::open(&path, StoreOptions::new("test")).expect("a new file");
    let store = Arc::new(store);
    let before = store.file_bytes();
    let limits = PersisterLimits::default();
    let persister = Persister::start(store.clone(), Durable::default(), limits, Arc::new(|_| ()));
    let persister = persister.expect("a thread");
    let (mut state, mut letters) = (State::new(), Letters(7));
    let mut data = letters.take(OBJECT_BYTES);
    let mut written = Vec::new();
    for index in 1..=VERSIONS {
        let at = (index as usize * 1_237) % (OBJECT_BYTES - CHANGED_BYTES);
        data.replace_range(at..at + CHANGED_BYTES, &letters.take(CHANGED_BYTES));
        let entry = EntryContext { index, term: 1, leader: 1 };
        let applied = vec![state.apply(entry, update(index, &data)).expect("in order")];
        persister.submit(PersistBatch { applied, checkpoint: state.checkpoint() });
        // One client, who waits for each write, leaves a few writes for each transaction.
        if index.is_multiple_of(8) {
            persister.flush().expect("written");
        }
        if index.is_multiple_of(611) {
            written.push((Revision(index), data.clone()));
        }
    }
    persister.flush().expect("written");
    compact(&store, &persister, &mut || Ok(())).expect("compacts");
    let usage = HistoryReader::new(store.clone()).usage().expect("reads");
    let rows = (usage.kinds["/configmaps"].past.bytes + usage.commits.bytes) / VERSIONS;
    // With the answers to requests that are remembered, of which there are never more than some ten
    // thousands.
    let file = (store.file_bytes() - before) / VERSIONS;
    println!("{} long", std::fs::metadata(&path).expect("there").len());
    println!("{rows} bytes of rows a version and its commit, {file} bytes of the file");
    assert!(rows <= ROWS_BYTES_MAX, "{rows} bytes of rows a version");
    assert!(file <= FILE_BYTES_MAX, "{file} bytes of the file a version");
    let reader = HistoryReader::new(store);
    for (revision, data) in written {
        let version = reader.version(revision).expect("reads").expect("kept");
        assert!(version.bytes.windows(data.len()).any(|part| part == data.as_bytes()));
    }
    assert_eq!(reader.verify(None).expect("reads").problems, Vec::<String>::new());
}
