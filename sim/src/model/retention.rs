//! What of the past should be kept.

use reddwarf_core::{Floors, Revision};
use std::collections::BTreeMap;

/// Marks stand closer together than this part of their age only while there are few of them.
const SPACING: u64 = 32;

/// The floors, and the marks to which that of everything rises.
#[derive(Default)]
pub struct Retention {
    all: Revision,
    scopes: BTreeMap<String, Revision>,
    /// Cluster clock and commit end, oldest first.
    marks: Vec<(u64, Revision)>,
}

impl Retention {
    /// The floor of everything.
    pub fn all(&self) -> Revision {
        self.all
    }

    /// As members tell the floors.
    pub fn floors(&self) -> Floors {
        let scopes = self.scopes.iter().map(|(prefix, floor)| (prefix.clone(), *floor));
        Floors { all: self.all, scopes: scopes.collect() }
    }

    /// The marks, oldest first.
    pub fn marks(&self) -> &[(u64, Revision)] {
        &self.marks
    }

    /// Raises the floors, none above `limit`; main's newest commit ends at `head`.
    pub fn raise(&mut self, asked: &Floors, limit: Revision, head: Revision, clock_ms: u64) {
        let wanted = asked.all.min(limit);
        let reached = self.marks.iter().map(|(_, at)| *at).filter(|at| *at <= wanted).max();
        self.all = self.all.max(reached.unwrap_or_default());
        for (prefix, floor) in &asked.scopes {
            let known = self.scopes.entry(prefix.clone()).or_default();
            *known = (*known).max((*floor).min(limit));
        }
        let all = self.all;
        self.scopes.retain(|_, floor| *floor > all);
        self.marks.retain(|(_, at)| *at >= all);
        if self.marks.last().is_none_or(|(_, at)| *at < head) {
            self.marks.push((clock_ms, head));
        }
        let mut kept: Vec<(u64, Revision)> = Vec::new();
        for (then_ms, at) in self.marks.drain(..).rev() {
            let gap = kept.last().map_or(u64::MAX, |(later_ms, _)| later_ms - then_ms);
            if gap >= (clock_ms - then_ms) / SPACING {
                kept.push((then_ms, at));
            }
        }
        kept.reverse();
        self.marks = kept;
    }
}
