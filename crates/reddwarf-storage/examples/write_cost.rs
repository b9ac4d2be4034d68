//! Measures what a write costs in `apply` and in the persister, and how long a restart takes.
//!
//! `cargo run --release -p reddwarf-storage --example write_cost -- [FOLDER] [WRITES] [KEYS]`

use reddwarf_core::{
    Author, Change, Collection, ObjectIndex, Proposal, ProposalKind, RequestId, View, Write,
};
use reddwarf_storage::{
    Durable, KvStore, Persist, PersistBatch, Persister, PersisterLimits, RedbStore, StoreOptions,
    load, read_checkpoint,
};
use reddwarf_versioning::{ChangeWindow, EntryContext, State, WindowLimits};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Entries in one round of apply, as 64 clients would make them.
const BATCH: u64 = 64;
const OBJECT_BYTES: usize = 1_024;

fn proposal(index: u64, keys: u64) -> Proposal {
    let key = Collection::new("", "configmaps").key("bench", &format!("map-{:08}", index % keys));
    let head = r#"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":""#;
    let body = format!("{head}\"}},\"data\":\"{}\"}}", "x".repeat(OBJECT_BYTES - head.len() - 14));
    let uid = format!("{:032x}", index % keys);
    let write = Write {
        author: Author {
            user: "kubernetes-admin".into(),
            groups: vec!["system:masters".into()],
            user_agent: "reddwarf-bench/1".into(),
            field_manager: "bench".into(),
        },
        verb: "update".into(),
        time_ms: 1_700_000_000_000 + index,
        changes: vec![Change::Put {
            key,
            body: body.into(),
            version_offset: head.len() as u32,
            index: ObjectIndex { uid: uid.into(), ..ObjectIndex::default() },
            salt: None,
        }],
        ..Write::default()
    };
    let request_id = RequestId(u128::from(index).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    Proposal { request_id, made_at: index - 1, kind: ProposalKind::Write(write) }
}

/// CPU time of the whole process so far, where the system tells (in steps of 10 ms on Linux):
/// on a busy machine the only figure that means anything.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(10 * ticks)
}

fn per(elapsed: Duration, cpu: Duration, writes: u64) -> String {
    let each = |time: Duration| time.as_secs_f64() * 1e6 / writes as f64;
    let rate = writes as f64 / elapsed.as_secs_f64();
    format!("{:.2} µs a write ({:.2} µs of CPU), {rate:.0} writes/s", each(elapsed), each(cpu))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".into());
    let writes: u64 = arguments.next().map_or(Ok(100_000), |n| n.parse())?;
    let keys: u64 = arguments.next().map_or(Ok(10_000), |n| n.parse())?;
    let path = std::path::Path::new(&folder).join("write-cost.redb");
    let _ = std::fs::remove_file(&path);

    let options = StoreOptions::new("bench");
    let store = Arc::new(RedbStore::open(&path, options.clone())?);
    let limits = PersisterLimits { backlog_bytes_max: usize::MAX, ..PersisterLimits::default() };
    let hook = Arc::new(|_| ());
    let persister = Persister::start(store.clone(), Durable::default(), limits, hook)?;
    let mut state = State::new();
    let (mut applying, mut index) = (Duration::ZERO, 0);
    let mut batches = Vec::new();
    let mut applying_cpu = Duration::ZERO;
    let mut window = ChangeWindow::new(state.revision(), WindowLimits::default());
    let mut published = View::default();
    while index < writes {
        let round: Vec<_> = (index + 1..=index + BATCH).map(|i| (i, proposal(i, keys))).collect();
        let (began, cpu_began) = (Instant::now(), cpu());
        let mut applied = Vec::with_capacity(round.len());
        for (i, proposal) in round {
            applied.push(state.apply(EntryContext { index: i, term: 1, leader: 1 }, proposal)?);
            index = i;
        }
        for commit in applied.iter().filter_map(|applied| applied.commit.as_ref()) {
            window.push(commit.branch, &commit.events, |_| ());
        }
        published = state.view();
        let batch = PersistBatch { applied, checkpoint: state.checkpoint() };
        applying += began.elapsed();
        applying_cpu += cpu() - cpu_began;
        batches.push(batch);
    }
    println!("apply    {} (revision {})", per(applying, applying_cpu, index), published.revision);
    let (began, cpu_began) = (Instant::now(), cpu());
    batches.into_iter().for_each(|batch| persister.submit(batch));
    persister.flush()?;
    let persisting = per(began.elapsed(), cpu() - cpu_began, index);
    println!("persist  {persisting}; file {} MiB", store.file_bytes() >> 20);
    persister.shutdown();
    drop(persister);
    drop(store);

    let began = Instant::now();
    let store = RedbStore::open(&path, options)?;
    let checkpoint = read_checkpoint(&store)?;
    println!("open     {:?} at index {}", began.elapsed(), checkpoint.applied.index);
    let began = Instant::now();
    let loaded = load(&store as &dyn KvStore, WindowLimits::default())?;
    println!(
        "load     {:?}: {} objects, {} changes",
        began.elapsed(),
        loaded.state.view().objects.len(),
        loaded.window.len()
    );
    assert_eq!(loaded.state.root(), state.root());
    std::fs::remove_file(&path)?;
    Ok(())
}
