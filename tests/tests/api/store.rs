//! The suites of `Store` and `History` over the store in memory, and what only that store can show.

use reddwarf_core::{
    BranchId, Change, Collection, CommitRef, History, HistoryError, ObjectIndex, ObjectKey,
    Revision, Store, WatchClosed, Write,
};
use reddwarf_tests::history_suite::Member;
use reddwarf_tests::memory_store::MemoryStore;
use reddwarf_tests::{branch_suite, history_suite, store_suite};
use reddwarf_versioning::WindowLimits;
use std::sync::Arc;

fn put(key: &ObjectKey) -> Write {
    let change = Change::Put {
        key: key.clone(),
        body: r#"{"metadata":{"resourceVersion":""}}"#.into(),
        version_offset: 32,
        index: ObjectIndex::default(),
        salt: None,
    };
    Write { changes: vec![change], ..Write::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    let store: Arc<dyn Store> = MemoryStore::new();
    store_suite::run(vec![store.clone(), store.clone(), store]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract_of_history() {
    let store = MemoryStore::new();
    let member = Member { store: store.clone(), history: store };
    history_suite::run(vec![member.clone(), member], rand::random()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract_of_branches() {
    let store = MemoryStore::new();
    let member = Member { store: store.clone(), history: store };
    branch_suite::run(vec![member.clone(), member]).await;
}

#[tokio::test]
async fn a_bounded_history_names_its_floor() {
    let store = MemoryStore::with_history(3);
    let key = Collection::new("", "pods").key("ns", "a");
    for _ in 0..5 {
        store.propose(put(&key)).await.expect("commits");
    }
    let (asked, floor) = (Revision(1), Revision(2));
    assert_eq!(store.floor().await.expect("reads"), floor);
    let answer = store.object_at(BranchId::MAIN, &key, asked).await;
    let Err(HistoryError::Gone { asked: a, floor: f }) = answer else { panic!("{answer:?}") };
    assert_eq!((a, f), (asked, floor));
    let object = store.object_at(BranchId::MAIN, &key, floor).await.expect("the floor itself");
    assert_eq!(object.map(|object| object.revision), Some(floor));
    let commit = store.commit(&CommitRef::Revision(floor)).await;
    assert!(matches!(commit, Err(HistoryError::Gone { .. })));
}

#[tokio::test]
async fn readers_fall_behind_a_small_window() {
    let limits = WindowLimits { collection_events_max: 8, ..WindowLimits::default() };
    store_suite::run_beyond_window(MemoryStore::with_limits(limits), 8).await;
}

#[tokio::test]
async fn stopping_closes_watches() {
    let store = MemoryStore::new();
    let collection = Collection::new("", "pods");
    let mut waiting = store.watch(&collection, Revision::ZERO).expect("from the start");
    let reader = tokio::spawn(async move { waiting.next().await.map(|_| ()) });
    tokio::task::yield_now().await;
    assert_eq!(store.watchers(), 1);
    store.stop();
    assert_eq!(reader.await.expect("does not panic"), Err(WatchClosed::Stopping));
    assert_eq!(store.watchers(), 0);
    let mut late = store.watch(&collection, Revision::ZERO).expect("is told at its first read");
    assert_eq!(late.next().await.map(|_| ()), Err(WatchClosed::Stopping));
}

#[tokio::test]
async fn the_clock_counts_ticks() {
    let store = MemoryStore::new();
    let root = store.root();
    store.tick(250);
    store.tick(50);
    assert_eq!(store.view().clock_ms, 300);
    assert_eq!(store.view().revision, Revision::ZERO);
    assert_ne!(store.root(), root);
}
