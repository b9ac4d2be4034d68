//! What a thousand definitions of custom kinds cost a member. A measurement: it takes a minute
//! and is run by hand, `cargo test --release -p reddwarf-tests --test costs definitions --
//! --ignored --nocapture`.
//!
//! The store is in memory, so the times are those of the API server and the leader's loops alone:
//! of each definition from its creation to the first answer of its kind; of discovery the first
//! answer after a change and the fastest of many; of a start what it takes to know all kinds.

use reddwarf_apiserver::registry::LiveRegistry;
use reddwarf_tests::definitions::{Definer, ask, least, median};
use reddwarf_tests::leader::Leader;
use reddwarf_tests::memory_store::MemoryStore;
use std::time::{Duration, Instant};

const STEPS: usize = 10;
const OF_A_STEP: usize = 100;
const REQUESTS: usize = 200;

/// The fastest of some times to make a registry that knows all definitions.
fn start(store: &MemoryStore) -> Duration {
    let one = || {
        let began = Instant::now();
        LiveRegistry::builtin().refresh(store);
        began.elapsed()
    };
    (0..20).map(|_| one()).min().unwrap_or_default()
}

async fn show(leader: &Leader, store: &MemoryStore, made: usize, times: Vec<Duration>) {
    let longest = times.iter().max().copied().unwrap_or_default();
    let usual = if times.is_empty() { Duration::ZERO } else { median(times) };
    let mut row = format!("{made:5} {:10.1?} {usual:10.1?} {longest:10.1?}", start(store));
    for path in ["/apis", "/openapi/v3"] {
        let (first, bytes) = ask(leader, path).await;
        let least = least(leader, path, REQUESTS).await;
        row += &format!(" {first:10.1?} {least:10.1?} {bytes:8}");
    }
    println!("{row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement of a minute"]
async fn a_thousand_definitions_cost_little_each() {
    let store = MemoryStore::new();
    let leader = Leader::over(store.clone());
    let mut definer = Definer::new(&leader).await;
    println!("definitions, start, each (median, longest),");
    println!("then /apis and /openapi/v3 (first, fastest, bytes)");
    show(&leader, &store, 0, Vec::new()).await;
    for step in 1..=STEPS {
        let times = definer.define(OF_A_STEP).await;
        show(&leader, &store, step * OF_A_STEP, times).await;
    }
}
