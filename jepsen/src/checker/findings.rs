//! What a checker gathers while it looks.

use super::{Anomaly, Checked, Valid};
use crate::trace::Call;
use std::collections::BTreeMap;

/// Of one kind, no more anomalies than this are told; the rest is counted.
const TOLD_MAX: u64 = 10;

/// Anomalies and figures of one checker.
#[derive(Debug, Default)]
pub(super) struct Findings {
    anomalies: Vec<Anomaly>,
    counts: BTreeMap<&'static str, u64>,
    figures: BTreeMap<String, u64>,
    reasons: Vec<String>,
}

impl Findings {
    /// Something is wrong, and these lines show it.
    pub(super) fn found(
        &mut self,
        kind: &'static str,
        ops: impl IntoIterator<Item = u64>,
        words: impl FnOnce() -> String,
    ) {
        let mut ops: Vec<u64> = ops.into_iter().collect();
        ops.sort_unstable();
        ops.dedup();
        // Two ways to look at one thing may both find it.
        if self.anomalies.iter().any(|told| told.kind == kind && told.ops == ops) {
            return;
        }
        let count = self.counts.entry(kind).or_default();
        *count += 1;
        if *count > TOLD_MAX {
            return;
        }
        self.anomalies.push(Anomaly { kind, words: words(), ops });
    }

    /// Something is wrong, and these calls show it.
    pub(super) fn found_in<'a>(
        &mut self,
        kind: &'static str,
        calls: impl IntoIterator<Item = &'a Call>,
        words: impl FnOnce() -> String,
    ) {
        self.found(kind, calls.into_iter().flat_map(Call::lines), words);
    }

    /// How many anomalies there are so far.
    pub(super) fn told(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Something was looked at.
    pub(super) fn figure(&mut self, name: &str, count: u64) {
        *self.figures.entry(name.to_owned()).or_default() += count;
    }

    /// It cannot be told whether all is well.
    pub(super) fn unknown(&mut self, reason: String) {
        self.reasons.push(reason);
    }

    /// The result; none if nothing was looked at.
    pub(super) fn finish(self, checker: &'static str) -> Option<Checked> {
        let looked = self.figures.values().any(|count| *count > 0);
        if !looked && self.anomalies.is_empty() && self.reasons.is_empty() {
            return None;
        }
        let valid = match () {
            () if !self.anomalies.is_empty() => Valid::No,
            () if !self.reasons.is_empty() => Valid::Unknown,
            () => Valid::Yes,
        };
        let counts = self.counts.into_iter().map(|(kind, count)| (kind.to_owned(), count));
        Some(Checked {
            checker,
            valid,
            reasons: self.reasons,
            figures: self.figures.into_iter().chain(counts).collect(),
            anomalies: self.anomalies,
        })
    }
}
