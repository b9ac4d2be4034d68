//! The on-disk format, pinned: rows once written stay readable, and a change of the layout
//! shows as a diff of `tests/data/format-2.txt` and `format-3.txt`.
//!
//! `REDDWARF_REWRITE=1` writes those files anew, which is right only together with a new
//! [`FORMAT_VERSION`] or before the first release.

use reddwarf_core::branch::BRANCHES;
use reddwarf_core::content_hash;
use reddwarf_core::{
    Author, BaseObject, BranchId, Change, Collection, Excised, Expectation, FeatureLevel,
    FeatureLevels, Fence, Floors, LinePoint, Links, MemberBuild, ObjectIndex, Precondition,
    Proposal, ProposalKind, RequestId, Revision, Write,
};
use reddwarf_storage::rows::FORMAT_VERSION;
use reddwarf_storage::{
    Durable, HistoryReader, InlinePersister, KvRead, KvStore, Loaded, Persist, PersistBatch,
    RedbStore, StoreOptions, Sweep, Table, WriteBatch, load,
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

/// A state in which every kind of row occurs, those of branches where they are wanted.
fn fill(store: Arc<RedbStore>, branches: bool) -> State {
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
    for index in 7..if branches { 9 } else { 7 } {
        let proposal = on_branches(&state, index);
        let applied = vec![state.apply(entry(index), proposal).expect("in order")];
        persister.submit(PersistBatch { applied, checkpoint: state.checkpoint() });
    }
    state
}

/// Versions that are deltas, one that was excised, and a run: what came with format version 2.
fn forget(store: Arc<RedbStore>, state: &mut State) {
    let durable = Durable::from(&state.checkpoint());
    let persister = InlinePersister::new(store.clone(), durable, Arc::new(|_| ()));
    let large = |text: &str| {
        let Change::Put { version_offset, index, .. } = put("configmaps", "large", None) else {
            unreachable!("it puts")
        };
        let head = r#"{"kind":"K","apiVersion":"v1","metadata":{"resourceVersion":""#;
        let body = format!("{head}\"}},\"data\":\"{text}{}\"}}", "0123456789".repeat(60)).into();
        let key = Collection::new("", "configmaps").key("shop", "large");
        vec![Change::Put { key, body, version_offset, index, salt: None }]
    };
    let of_write = |index: u64, changes| write(index, "update", changes).kind;
    let mut excising = Write { changes: vec![put("notes", "n", None)], ..Write::default() };
    let revision = Revision(state.revision().0 + 3);
    let key = Collection::new("", "configmaps").key("shop", "large");
    excising.excised = vec![Excised { key, revision }];
    let scopes = vec![("/configmaps/".to_owned(), Revision(revision.0 - 1))];
    let floors = Floors { all: Revision::ZERO, scopes };
    let kinds = [
        of_write(9, large("a")),
        of_write(10, large("b")),
        of_write(11, large("c")),
        of_write(12, large("d")),
        ProposalKind::from(excising),
        // The branch is in the way of the floors.
        of_write(
            14,
            vec![Change::Delete {
                key: Collection::new(BRANCHES.split_once('/').expect("a collection").0, "branches")
                    .key("", "canary"),
            }],
        ),
        ProposalKind::Retain { fence: Fence { term: 2 }, floors },
    ];
    for (index, kind) in (state.applied().index + 1..).zip(kinds) {
        let request_id = RequestId([index as u8; 16]);
        let proposal = Proposal { request_id, made_at: index - 1, kind };
        let applied = vec![state.apply(entry(index), proposal).expect("in order")];
        let rejected = matches!(applied[0].outcome, reddwarf_core::Outcome::Rejected(_));
        assert!(!rejected, "{:?}", applied[0].outcome);
        persister.submit(PersistBatch { applied, checkpoint: state.checkpoint() });
    }
    let mut sweep = Sweep::default();
    while !sweep.page(store.as_ref()).expect("sweeps").done {}
}

/// The group rises to the second feature level: what came with format version 3.
fn rise(store: Arc<RedbStore>, state: &mut State) {
    let durable = Durable::from(&state.checkpoint());
    let persister = InlinePersister::new(store, durable, Arc::new(|_| ()));
    let fence = Fence { term: 2 };
    let levels = FeatureLevels { oldest: FeatureLevel(1), newest: FeatureLevel(2) };
    let build = |node| MemberBuild { node, version: "0.1.0".into(), levels };
    let kinds = [
        ProposalKind::RaiseLevel { fence, level: FeatureLevel(2) },
        ProposalKind::RecordBuilds { fence, builds: vec![build(1), build(1 << 40)] },
    ];
    for (index, kind) in (state.applied().index + 1..).zip(kinds) {
        let request_id = RequestId([index as u8; 16]);
        let proposal = Proposal { request_id, made_at: index - 1, kind };
        let applied = vec![state.apply(entry(index), proposal).expect("in order")];
        assert_eq!(applied[0].outcome, reddwarf_core::Outcome::Done);
        persister.submit(PersistBatch { applied, checkpoint: state.checkpoint() });
    }
}

/// A branch begins; then it gets an object, and loses one of its base.
fn on_branches(state: &State, index: u64) -> Proposal {
    let view = state.view();
    let secret = Collection::new("apps", "secrets").key("shop", "s");
    let (branch, changes, links) = match view.branches.get("canary") {
        None => {
            let (group, resource) = BRANCHES.split_once('/').expect("a collection");
            let Change::Put { body, version_offset, index, salt, .. } = put("branches", "", None)
            else {
                unreachable!("it puts")
            };
            let key = Collection::new(group, resource).key("", "canary");
            let links = Links { begins: Some(LinePoint::of_main(view.head)), ..Links::default() };
            let change = Change::Put { key, body, version_offset, index, salt };
            (BranchId::MAIN, vec![change], links)
        }
        Some(branch) => {
            let found = view.get(&secret).expect("it is there");
            let (key, revision, created) = (secret.clone(), found.revision, found.created);
            let base = vec![BaseObject { key, revision, created }];
            let links = Links { base, ..Links::default() };
            let delete = Change::Delete { key: secret };
            (branch.at.id, vec![put("deployments", "web", None), delete], links)
        }
    };
    let write = Write { branch, changes, links: Some(Box::new(links)), ..Write::default() };
    let request_id = RequestId([index as u8; 16]);
    Proposal { request_id, made_at: index - 1, kind: write.into() }
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

/// The rows of a new file that is filled, which must be those in `pinned`; and the state.
fn pinned(pinned: &str) -> (String, State) {
    assert_eq!(FORMAT_VERSION, 3, "pin the new format in a file of its own");
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("written.redb"));
    let mut state = fill(store.clone(), true);
    forget(store.clone(), &mut state);
    if pinned == "format-3.txt" {
        rise(store.clone(), &mut state);
    }
    let written = dump(store.read().expect("reads").as_ref());
    let pinned = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(pinned);
    if std::env::var_os("REDDWARF_REWRITE").is_some() {
        std::fs::write(&pinned, &written).expect("writes");
    }
    let pinned = std::fs::read_to_string(&pinned).expect("the pinned rows");
    assert_eq!(written, pinned);
    (pinned, state)
}

/// Reads a file that is made of rows alone.
fn read_again(rows: &str) -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let store = made_of(&folder.path().join("old.redb"), rows);
    load(store.as_ref(), WindowLimits::default()).expect("loads")
}

