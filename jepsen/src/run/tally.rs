//! How many operations a history has, of which kind and outcome.

use crate::history::{History, Kind, Process};
use std::collections::BTreeMap;
use std::fmt;

/// Counts by workload and operation.
#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<(String, String), [u64; 3]>,
    faults: BTreeMap<String, u64>,
}

impl Tally {
    /// Of a history.
    pub fn of(history: &History) -> Tally {
        let mut tally = Tally::default();
        for op in &history.ops {
            let at = match (op.process, op.kind) {
                (Process::Nemesis, _) => {
                    *tally.faults.entry(op.f.clone()).or_default() += 1;
                    continue;
                }
                (_, Kind::Invoke) => continue,
                (_, Kind::Ok) => 0,
                (_, Kind::Fail) => 1,
                (_, Kind::Info) => 2,
            };
            let workload = op.more.get("workload").map(ToString::to_string).unwrap_or_default();
            tally.counts.entry((workload, op.f.clone())).or_default()[at] += 1;
        }
        tally
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<12}{:<12}{:>9}{:>9}{:>9}", "workload", "operation", "ok", "fail", "info")?;
        for ((workload, operation), [ok, fail, info]) in &self.counts {
            writeln!(f, "{workload:<12}{operation:<12}{ok:>9}{fail:>9}{info:>9}")?;
        }
        for (fault, lines) in &self.faults {
            // Four lines a fault.
            writeln!(f, "{:<12}{fault:<12}{:>9}", "nemesis", lines / 4)?;
        }
        Ok(())
    }
}
