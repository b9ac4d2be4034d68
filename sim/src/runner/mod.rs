//! Runs many seeds, each in a process of its own, and tells what came of them.

mod child;
mod proof;
mod shrink;

pub use child::Runs;
pub use proof::{Finding, MISTAKES, find};
pub use shrink::shrink;

use crate::plan;
use crate::run::Report;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Instant;

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Summary {
    /// How many were run.
    pub seeds: u64,
    /// Those that failed.
    pub failed: Vec<Report>,
    /// Simulated seconds for each second that passed.
    pub rate: f64,
    /// Simulated seconds.
    pub simulated_s: f64,
}

/// Runs the seeds from `first` on, so many at a time; ends early at the first that fails unless told to
/// go on.
///
/// # Errors
/// When runs cannot be started.
pub fn run_all(
    runs: &Runs,
    first: u64,
    seeds: u64,
    jobs: usize,
    go_on: bool,
) -> io::Result<Summary> {
    let began = Instant::now();
    let (next, stop) = (AtomicU64::new(first), AtomicBool::new(false));
    let (reports, arrived) = mpsc::channel();
    let reports = Mutex::new(reports);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let sender = reports.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone();
            let (next, stop) = (&next, &stop);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds || sender.send(runs.run_seed(seed)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(reports);
        let mut summary = Summary::default();
        let mut simulated_ms = 0;
        for report in arrived {
            let report = report.inspect_err(|_| stop.store(true, Ordering::Relaxed))?;
            summary.seeds += 1;
            simulated_ms += report.simulated_ms;
            if report.violation.is_some() {
                tell(&report);
                stop.store(!go_on, Ordering::Relaxed);
                summary.failed.push(report);
            }
            if summary.seeds.is_multiple_of(100) {
                let rate = simulated_ms as f64 / 1e3 / began.elapsed().as_secs_f64();
                eprintln!("{} seeds, {rate:.0} simulated seconds a second", summary.seeds);
            }
        }
        summary.simulated_s = simulated_ms as f64 / 1e3;
        summary.rate = summary.simulated_s / began.elapsed().as_secs_f64();
        summary.failed.sort_by_key(|report| report.seed);
        Ok(summary)
    })
}

/// Tells of a run that failed.
pub fn tell(report: &Report) {
    if let Some(found) = &report.violation {
        let (seed, at_ms) = (report.seed, found.at_ms);
        eprintln!("seed {seed}: {} does not hold at {at_ms} ms: {}", found.check, found.what);
    }
}

/// Tells which faults a run that failed needs, and how it is run again; `keep` is the file to which the
/// plan with only those is written.
///
/// # Errors
/// When runs cannot be started.
pub fn explain(runs: &Runs, report: &Report, keep: Option<&Path>) -> io::Result<()> {
    let plan = plan::draw(report.seed);
    let (left, last) = shrink(runs, &plan, report)?;
    tell(&last);
    eprintln!("it takes {} of {} faults:", left.len(), plan.faults.len());
    for place in &left {
        eprintln!("  {place:>3} {}", plan.faults[*place]);
    }
    if let Some(path) = keep {
        let mut kept = serde_json::to_string_pretty(&plan.clone().only(&left))?;
        kept.push('\n');
        std::fs::write(path, kept)?;
    }
    eprintln!("again: {} --trace", runs.command(report.seed, Some(&left)));
    Ok(())
}