/// A file that is made of rows alone.
fn made_of(path: &Path, rows: &str) -> Arc<RedbStore> {
    let store = open(path);
    let mut batch = WriteBatch::default();
    for line in rows.lines() {
        let mut words = line.split(' ');
        let name = words.next().expect("a table");
        let table = Table::ALL.into_iter().find(|table| table.name() == name).expect("a table");
        let mut part = || bytes(words.next().expect("key and value"));
        let (key, value) = (part(), part());
        batch.put(table, key, value);
    }
    store.commit(batch).expect("writes");
    store
}

#[test]
fn rows_are_as_pinned() {
    let (rows, state) = pinned("format-2.txt");
    let loaded = read_again(&rows);
    assert_eq!(loaded.state.root(), state.root());
    assert_eq!(loaded.state.checkpoint(), state.checkpoint());
    for (table, version) in [("versions", "03"), ("commits", "02"), ("commits", "03")] {
        let of_version = |row: &str| {
            let mut words = row.split(' ');
            words.next() == Some(table) && words.nth(1).is_some_and(|v| v.starts_with(version))
        };
        assert!(rows.lines().any(of_version), "no row of {table} with record version {version}");
    }
    assert!(rows.lines().any(|row| row.starts_with("excised ")));
}

#[test]
fn rows_of_a_group_above_the_first_level_are_as_pinned() {
    let (rows, state) = pinned("format-3.txt");
    let loaded = read_again(&rows);
    assert_eq!(loaded.state.root(), state.root());
    assert_eq!(loaded.state.checkpoint(), state.checkpoint());
    assert_eq!(loaded.state.level(), FeatureLevel(2));
    assert_eq!(loaded.state.builds().len(), 2);
    let format = |rows: &str| {
        let prefix = format!("meta {} ", hex(b"format"));
        rows.lines().find_map(|row| row.strip_prefix(&prefix)).expect("a format").to_owned()
    };
    assert_eq!(format(&rows), "00000003fffffffc");
    assert_eq!(format(&pinned("format-2.txt").0), "00000002fffffffd");
}

