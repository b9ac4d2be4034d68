//! A process that writes is killed again and again; its file opens at once and holds what was
//! reported durable.

use reddwarf_core::{Change, Collection, ObjectIndex, Proposal, ProposalKind, RequestId, Write};
use reddwarf_storage::{
    Durable, Persist, PersistBatch, Persister, PersisterLimits, RedbStore, StoreOptions, load,
    read_checkpoint,
};
use reddwarf_versioning::{EntryContext, State, WindowLimits};
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Names the file to the child process; unset in an ordinary run.
const CHILD: &str = "REDDWARF_KILL_TEST_FILE";

fn proposal(index: u64) -> Proposal {
    let key = Collection::new("", "pods").key("ns", &format!("pod-{}", index % 50));
    let change = Change::Put {
        key,
        body: format!(r#"{{"metadata":{{"resourceVersion":""}},"n":"{index:0500}"}}"#).into(),
        version_offset: 32,
        index: ObjectIndex::default(),
        salt: None,
    };
    Proposal {
        request_id: RequestId(u128::from(index).to_be_bytes()),
        made_at: index - 1,
        kind: ProposalKind::Write(Write { changes: vec![change], ..Write::default() }),
    }
}

fn step(state: &mut State, index: u64) -> PersistBatch {
    let entry = EntryContext { index, term: 1, leader: 1 };
    let applied = vec![state.apply(entry, proposal(index)).expect("in order")];
    PersistBatch { applied, checkpoint: state.checkpoint() }
}

fn open(path: &Path) -> RedbStore {
    RedbStore::open(path, StoreOptions::new("kill")).expect("opens")
}

/// The child's part: writes for ever and prints each index that is durable.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = Arc::new(open(Path::new(&path)));
    let loaded = load(store.as_ref(), WindowLimits::default()).expect("loads");
    let mut state = loaded.state;
    let durable = Durable::from(&loaded.checkpoint);
    let limits = PersisterLimits { gather: Duration::ZERO, ..PersisterLimits::default() };
    let persister = Persister::start(store, durable, limits, Arc::new(|_| ())).expect("a thread");
    let mut out = std::io::stdout();
    loop {
        for _ in 0..20 {
            let index = state.applied().index + 1;
            persister.submit(step(&mut state, index));
        }
        let durable = persister.durable().applied.index;
        writeln!(out, "durable {durable}").and_then(|()| out.flush()).expect("the parent reads");
        if persister.backlog_bytes() > 1024 * 1024 {
            persister.flush().expect("writes");
        }
    }
}

/// Lets a child write for some lines, kills it, and returns the last index that it reported.
fn run_and_kill(path: &Path, lines: usize) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let reported = out
        .lines()
        .map_while(Result::ok)
        .filter_map(|line| line.strip_prefix("durable ").and_then(|n| n.parse().ok()))
        .take(lines)
        .last();
    child.kill().expect("kills");
    child.wait().expect("ends");
    reported.expect("the child wrote")
}

#[test]
fn a_killed_writer_loses_nothing_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("state.redb");
    let mut expected = State::new();
    for round in 0..8 {
        let reported = run_and_kill(&path, 10 + round * 7);
        let began = Instant::now();
        let store = open(&path);
        let checkpoint = read_checkpoint(&store).expect("reads");
        let took = began.elapsed();
        assert!(took < Duration::from_secs(1), "opening took {took:?}");
        let found = checkpoint.applied.index;
        assert!(found >= reported, "{found} found, {reported} reported durable");
        for index in expected.applied().index + 1..=found {
            step(&mut expected, index);
        }
        let loaded = load(&store, WindowLimits::default()).expect("loads");
        assert_eq!(loaded.state.root(), expected.root());
    }
    assert!(expected.applied().index > 0);
}
