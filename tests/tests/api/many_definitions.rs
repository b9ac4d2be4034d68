//! A thousand definitions of custom kinds: the last one costs what the first one did.

use reddwarf_tests::definitions::{Definer, ask, group, least, median};
use reddwarf_tests::leader::Leader;
use reddwarf_tests::memory_store::MemoryStore;
use std::time::Duration;

const DEFINITIONS: usize = 1_000;
/// Definitions whose times are compared.
const COMPARED: usize = 100;
/// How much longer the last ones may take. Far from what a walk over all others would cost, and
/// far enough from 1 for a machine that does something else meanwhile.
const SLOWER_MAX: u32 = 4;
/// Requests of which the fastest counts.
const REQUESTS: usize = 300;
/// What a definition may add to discovery is a tenth for every hundred.
const DISCOVERY_MAX: u32 = 2;
/// Below this a clock and a cache tell more than the code.
const NOISE: Duration = Duration::from_micros(20);

#[tokio::test]
async fn the_last_of_a_thousand_costs_what_the_first_did() {
    let leader = Leader::over(MemoryStore::new());
    let mut definer = Definer::new(&leader).await;
    let mut times = definer.define(COMPARED).await;
    let of_group = format!("/apis/{}", group(0));
    let paths = [of_group.clone(), format!("{of_group}/v1"), "/apis".to_owned()];
    let mut few = Vec::new();
    for path in &paths {
        few.push(least(&leader, path, REQUESTS).await);
    }
    times.extend(definer.define(DEFINITIONS - COMPARED).await);
    let first = median(times[..COMPARED].to_vec());
    let last = median(times[DEFINITIONS - COMPARED..].to_vec());
    assert!(last <= first * SLOWER_MAX, "the first took {first:?}, the last {last:?}");
    let (_, bytes) = ask(&leader, "/apis").await;
    for (path, few) in paths.iter().zip(few) {
        let many = least(&leader, path, REQUESTS).await;
        assert!(
            many <= few * DISCOVERY_MAX + NOISE,
            "{path} took {few:?} with {COMPARED} definitions, {many:?} with {DEFINITIONS}; all of it is {bytes} bytes"
        );
    }
}