/// They do not say what the root of the state is.
#[test]
fn rows_of_the_first_groups_above_the_first_level_are_read() {
    let (rows, state) = pinned("format-3.txt");
    let root = format!("meta {} ", hex(b"applied-root"));
    let (of_root, others): (Vec<_>, Vec<_>) = rows.lines().partition(|row| row.starts_with(&root));
    assert_eq!(of_root.len(), 1);
    assert_eq!(others.join("\n"), include_str!("data/format-3-without-root.txt").trim_end());
    let loaded = read_again(&others.join("\n"));
    assert_eq!(loaded.checkpoint.root, None);
    assert_eq!(loaded.state.checkpoint(), state.checkpoint());
}

/// They have deltas of versions with their content hashes.
#[test]
fn rows_of_the_first_deltas_are_read() {
    let rows = include_str!("data/format-2-hashed-deltas.txt");
    assert!(rows.lines().any(|row| row.starts_with("versions 0000000000000001 02")));
    let (_, state) = pinned("format-2.txt");
    let loaded = read_again(rows);
    assert_eq!(loaded.state.root(), state.root());
    let folder = tempfile::tempdir().expect("a folder");
    let reader = HistoryReader::new(made_of(&folder.path().join("old.redb"), rows));
    let version = reader.version(Revision(1)).expect("reads").expect("kept");
    assert_eq!(version.content, content_hash(&version.bytes, version.salt.as_ref()));
    assert_eq!(reader.verify(None).expect("reads").problems, Vec::<String>::new());
}

/// They have a checkpoint of the second record version, with the branches in it.
#[test]
fn rows_from_before_anything_was_forgotten_are_read() {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-1-branches.txt");
    let loaded = read_again(&std::fs::read_to_string(rows).expect("the pinned rows"));
    let folder = tempfile::tempdir().expect("a folder");
    let state = fill(open(&folder.path().join("written.redb")), true);
    assert_eq!(loaded.state.root(), state.root());
    assert_eq!(loaded.state.checkpoint(), state.checkpoint());
    assert_eq!(loaded.state.view().branches, state.view().branches);
    assert_eq!(loaded.window.len(), 5);
}

/// They have a checkpoint of the first record version.
#[test]
fn rows_from_before_there_were_branches_are_read() {
    let rows = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format-1.txt");
    let loaded = read_again(&std::fs::read_to_string(rows).expect("the pinned rows"));
    let folder = tempfile::tempdir().expect("a folder");
    let state = fill(open(&folder.path().join("written.redb")), false);
    assert_eq!(loaded.state.root(), state.root());
    assert_eq!(loaded.state.checkpoint(), state.checkpoint());
    assert_eq!(loaded.window.len(), 4);
}
