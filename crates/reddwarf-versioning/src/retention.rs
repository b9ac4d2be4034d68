//! What of the past is kept, within the replicated state.
//!
//! The leader asks for floors; `apply` raises them as far as branches, which begin somewhere, let
//! them rise. The floor of everything lies at a mark, since a mark knows the commit and the state
//! root that stand for all that is gone (invariant 18). What lies below is removed by each member on
//! its own.

use crate::{Anchor, EntryContext, State};
use reddwarf_core::codec;
use reddwarf_core::{Fence, Floors, Rejection, Revision};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Format version of the record of the floors and marks, which is hashed.
const RECORD_VERSION: u8 = 1;
/// Marks stand closer together than this part of their age only while there are few of them.
const SPACING: u64 = 32;

/// A commit's end, and where the cluster clock was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The cluster clock, milliseconds.
    pub clock_ms: u64,
    /// The commit, and the state root after it.
    pub at: Anchor,
}

/// The floors, and the marks to which that of everything can rise, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retention {
    pub floors: Arc<Floors>,
    pub marks: Arc<Vec<Mark>>,
    hash: Option<[u8; 32]>,
}

impl Retention {
    /// Goes on from what is stored.
    pub(crate) fn restore(floors: Arc<Floors>, marks: Arc<Vec<Mark>>) -> Self {
        let mut retention = Retention { floors, marks, hash: None };
        retention.note();
        retention
    }

    /// Its hash within the state root; `None` before the first mark.
    pub(crate) fn hash(&self) -> Option<[u8; 32]> {
        self.hash
    }

    /// The marks as readers see them.
    pub(crate) fn told(&self) -> Arc<Vec<(u64, Revision)>> {
        Arc::new(self.marks.iter().map(|mark| (mark.clock_ms, mark.at.revision)).collect())
    }

    fn note(&mut self) {
        let nothing = *self.floors == Floors::default() && self.marks.is_empty();
        self.hash = (!nothing).then(|| {
            let record = codec::encode(RECORD_VERSION, &(&*self.floors, &*self.marks));
            let record = record.expect("invariant: some hundred floors and marks fit a record");
            blake3::hash(&record).into()
        });
    }
}

/// Forgets marks that stand closer to the one after them than a part of their age.
fn thin(marks: &mut Vec<Mark>, clock_ms: u64) {
    let mut later = u64::MAX;
    let mut kept: Vec<Mark> = marks
        .iter()
        .rev()
        .filter(|mark| {
            let spacing = clock_ms.saturating_sub(mark.clock_ms) / SPACING;
            let wanted = later.saturating_sub(mark.clock_ms) >= spacing;
            if wanted {
                later = mark.clock_ms;
            }
            wanted
        })
        .copied()
        .collect();
    kept.reverse();
    *marks = kept;
}

impl State {
    /// Raises the floors towards `asked`, and sets a mark.
    ///
    /// # Errors
    /// [`Rejection::Fenced`] for a leader of another term.
    pub(crate) fn retain(
        &mut self,
        entry: EntryContext,
        fence: Fence,
        asked: Floors,
    ) -> Result<(), Rejection> {
        if fence.term != entry.term {
            return Err(Rejection::Fenced { written: fence.term, current: entry.term });
        }
        let root = self.root().0;
        let branches = self.view.branches.values().chain(self.view.held.values());
        let bases = branches.map(|branch| branch.at.base.revision);
        let limit = bases.fold(self.view.revision, Revision::min);
        let mut marks = (*self.retention.marks).clone();
        let highest = asked.all.min(limit);
        let reached = marks.iter().rev().find(|mark| mark.at.revision <= highest);
        let anchor = self.anchor.map_or(Revision::ZERO, |anchor| anchor.revision);
        if let Some(reached) = reached.filter(|mark| mark.at.revision > anchor) {
            self.anchor = Some(reached.at);
        }
        let all = self.anchor.map_or(Revision::ZERO, |anchor| anchor.revision);
        let mut floors = (*self.retention.floors).clone();
        floors.raise(&Floors { all, scopes: asked.scopes }, limit);
        marks.retain(|mark| mark.at.revision >= all);
        let head = self.view.head;
        if marks.last().is_none_or(|mark| mark.at.revision < head.revision) {
            let at = Anchor { commit: head.commit, revision: head.revision, root };
            marks.push(Mark { clock_ms: self.view.clock_ms, at });
        }
        thin(&mut marks, self.view.clock_ms);
        self.retention = Retention::restore(Arc::new(floors), Arc::new(marks));
        self.view.floors = self.retention.floors.clone();
        self.view.marks = self.retention.told();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reddwarf_core::CommitId;

    #[test]
    fn marks_are_thinner_the_longer_ago_they_are() {
        const MINUTE: u64 = 60_000;
        let mut marks: Vec<Mark> = Vec::new();
        for minute in 0..30 * 24 * 60 {
            let at =
                Anchor { commit: CommitId([0; 32]), revision: Revision(minute), root: [0; 32] };
            marks.push(Mark { clock_ms: minute * MINUTE, at });
            thin(&mut marks, minute * MINUTE);
        }
        assert!(marks.len() < 400, "{} marks", marks.len());
        let now = 30 * 24 * 60 * MINUTE;
        for pair in marks.windows(2) {
            let (gap, age) = (pair[1].clock_ms - pair[0].clock_ms, now - pair[0].clock_ms);
            assert!(gap <= (age / 8).max(2 * MINUTE), "a gap of {gap} ms {age} ms ago");
        }
    }
}
