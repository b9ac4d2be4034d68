//! The on-disk format, pinned: rows once written stay readable, and a change of the layout
//! shows as a diff of `tests/data/format-1.txt`.
//!
//! `REDDWARF_REWRITE=1` writes that file anew, which is right only together with a new
//! [`FORMAT_VERSION`] or before the first release.

use reddwarf_core::{
    Author, Change, Collection, Expectation, ObjectIndex, Precondition, Proposal, ProposalKind,
    RequestId, Write,
};
use reddwarf_storage::rows::FORMAT_VERSION;
use reddwarf_storage::{
    Durable, InlinePersister, KvRead, KvStore, Persist, PersistBatch, RedbStore, StoreOptions,
    Table, WriteBatch, load,
};
use reddwarf_versioning::{EntryContext, State, WindowLimits};
use std::fmt::Write as _;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

fn entry(index: u64) -> EntryContext {
    EntryContext { index, term: 2, leader: 3 }
}

fn write(index: u64, verb: &str, changes: Vec<Change>) -> Proposal {
    let author = Author {
        user: "kubernetes-admin".into(),
        groups: vec!["system:masters".into(), "system:authenticated".into()],
        user_agent: "kubectl/v1.36".into(),
        field_manager: "kubectl".into(),
    };
    let write = Write {
        author,
        verb: verb.into(),
        message: (index == 2).then(|| "why".into()),
        time_ms: 1_700_000_000_000 + index,
        preconditions: vec![Precondition {
            key: Collection::new("", "namespaces").key("", "gone"),
            expect: Expectation::Absent,
        }],
        changes,
        ..Write::default()
    };
    Proposal {
        request_id: RequestId([index as u8; 16]),
        made_at: 0,
        kind: ProposalKind::Write(write),
    }
}

fn put(resource: &str, name: &str, salt: Option<[u8; 16]>) -> Change {
    let head = r#"{"kind":"K","apiVersion":"v1","metadata":{"resourceVersion":""#;
    Change::Put {
        key: Collection::new("apps", resource).key("shop", name),
        body: format!("{head}\"}}}}").into(),
        version_offset: head.len() as u32,
        index: ObjectIndex {
            uid: "uid".into(),
            labels: vec![("app".into(), "web".into())],
            fields: vec![("status.phase".into(), "Running".into())],
            owners: vec!["owner".into()],
        },
        salt,
    }
}

/// A state in which every kind of row occurs.
fn fill(store: Arc<RedbStore>) -> State {
    let persister = InlinePersister::new(store, Durable::default(), Arc::new(|_| ()));
    let mut state = State::new();
    let key = Collection::new("apps", "deployments").key("shop", "web");
    let proposals = [
        write(
            1,
            "create",
            vec![put("deployments", "web", None), put("secrets", "s", Some([9; 16]))],
        ),
        write(2, "update", vec![put("deployments", "web", None)]),
        write(3, "delete", vec![Change::Delete { key: key.clone() }]),
        write(4, "delete", vec![Change::Delete { key }]),
        Proposal {
            request_id: RequestId([5; 16]),
            made_at: 4,
            kind: ProposalKind::Tick { elapsed_ms: 300 },
        },
    ];
    for (index, proposal) in (1..).zip(proposals) {
        let applied = vec![state.apply(entry(index), proposal).expect("in order")];
        persister.submit(PersistBatch { applied, checkpoint: state.checkpoint() });
    }
    state.set_membership(entry(6), "members".into()).expect("in order");
    persister.submit(PersistBatch { applied: vec![], checkpoint: state.checkpoint() });
    state
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut out, byte| {
        write!(out, "{byte:02x}").expect("a string");
        out
    })
}

fn bytes(hex: &str) -> Vec<u8> {
    let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(digit).collect()
}

fn dump(read: &dyn KvRead) -> String {
    let mut out = String::new();
    for table in Table::ALL {
        read.scan(table, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
            let (key, value) = (hex(key), hex(value));
            writeln!(out, "{} {key} {value}", table.name()).expect("a string");
            Ok(ControlFlow::Continue(()))
        })
        .expect("reads");
    }
    out
}

fn open(path: &Path) -> Arc<RedbStore> {
    Arc::new(RedbStore::open(path, StoreOptions::new("pinned")).expect("opens"))
}

#[test]
fn rows_are_as_pinned() {
    assert_eq!(FORMAT_VERSION, 1, "pin the new format in a file of its own");
    let folder = tempfile::tempdir().expect("a folder");
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-1.txt");
    let store = open(&folder.path().join("written.redb"));
    let state = fill(store.clone());
    let written = dump(store.read().expect("reads").as_ref());
    if std::env::var_os("REDDWARF_REWRITE").is_some() {
        std::fs::write(&pinned, &written).expect("writes");
    }
    let pinned = std::fs::read_to_string(&pinned).expect("the pinned rows");
    assert_eq!(written, pinned);

    // And a file made of the pinned rows alone is read.
    let old = open(&folder.path().join("old.redb"));
    let mut batch = WriteBatch::default();
    for line in pinned.lines() {
        let mut words = line.split(' ');
        let name = words.next().expect("a table");
        let table = Table::ALL.into_iter().find(|table| table.name() == name).expect("a table");
        let mut part = || bytes(words.next().expect("key and value"));
        let (key, value) = (part(), part());
        batch.put(table, key, value);
    }
    old.commit(batch).expect("writes");
    let loaded = load(old.as_ref(), WindowLimits::default()).expect("loads");
    assert_eq!(loaded.state.root(), state.root());
    assert_eq!(loaded.state.membership(), state.membership());
    assert_eq!(loaded.window.len(), 4);
}
