//! Snapshots from one file to another, while the first goes on changing.

use reddwarf_core::{Change, Collection, ObjectIndex, Proposal, ProposalKind, RequestId, Write};
use reddwarf_storage::{
    Durable, InlinePersister, KvRead, KvStore, Persist, PersistBatch, RedbStore, SnapshotError,
    SnapshotReader, SnapshotWriter, StoreOptions, Table, damaged_copy, load,
};
use reddwarf_versioning::{EntryContext, State, StateRoot, WindowLimits};
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;

fn open(path: &Path) -> Arc<RedbStore> {
    Arc::new(RedbStore::open(path, StoreOptions::new("c")).expect("opens"))
}

struct Member {
    store: Arc<RedbStore>,
    persister: InlinePersister,
    state: State,
}

impl Member {
    fn new(path: &Path) -> Self {
        let store = open(path);
        let persister = InlinePersister::new(store.clone(), Durable::default(), Arc::new(|_| ()));
        Member { store, persister, state: State::new() }
    }

    fn write(&mut self, count: u64) {
        self.write_in_batches(count, 1);
    }

    /// Writes, `batch` entries in one durable transaction.
    fn write_in_batches(&mut self, count: u64, batch: usize) {
        let mut waiting = Vec::new();
        for number in 1..=count {
            let index = self.state.applied().index + 1;
            let key = Collection::new("", "pods").key("ns", &format!("pod-{}", index % 200));
            let put = Change::Put {
                key: key.clone(),
                body: format!(r#"{{"metadata":{{"resourceVersion":""}},"n":"{index:03000}"}}"#)
                    .into(),
                version_offset: 32,
                index: ObjectIndex::default(),
                salt: None,
            };
            let gone = index.is_multiple_of(9) && self.state.view().get(&key).is_some();
            let changes = vec![if gone { Change::Delete { key } } else { put }];
            let proposal = Proposal {
                request_id: RequestId(u128::from(index).to_be_bytes()),
                made_at: 0,
                kind: ProposalKind::Write(Write { changes, ..Write::default() }),
            };
            let entry = EntryContext { index, term: 1, leader: 1 };
            waiting.push(self.state.apply(entry, proposal).expect("in order"));
            if waiting.len() == batch || number == count {
                let applied = std::mem::take(&mut waiting);
                let checkpoint = self.state.checkpoint();
                self.persister.submit(PersistBatch { applied, checkpoint });
            }
        }
    }
}

fn all_rows(read: &dyn KvRead) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut rows = Vec::new();
    for table in Table::ALL {
        read.scan(table, (Bound::Unbounded, Bound::Unbounded), &mut |key, value| {
            rows.push((table, key.to_vec(), value.to_vec()));
            Ok(ControlFlow::Continue(()))
        })
        .expect("reads");
    }
    rows
}

fn chunks(reader: &mut SnapshotReader) -> Vec<bytes::Bytes> {
    std::iter::from_fn(|| reader.next_chunk().expect("reads")).collect()
}

#[test]
fn a_snapshot_is_the_state_when_it_was_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sender = Member::new(&folder.path().join("a.redb"));
    sender.write(700);
    let root: StateRoot = sender.state.root();
    let before = all_rows(sender.store.read().expect("reads").as_ref());
    let mut reader = SnapshotReader::open(sender.store.clone(), "c").expect("opens");
    assert_eq!(reader.checkpoint().applied.index, 700);
    sender.write(250);
    let stream = chunks(&mut reader).concat();

    let mut receiver = Member::new(&folder.path().join("b.redb"));
    receiver.write(3);
    let options = receiver.store.options().clone();
    let mut writer = SnapshotWriter::create(receiver.store.path(), options).expect("creates");
    for piece in stream.chunks(10_007) {
        writer.feed(piece).expect("takes");
    }
    let received = writer.finish().expect("whole");
    let store = receiver.store.clone();
    let durable = receiver.persister.install(&mut || received.install(&store)).expect("installs");
    assert_eq!(durable.applied.index, 700);
    assert_eq!(receiver.persister.durable(), durable);
    assert!(!receiver.store.path().with_extension("installing").exists());

    let loaded = load(store.as_ref(), WindowLimits::default()).expect("loads");
    assert_eq!(loaded.state.root(), root);
    assert_eq!(all_rows(store.read().expect("reads").as_ref()), before);
    receiver.state = loaded.state;
    receiver.write(250);
    assert_eq!(receiver.state.root(), sender.state.root());
    let reopened = load(receiver.store.as_ref(), WindowLimits::default()).expect("loads");
    assert_eq!(reopened.state.root(), sender.state.root());
}

