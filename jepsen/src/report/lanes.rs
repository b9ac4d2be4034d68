//! Clients as rows of a drawing.
//!
//! A client whose operation's outcome nobody knows goes on under a new number. Numbers that follow
//! one another share a lane, so that there are about as many lanes as clients.

use crate::trace::{Call, Trace};
use std::collections::BTreeMap;

/// The lane of each process.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    of: BTreeMap<u64, usize>,
    /// How many there are.
    pub count: usize,
}

impl Lanes {
    pub(super) fn of(trace: &Trace) -> Lanes {
        let mut spans: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for call in &trace.calls {
            let Some(process) = call.process else { continue };
            let span = spans.entry(process).or_insert((call.invoked.ns, 0));
            span.1 = span.1.max(end_ns(call, trace.end_ns));
        }
        let mut by_start: Vec<(u64, u64, u64)> =
            spans.into_iter().map(|(process, (from, to))| (from, process, to)).collect();
        by_start.sort_unstable();
        let mut lanes = Lanes::default();
        let mut free_from: Vec<u64> = Vec::new();
        for (from, process, to) in by_start {
            // The lane that was left last: its client is the one that goes on.
            let free = (0..free_from.len()).filter(|lane| free_from[*lane] <= from);
            let lane = free.max_by_key(|lane| free_from[*lane]).unwrap_or(free_from.len());
            if lane == free_from.len() {
                free_from.push(to);
            }
            free_from[lane] = to;
            lanes.of.insert(process, lane);
        }
        lanes.count = free_from.len();
        lanes
    }

    /// The lane of a call; none if it is the probe's.
    pub(super) fn lane(&self, call: &Call) -> Option<usize> {
        self.of.get(&call.process?).copied()
    }
}

/// When a call ended; at the end of the run if it was never answered.
pub(super) fn end_ns(call: &Call, run_end_ns: u64) -> u64 {
    call.ended.map_or(run_end_ns, |ended| ended.ns)
}
