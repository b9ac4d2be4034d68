//! What reading the past costs in a store of a million commits.
//!
//! ```text
//! cargo test --release -p reddwarf-storage --lib measured -- --ignored --nocapture
//! ```
//!
//! The rows are those that `apply` leads to, written in large transactions. One commit in fifty
//! changes the same object; the others go round 100,000 objects in 100 namespaces.

use super::HistoryReader;
use crate::transaction::{Written, transaction_of};
use crate::{KvStore, PersistBatch, RedbStore, StoreOptions};
use reddwarf_core::{
    BranchId, Change, Collection, CommitRef, HistoryError, ObjectIndex, ObjectKey, Outcome,
    Proposal, ProposalKind, RequestId, Revision, View, Write,
};
use reddwarf_versioning::{EntryContext, State};
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const COMMITS: u64 = 1_000_000;
const OBJECTS: u64 = 100_000;
const NAMESPACES: u64 = 100;
const TRANSACTION_ENTRIES: u64 = 20_000;
const ROUNDS: u64 = 2_000;

fn pods() -> Collection {
    Collection::new("", "pods")
}

fn key(n: u64) -> ObjectKey {
    pods().key(&format!("ns-{}", n % NAMESPACES), &format!("pod-{n}"))
}

fn hot() -> ObjectKey {
    Collection::new("apps", "deployments").key("ns-0", "hot")
}

fn entry(index: u64) -> Proposal {
    let key = if index.is_multiple_of(50) { hot() } else { key(index % OBJECTS) };
    let filler = "x".repeat(200);
    let body = format!(r#"{{"metadata":{{"resourceVersion":""}},"n":{index},"f":"{filler}"}}"#);
    let put = Change::Put {
        key,
        body: body.into(),
        version_offset: 32,
        index: ObjectIndex::default(),
        salt: None,
    };
    let write = Write { changes: vec![put], time_ms: index, ..Write::default() };
    let request_id = RequestId(u128::from(index).to_be_bytes());
    Proposal { request_id, made_at: index - 1, kind: ProposalKind::Write(write) }
}

fn fill(store: &dyn KvStore) -> View {
    let mut state = State::new();
    let (mut applied, mut written) = (Vec::new(), Written::default());
    for index in 1..=COMMITS {
        let done = state.apply(EntryContext { index, term: 1, leader: 1 }, entry(index));
        let done = done.expect("in order");
        assert!(matches!(done.outcome, Outcome::Committed(_)), "{:?}", done.outcome);
        applied.push(done);
        if index.is_multiple_of(TRANSACTION_ENTRIES) {
            let durable = index - TRANSACTION_ENTRIES;
            let batch = PersistBatch {
                applied: std::mem::take(&mut applied),
                checkpoint: state.checkpoint(),
            };
            let rows = transaction_of(&[batch], durable, &mut written).expect("rows");
            store.commit(rows).expect("writes");
        }
    }
    state.view()
}

fn open(path: &Path) -> HistoryReader {
    let store = RedbStore::open(path, StoreOptions::new("measured")).expect("opens");
    HistoryReader::new(Arc::new(store))
}

/// A number below `below` that follows from `n` alone.
fn scattered(n: u64, below: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(31) % below
}

fn measure<T: Debug>(
    name: &str,
    rounds: u64,
    mut operation: impl FnMut(u64) -> Result<T, HistoryError>,
) -> Duration {
    let mut took: Vec<_> = (1..=rounds)
        .map(|round| {
            let began = Instant::now();
            operation(round).expect("reads");
            began.elapsed()
        })
        .collect();
    let first = took[0];
    took.sort_unstable();
    let at = |part: u64| took[(rounds * part / 100).min(rounds - 1) as usize];
    println!("{name:<34} {:>10.1?} {:>10.1?} {:>10.1?} {first:>10.1?}", at(50), at(99), at(100));
    at(99)
}

#[test]
#[ignore = "a measurement of minutes, with gigabytes of disk"]
fn a_million_commits() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let began = Instant::now();
    let newest = {
        let store = RedbStore::open(&path, StoreOptions::new("measured")).expect("a new file");
        fill(&store)
    };
    let bytes = std::fs::metadata(&path).expect("the file").len();
    println!("filled in {:.0?}, {} MB", began.elapsed(), bytes / 1_000_000);

    let main = BranchId::MAIN;
    let ids: Vec<_> = {
        let reader = open(&path);
        let revisions = (1..=ROUNDS).map(|n| Revision(1 + scattered(n, COMMITS)));
        let commits = revisions.map(|revision| reader.commit(&CommitRef::Revision(revision)));
        commits.map(|commit| commit.expect("reads").expect("there").id).collect()
    };
    // Opened anew, with an empty cache.
    let nothing = View::default();
    let reader = open(&path);
    println!("{:<34} {:>10} {:>10} {:>10} {:>10}", "", "median", "99 %", "worst", "first");
    let log = measure("object_log, 10 of 10 changes", ROUNDS, |n| {
        reader.object_log(main, &key(scattered(n, OBJECTS)), None, 100)
    });
    measure("object_log, 100 of 20,000", ROUNDS, |n| {
        let before = Revision(1_000 + scattered(n, COMMITS - 1_000));
        reader.object_log(main, &hot(), Some(before), 100)
    });
    measure("commit by revision", ROUNDS, |n| {
        reader.commit(&CommitRef::Revision(Revision(1 + scattered(n, COMMITS))))
    });
    let by_id =
        measure("commit by id", ROUNDS, |n| reader.commit(&CommitRef::Id(ids[n as usize - 1])));
    measure("commit by 12 digits", ROUNDS, |n| {
        let prefix = ids[n as usize - 1].to_string();
        reader.commit(&CommitRef::Prefix(prefix[..12].parse().expect("a prefix")))
    });
    measure("commits, a page of 100", ROUNDS, |n| {
        let through = Revision(1_000 + scattered(n, COMMITS - 1_000));
        reader.commits(main, Revision::ZERO, through, 100)
    });
    measure("resolve_time", ROUNDS, |n| reader.resolve_time(1 + scattered(n, COMMITS)));
    measure("object_at", ROUNDS, |n| {
        let at = Revision(1 + scattered(n, COMMITS));
        reader.object_at(main, &key(scattered(n + 7, OBJECTS)), at)
    });
    measure("collection_at, 1,000 objects", 100, |n| {
        let namespace = format!("ns-{}", scattered(n, NAMESPACES));
        let at = Revision(200_000 + scattered(n, COMMITS - 200_000));
        reader.collection_at(main, &pods(), Some(&namespace), at, &nothing)
    });
    measure("collection_at, 100,000 objects", 3, |n| {
        let at = Revision(200_000 + scattered(n, COMMITS - 200_000));
        reader.collection_at(main, &pods(), None, at, &nothing)
    });
    measure("collection_at, 100,000 known", 3, |_| {
        reader.collection_at(main, &pods(), None, Revision(COMMITS), &newest)
    });
    measure("changed_between, 100 commits", ROUNDS, |n| {
        let from = 1 + scattered(n, COMMITS - 100);
        reader.changed_between(main, Revision(from), Revision(from + 100))
    });
    assert!(log < Duration::from_millis(5) && by_id < Duration::from_millis(1));
}
