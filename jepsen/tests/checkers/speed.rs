//! How long an hour's history takes. Not run by default:
//! `cargo test --release -p jepsen --test checkers speed -- --ignored --nocapture`.

use crate::simulated::{Plan, Simulation};
use jepsen::checker::{Parameters, check};
use jepsen::report;
use jepsen::trace::Trace;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;
use std::time::Instant;

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0) / 1024
}

fn generate(plan: Plan, path: &Path) {
    let mut file = BufWriter::new(File::create(path).expect("a file"));
    Simulation::run(plan, |op| writeln!(file, "{op}").expect("room on the disk"));
}

#[test]
#[ignore = "a minute and a gigabyte of disk"]
fn an_hour_is_checked_in_minutes() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = std::env::var_os("JEPSEN_SPEED").map_or(folder.path().to_owned(), Into::into);
    let path = folder.join("history.edn");
    let begun = Instant::now();
    generate(
        Plan {
            lines: 2_000_000,
            writers: 40,
            watchers: 15,
            listers: 2,
            keys: 50,
            retire_after: 200,
            unknown_percent: 2,
            watch_ms: 2_000,
            list_every_ms: 1_000,
            fault_every_ms: 20_000,
            ..Plan::default()
        },
        &path,
    );
    println!(
        "generated in {:?}, {} MiB",
        begun.elapsed(),
        path.metadata().map_or(0, |file| file.len() >> 20)
    );
    let begun = Instant::now();
    let trace =
        Trace::read(BufReader::new(File::open(&path).expect("the file"))).expect("a history");
    println!("read {} lines in {:?}, peak {} MiB", trace.lines, begun.elapsed(), peak_mib());
    let parameters = Parameters { workloads: vec!["watch".to_owned()], ..Parameters::default() };
    let begun = Instant::now();
    let verdict = check(&trace, &parameters);
    println!("checked in {:?}, peak {} MiB", begun.elapsed(), peak_mib());
    println!("{}", report::summary(&verdict, &parameters));
    assert!(verdict.anomalies().next().is_none());
    let begun = Instant::now();
    report::write_trace(&folder, &trace, &verdict, &parameters).expect("a report");
    println!("reported in {:?}, peak {} MiB", begun.elapsed(), peak_mib());
    assert!(begun.elapsed().as_secs() < 120 && peak_mib() < 6 * 1024);
}
