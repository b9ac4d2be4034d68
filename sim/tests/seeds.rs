//! Seeds that are run each time: some dozens, and all that ever found something.

use sim::run::Report;
use sim::runner::{Runs, tell};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// Seeds that nobody has chosen.
const DOZENS: u64 = 36;

/// Seeds that found something once, one a line; what it was stands behind them.
const KEPT: &str = include_str!("kept-seeds.txt");

fn runs() -> Runs {
    let world = PathBuf::from(env!("CARGO_BIN_EXE_sim-world"));
    Runs { world, ..Runs::new(None).expect("a place") }
}

/// Runs seeds, as many at a time as there are cores.
fn run(seeds: &[u64]) -> Vec<Report> {
    let (runs, next) = (runs(), AtomicUsize::new(0));
    let some = || {
        let mut reports = Vec::new();
        while let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)) {
            reports.push(runs.run(*seed, None, false).expect("it runs"));
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
    let seeds: Vec<u64> = (1..=DOZENS).collect();
    let reports = run(&seeds);
    assert_safe(&reports);
    // Under faults as well as without, work gets done.
    let committed: u64 = reports.iter().map(|report| report.counts.committed).sum();
    let events: u64 = reports.iter().map(|report| report.counts.events).sum();
    assert!(committed > 50 * DOZENS && events > 50 * DOZENS, "{committed} writes, {events} events");
}

#[test]
fn a_seed_that_found_something_finds_it_no_more() {
    let number = |line: &str| line.split_whitespace().next()?.parse().ok();
    let seeds: Vec<u64> =
        KEPT.lines().filter(|line| !line.starts_with('#')).filter_map(number).collect();
    assert!(!seeds.is_empty());
    assert_safe(&run(&seeds));
}

#[test]
fn a_seed_leads_to_the_same_run_each_time() {
    for seed in [3, 8, 21] {
        let first = runs().run(seed, None, false).expect("it runs");
        let second = runs().run(seed, None, false).expect("it runs");
        assert_eq!(first, second);
        assert!(first.simulated_ms > 0, "{first:?}");
    }
}

#[test]
fn other_seeds_lead_to_other_runs() {
    let [first, second] = [1, 2].map(|seed| runs().run(seed, None, false).expect("it runs"));
    assert_ne!(first.digest, second.digest);
}
