//! A whole run, short: real members, real faults, a history that is judged.

use jepsen::checker::{self, Valid};
use jepsen::history::{History, Kind, Process, value};
use jepsen::host::Loopback;
use jepsen::run::{self, HISTORY, Plan, TEST, Where, parameters};
use jepsen::trace::Trace;
use jepsen::{nemesis, workload};
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The member's program, or none where there is none.
pub fn program() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/release/reddwarf");
    let program = std::env::var_os("REDDWARF").map_or(beside, PathBuf::from);
    if !program.is_file() {
        eprintln!("SKIPPED: {} is not there; REDDWARF may name another", program.display());
        return None;
    }
    Some(program)
}

fn plan(out: &Path, program: PathBuf) -> Plan {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let hosts = Arc::new(Loopback::find(3).expect("free ports"));
    Plan {
        subject: Where::Own { hosts, nodes: 3, programs: vec![program] },
        version: "under test".into(),
        workloads: workload::find(&names(&["register", "set", "watch"])).expect("workloads"),
        nemeses: nemesis::find(&names(&["kill-leader", "pause"])).expect("nemeses"),
        left_out: Vec::new(),
        time: Duration::from_secs(14),
        seed: 11,
        rate: 200.0,
        ok_per_second_min: 20.0,
        concurrency: 6,
        timeout: Duration::from_secs(5),
        out: out.to_owned(),
    }
}

fn read(folder: &Path) -> BufReader<std::fs::File> {
    BufReader::new(std::fs::File::open(folder.join(HISTORY)).expect("a history"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_act_faults_happen_and_nothing_is_wrong() {
    let Some(program) = program() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let plan = plan(folder.path(), program);
    run::run(&plan).await.expect("a run");

    let history = History::read(read(folder.path())).expect("lines");
    let killed = history
        .ops
        .iter()
        .find(|op| op.f == "kill-leader" && value::field(&op.value, "evidence").is_some());
    let killed = killed.expect("a leader was shown to be killed");
    assert_eq!((killed.process, killed.kind), (Process::Nemesis, Kind::Info));
    let writable = history.ops.iter().rfind(|op| op.f == "writable").expect("asked at the end");
    assert_eq!(writable.kind, Kind::Ok, "{writable}");

    let parameters = parameters(&folder.path().join(TEST)).expect("what was run");
    let verdict = checker::check(&Trace::read(read(folder.path())).expect("lines"), &parameters);
    assert_eq!(verdict.valid(), Valid::Yes, "{:#}", verdict.to_edn());
}
