//! Rates and latencies over time.

use super::operations;
use super::outcome::Ending;
use crate::trace::{Input, Trace};
use std::collections::BTreeMap;

/// Into how many parts the time of a run is divided, at most.
const PARTS_MAX: u64 = 240;

/// No part is shorter than this.
const PART_MIN_NS: u64 = 250_000_000;

/// The time of a run in equal parts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub length_ns: u64,
    pub count: usize,
}

impl Parts {
    pub(super) fn of(trace: &Trace) -> Parts {
        let length_ns = trace.end_ns.div_ceil(PARTS_MAX).max(PART_MIN_NS);
        Parts { length_ns, count: (trace.end_ns / length_ns + 1) as usize }
    }

    pub(super) fn at(&self, ns: u64) -> usize {
        ((ns / self.length_ns) as usize).min(self.count - 1)
    }

    fn middle(&self, part: usize) -> u64 {
        part as u64 * self.length_ns + self.length_ns / 2
    }
}

/// Points of a line: a time, and a value if there is one.
pub(super) type Line = Vec<(u64, Option<f64>)>;

/// Operations that ended with an outcome, a second.
pub(super) fn rates(trace: &Trace, parts: Parts) -> BTreeMap<Ending, Line> {
    let mut counts: BTreeMap<Ending, Vec<u64>> = BTreeMap::new();
    for call in &trace.calls {
        let Some(ended) = call.ended else { continue };
        let counts = counts.entry(Ending::of(trace, call)).or_insert_with(|| vec![0; parts.count]);
        counts[parts.at(ended.ns)] += 1;
    }
    let seconds = |part: usize| {
        let begun_ns = part as u64 * parts.length_ns;
        let length_ns = parts.length_ns.min(trace.end_ns.saturating_sub(begun_ns));
        length_ns.max(parts.length_ns / 4) as f64 / 1e9
    };
    let line = |counts: Vec<u64>| {
        let rates = counts.into_iter().enumerate();
        rates
            .map(|(part, count)| (parts.middle(part), Some(count as f64 / seconds(part))))
            .collect()
    };
    counts.into_iter().map(|(ending, counts)| (ending, line(counts))).collect()
}

/// Latencies of one operation, in milliseconds.
#[derive(Debug, Default)]
pub(super) struct Latencies {
    pub p50: Line,
    pub p99: Line,
    pub max: Line,
    /// Over the whole run: how many there were, p50, p99 and the longest.
    pub whole: (usize, f64, f64, f64),
}

/// Latencies of what succeeded, by workload and operation. Watches last as long as their client
/// wants, and have none.
pub(super) fn latencies(trace: &Trace, parts: Parts) -> BTreeMap<String, Latencies> {
    let mut by_name: BTreeMap<String, Vec<Vec<u64>>> = BTreeMap::new();
    for call in trace.calls.iter().filter(|call| call.is_ok()) {
        let watches = matches!(call.input, Input::Watch { .. });
        let Some(ended) = call.ended.filter(|_| !watches) else { continue };
        let all = by_name.entry(operations::name(trace, call));
        let all = all.or_insert_with(|| vec![Vec::new(); parts.count]);
        all[parts.at(ended.ns)].push(ended.ns.saturating_sub(call.invoked.ns));
    }
    by_name.into_iter().map(|(name, all)| (name, summarize(all, parts))).collect()
}

fn summarize(all: Vec<Vec<u64>>, parts: Parts) -> Latencies {
    let mut latencies = Latencies::default();
    let mut whole: Vec<u64> = all.iter().flatten().copied().collect();
    for (part, mut part_ns) in all.into_iter().enumerate() {
        part_ns.sort_unstable();
        let at = parts.middle(part);
        latencies.p50.push((at, quantile_ms(&part_ns, 0.5)));
        latencies.p99.push((at, quantile_ms(&part_ns, 0.99)));
        latencies.max.push((at, quantile_ms(&part_ns, 1.0)));
    }
    whole.sort_unstable();
    let of_whole = |part| quantile_ms(&whole, part).unwrap_or(0.0);
    latencies.whole = (whole.len(), of_whole(0.5), of_whole(0.99), of_whole(1.0));
    latencies
}

/// The value below or at which a part of the sorted values lies.
fn quantile_ms(sorted_ns: &[u64], part: f64) -> Option<f64> {
    let place = (part * sorted_ns.len() as f64).ceil() as usize;
    sorted_ns.get(place.saturating_sub(1)).map(|ns| *ns as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_values() {
        let ns: Vec<u64> = (1..=100).map(|ms| ms * 1_000_000).collect();
        assert_eq!(quantile_ms(&ns, 0.5), Some(50.0));
        assert_eq!(quantile_ms(&ns, 0.99), Some(99.0));
        assert_eq!(quantile_ms(&ns, 1.0), Some(100.0));
        assert_eq!(quantile_ms(&[], 0.5), None);
    }

    #[test]
    fn every_time_of_a_run_has_its_part() {
        for end_ns in [0, 1, 999, 250_000_000, 3_600_000_000_000] {
            let parts = Parts::of(&Trace { end_ns, ..Trace::default() });
            assert!(parts.at(end_ns) < parts.count && parts.count as u64 <= PARTS_MAX + 1);
        }
    }
}
