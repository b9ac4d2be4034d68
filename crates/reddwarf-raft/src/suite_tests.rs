//! openraft's own suite over our log and state machine.

use crate::environment::Environment;
use crate::fanout::Fanout;
use crate::log_store::LogStore;
use crate::machine::Machine;
use crate::metrics::RaftMetrics;
use crate::types::TypeConfig;
use crate::wal::{FileDisk, Mode, Wal, WalOptions};
use openraft::StorageError;
use openraft::testing::log::{StoreBuilder, Suite};
use reddwarf_storage::{
    Durable, Persist, Persister, PersisterLimits, RedbStore, StoreOptions, load,
};
use reddwarf_versioning::WindowLimits;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Notify;

struct Builder;

impl StoreBuilder<TypeConfig, LogStore, Machine, TempDir> for Builder {
    async fn build(&self) -> Result<(TempDir, LogStore, Machine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().expect("tempdir");
        let options = WalOptions {
            dir: dir.path().join("wal"),
            segment_bytes: 64 * 1024,
            cache_bytes: 1_000,
        };
        let metrics = RaftMetrics::default();
        let wal = Wal::open(options, Arc::new(FileDisk), Mode::Thread, metrics.clone());
        let wal = wal.expect("the log opens");
        let store = RedbStore::open(dir.path().join("state.redb"), StoreOptions::new("suite"));
        let store = Arc::new(store.expect("the store opens"));
        let loaded = load(store.as_ref(), WindowLimits::default()).expect("loads");
        let progressed = Arc::new(Notify::new());
        let hook = {
            let progressed = Arc::clone(&progressed);
            Arc::new(move |_| progressed.notify_waiters())
        };
        let limits = PersisterLimits { gather: Duration::ZERO, ..PersisterLimits::default() };
        let durable = Durable::from(&loaded.checkpoint);
        let persist = Persister::start(Arc::clone(&store) as _, durable, limits, hook);
        let persist: Arc<dyn Persist> = Arc::new(persist.expect("the persister starts"));
        let fanout = Fanout::new(loaded.state.view(), loaded.window);
        let machine = Machine::new(
            loaded.state,
            fanout,
            store,
            persist,
            progressed,
            metrics,
            WindowLimits::default(),
            &Environment::default(),
        );
        Ok((dir, LogStore::new(Arc::new(wal)), machine))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn openrafts_suite_passes() {
    Suite::test_all(Builder).await.expect("the suite passes");
}
