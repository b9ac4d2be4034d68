//! Plans that are run each time: those of some dozens of seeds, and all that ever found something.

use sim::plan::{Plan, draw};
use sim::run::Report;
use sim::runner::{Runs, tell};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// Seeds that nobody has chosen.
const DOZENS: u64 = 24;

fn runs() -> Runs {
    let world = PathBuf::from(env!("CARGO_BIN_EXE_sim-world"));
    Runs { world, ..Runs::new(None).expect("a place") }
}

/// Runs plans, as many at a time as there are cores.
fn run(plans: &[Plan]) -> Vec<Report> {
    let (runs, next) = (runs(), AtomicUsize::new(0));
    let some = || {
        let mut reports = Vec::new();
        while let Some(plan) = plans.get(next.fetch_add(1, Ordering::Relaxed)) {
            reports.push(runs.run(plan, false).expect("it runs"));
        }
        reports
    };
    let jobs = available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..jobs).map(|_| scope.spawn(some)).collect();
        running.into_iter().flat_map(|one| one.join().expect("no panic")).collect()
    })
}

fn assert_safe(reports: &[Report]) {
    reports.iter().for_each(tell);
    assert!(reports.iter().all(|report| report.violation.is_none()), "some seeds failed");
}

#[test]
fn dozens_of_seeds_are_safe_and_come_to_rest() {
    let plans: Vec<Plan> = (1..=DOZENS).map(draw).collect();
    let reports = run(&plans);
    assert_safe(&reports);
    // Under faults as well as without, work gets done.
    let committed: u64 = reports.iter().map(|report| report.counts.committed).sum();
    let events: u64 = reports.iter().map(|report| report.counts.events).sum();
    assert!(committed > 50 * DOZENS && events > 50 * DOZENS, "{committed} writes, {events} events");
    let rare: Vec<_> = reports.iter().map(|report| report.counts).collect();
    for (what, count) in [
        ("reads of the past", rare.iter().map(|counts| counts.pasts).sum::<u64>()),
        ("watched commits", rare.iter().map(|counts| counts.commits).sum()),
        ("backups", rare.iter().map(|counts| counts.backups).sum()),
    ] {
        assert!(count > DOZENS / 2, "{count} {what}");
    }
}

#[test]
fn a_plan_that_found_something_finds_it_no_more() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kept");
    let kept = std::fs::read_dir(folder).expect("plans are kept");
    let mut paths: Vec<PathBuf> = kept.map(|entry| entry.expect("an entry").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    assert!(!paths.is_empty());
    let plan = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).expect("it can be read");
        serde_json::from_str(&text).expect("it is a plan")
    };
    let plans: Vec<Plan> = paths.iter().map(plan).collect();
    assert_safe(&run(&plans));
}

#[test]
fn a_seed_leads_to_the_same_run_each_time() {
    for seed in [3, 8, 21] {
        let first = runs().run(&draw(seed), false).expect("it runs");
        let second = runs().run(&draw(seed), false).expect("it runs");
        assert_eq!(first, second);
        assert!(first.simulated_ms > 0, "{first:?}");
    }
}

#[test]
fn other_seeds_lead_to_other_runs() {
    let [first, second] = [1, 2].map(|seed| runs().run(&draw(seed), false).expect("it runs"));
    assert_ne!(first.digest, second.digest);
}