#[test]
fn damaged_and_foreign_streams_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sender = Member::new(&folder.path().join("a.redb"));
    sender.write(30);
    let chunks = chunks(&mut SnapshotReader::open(sender.store.clone(), "c").expect("opens"));
    let beside = folder.path().join("b.redb");
    let feed = |cluster: &str, stream: &[u8]| {
        let mut writer = SnapshotWriter::create(&beside, StoreOptions::new(cluster)).expect("ok");
        writer.feed(stream)?;
        writer.finish().map(|_| ())
    };
    let whole = chunks.concat();
    feed("c", &whole).expect("whole");
    assert!(matches!(feed("d", &whole), Err(SnapshotError::OtherCluster { .. })));
    assert!(feed("c", &whole[..whole.len() - 1]).is_err());
    assert!(feed("c", &[&whole[..], b"more"].concat()).is_err());
    for missing in 0..chunks.len() {
        let mut fewer = chunks.clone();
        fewer.remove(missing);
        assert!(feed("c", &fewer.concat()).is_err(), "without chunk {missing}");
    }
    for at in (0..whole.len()).step_by(whole.len() / 23) {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        assert!(feed("c", &damaged).is_err(), "byte {at}");
    }
}

#[test]
fn an_empty_state_travels_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(&folder.path().join("a.redb"));
    let stream = chunks(&mut SnapshotReader::open(store, "c").expect("opens")).concat();
    let beside = folder.path().join("b.redb");
    let mut writer = SnapshotWriter::create(&beside, StoreOptions::new("c")).expect("creates");
    stream.iter().for_each(|byte| writer.feed(&[*byte]).expect("takes"));
    assert_eq!(writer.finish().expect("whole").checkpoint().applied.index, 0);
}

/// `cargo test --release -p reddwarf-storage --test snapshot speed -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn speed() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut sender = Member::new(&folder.path().join("a.redb"));
    sender.write_in_batches(200_000, 5_000);
    let bytes = sender.store.file_bytes();
    let mut reader = SnapshotReader::open(sender.store.clone(), "c").expect("opens");
    let beside = folder.path().join("b.redb");
    let mut writer = SnapshotWriter::create(&beside, StoreOptions::new("c")).expect("creates");
    let (mut sent, mut reading) = (0, std::time::Duration::ZERO);
    let started = std::time::Instant::now();
    loop {
        let read = std::time::Instant::now();
        let chunk = reader.next_chunk().expect("reads");
        reading += read.elapsed();
        let Some(chunk) = chunk else { break };
        sent += chunk.len();
        writer.feed(&chunk).expect("takes");
    }
    let fed = started.elapsed();
    writer.finish().expect("whole");
    let total = started.elapsed();
    println!(
        "file {} MB, sent {} MB; read {reading:.1?}, written {:.1?}, finished {:.1?}; {:.0} MB/s",
        bytes / 1_000_000,
        sent / 1_000_000,
        fed - reading,
        total - fed,
        sent as f64 / 1e6 / total.as_secs_f64(),
    );
}

#[test]
fn a_damaged_file_is_kept_when_a_fetched_one_takes_its_place() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut source = Member::new(&folder.path().join("source.redb"));
    source.write(30);
    let path = folder.path().join("state.redb");
    let damaged = open(&path);
    let before = std::fs::read(&path).expect("reads");
    for round in 0..2 {
        let mut reader = SnapshotReader::open(source.store.clone(), "c").expect("opens");
        let beside = folder.path().join("fetched.redb");
        let mut writer = SnapshotWriter::create(&beside, StoreOptions::new("c")).expect("opens");
        while let Some(chunk) = reader.next_chunk().expect("reads") {
            writer.feed(&chunk).expect("written");
        }
        let received = writer.finish().expect("whole");
        assert!(received.path().is_file());
        received.install_for_damaged(&damaged).expect("takes its place");
        assert!(!received.path().exists());
        let loaded = load(damaged.as_ref(), WindowLimits::default()).expect("whole");
        assert_eq!(loaded.state.root(), source.state.root(), "round {round}");
        let kept = std::fs::read(damaged_copy(&path)).expect("one is kept");
        assert_eq!(kept.len() == before.len(), round == 0, "the newest one");
    }
}
