//! The proof that the simulation finds known mistakes: each is made in all members, and some seed must
//! show it.

use super::child::{Runs, SIMULATION};
use super::{run_all, shrink};
use crate::plan;
use crate::run::Report;
use std::fmt;
use std::io;

/// The mistakes that must be found, by the names that `reddwarf_core::planted` has for them.
pub const MISTAKES: [&str; 7] = [
    "early-acknowledgement",
    "unchecked-compare-and-swap",
    "early-purge",
    "snapshot-from-memory",
    "lease-read",
    "wiped-voter",
    "evicted-request",
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
/// A run that itself went wrong shows nothing.
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
    let runs = Runs::new(Some(bug.to_owned()))?;
    let end = first + seeds;
    let mut next = first;
    while next < end {
        let summary = run_all(&runs, next, end - next, jobs, false)?;
        // By seed: all lower ones were run to their end as well.
        let Some(last) = summary.failed.last() else { return Ok(None) };
        next = last.seed + 1;
        let shown = summary.failed.iter().find_map(|report| Some((report, shown_by(report)?)));
        if let Some((report, check)) = shown {
            return finding(&runs, report, check, shrinks).map(Some);
        }
    }
    Ok(None)
}

/// The invariant that does not hold.
fn shown_by(report: &Report) -> Option<String> {
    let check = report.violation.as_ref().map(|violation| violation.check.clone());
    check.filter(|check| check != SIMULATION)
}

fn finding(runs: &Runs, report: &Report, check: String, shrinks: bool) -> io::Result<Finding> {
    let plan = plan::draw(report.seed);
    let needed = match shrinks {
        true => Some(shrink(runs, &plan, report)?.0.len()),
        false => None,
    };
    Ok(Finding { seed: report.seed, check, faults: plan.faults.len(), needed })
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
