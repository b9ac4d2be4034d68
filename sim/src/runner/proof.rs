//! The proof that the simulation finds known mistakes: each is made in all members, and some seed must
//! show it.

use super::child::{Runs, SIMULATION};
use super::{run_all, shrink};
use crate::plan;
use crate::run::Report;
use std::fmt;
use std::io;

/// The mistakes that must be found, by the names that `reddwarf_core::planted` has for them.
pub const MISTAKES: [&str; 8] = [
    "early-acknowledgement",
    "unchecked-compare-and-swap",
    "early-purge",
    "snapshot-from-memory",
    "lease-read",
    "wiped-voter",
    "evicted-request",
    "cut-damage",
];

/// How a mistake was found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The first seed that shows it.
    pub seed: u64,
    /// The invariant that did not hold.
    pub check: String,
    /// The faults of that seed.
    pub faults: usize,
    /// Those that it takes, unless that was not looked for.
    pub needed: Option<usize>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>5}  {:<20} ", self.seed, self.check)?;
        match self.needed {
            Some(needed) => write!(f, "{needed} of {} faults", self.faults),
            None => write!(f, "{} faults", self.faults),
        }
    }
}

/// Makes a mistake under the seeds from `first` on until one shows it; `None` when none does.
/// Nothing is shown by a run that itself went wrong, nor by a seed that fails in the same way without the
/// mistake.
///
/// # Errors
/// When runs cannot be started.
pub fn find(
    bug: &str,
    first: u64,
    seeds: u64,
    jobs: usize,
    shrinks: bool,
) -> io::Result<Option<Finding>> {
    let (runs, sound) = (Runs::new(Some(bug.to_owned()))?, Runs::new(None)?);
    let end = first + seeds;
    let mut next = first;
    while next < end {
        let summary = run_all(&runs, next, end - next, jobs, false)?;
        // By seed: all lower ones were run to their end as well.
        for report in &summary.failed {
            let without = sound.run(&plan::draw(report.seed), false)?;
            let check = check_of(report).filter(|check| *check != SIMULATION);
            if let Some(check) = check.filter(|check| check_of(&without) != Some(*check)) {
                return finding(&runs, report, check, shrinks).map(Some);
            }
        }
        let Some(last) = summary.failed.last() else { return Ok(None) };
        next = last.seed + 1;
    }
    Ok(None)
}

/// The invariant that does not hold.
fn check_of(report: &Report) -> Option<&str> {
    report.violation.as_ref().map(|violation| violation.check.as_str())
}

fn finding(runs: &Runs, report: &Report, check: &str, shrinks: bool) -> io::Result<Finding> {
    let plan = plan::draw(report.seed);
    let needed = match shrinks {
        true => Some(shrink(runs, &plan, report)?.0.len()),
        false => None,
    };
    Ok(Finding { seed: report.seed, check: check.to_owned(), faults: plan.faults.len(), needed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reddwarf_core::planted::Bug;

    #[test]
    fn members_know_all_mistakes() {
        let unknown = MISTAKES.iter().find(|name| Bug::named(name).is_none());
        assert_eq!(unknown, None);
    }
}
