//! The `Store` suite over the store in memory, and what only that store can show.

use reddwarf_core::{Collection, Revision, Store, WatchClosed};
use reddwarf_tests::memory_store::MemoryStore;
use reddwarf_tests::store_suite;
use reddwarf_versioning::WindowLimits;
use std::sync::Arc;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn keeps_the_contract() {
    let store: Arc<dyn Store> = MemoryStore::new();
    store_suite::run(vec![store.clone(), store.clone(), store]).await;
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
