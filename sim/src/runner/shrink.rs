//! Takes faults out of a plan as long as it fails in the same way (delta debugging).

use super::child::Runs;
use crate::plan::Plan;
use crate::run::Report;
use std::io;

/// Runs that shrinking may take.
const RUNS_MAX: usize = 150;

/// The faults that are left, by their places, and the report of the run with them.
///
/// # Errors
/// When runs cannot be started.
pub fn shrink(runs: &Runs, plan: &Plan, first: &Report) -> io::Result<(Vec<usize>, Report)> {
    let mut left: Vec<usize> = (0..plan.faults.len()).collect();
    let mut report = first.clone();
    let check = |report: &Report| report.violation.as_ref().map(|found| found.check.clone());
    let wanted = check(first);
    let mut done = 0;
    // What happens after the violation has nothing to do with it.
    if let Some(violation) = &first.violation {
        let before: Vec<usize> = left
            .iter()
            .copied()
            .filter(|place| plan.faults[*place].at_ms <= violation.at_ms)
            .collect();
        let again = runs.run(&plan.clone().only(&before), false)?;
        if check(&again) == wanted {
            (left, report) = (before, again);
        }
    }
    let mut part = left.len().div_ceil(2);
    while part > 0 && done < RUNS_MAX {
        let mut at = 0;
        let mut shrunk = false;
        while at < left.len() && done < RUNS_MAX {
            let mut fewer = left.clone();
            fewer.drain(at..(at + part).min(left.len()));
            done += 1;
            let again = runs.run(&plan.clone().only(&fewer), false)?;
            if check(&again) == wanted {
                (left, report, shrunk) = (fewer, again, true);
            } else {
                at += part;
            }
        }
        if !shrunk || part > left.len() {
            part /= 2;
        }
    }
    Ok((left, report))
}
