//! What two members' logs have in common: data in, data out.

use super::RecoverError;
use super::disk::{MemberDisk, named, told};
use crate::types::{LogId, log_id};
use std::ops::Range;

/// How far a member's log reaches, as far as is known.
pub trait LogView {
    /// The last entry.
    fn last(&self) -> Option<LogId>;
    /// The entry at an index; `None` when it cannot be told any more.
    fn at(&self, index: u64) -> Option<LogId>;
}

impl LogView for MemberDisk {
    fn last(&self) -> Option<LogId> {
        MemberDisk::last(self)
    }

    fn at(&self, index: u64) -> Option<LogId> {
        self.log_id_at(index)
    }
}

/// What a member that runs tells of its log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Term of the last entry.
    pub term: u64,
    /// Its index.
    pub index: u64,
}

impl LogView for Standing {
    fn last(&self) -> Option<LogId> {
        Some(log_id(self.term, self.index))
    }

    fn at(&self, index: u64) -> Option<LogId> {
        (index == self.index).then(|| log_id(self.term, index))
    }
}

/// Two logs beside each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The last entry of this log.
    pub ours: Option<LogId>,
    /// The last entry of the other one.
    pub theirs: Option<LogId>,
    /// How many of the entries, from the first on, are the same.
    pub common: u64,
}

/// Compares two logs. What is purged was committed, and is the same in both.
pub fn compare(own: &dyn LogView, other: &dyn LogView) -> Comparison {
    let (ours, theirs) = (own.last(), other.last());
    let length = |last: Option<LogId>| last.map_or(0, |last| last.index() + 1);
    let mut common = length(ours).min(length(theirs));
    while let Some(index) = common.checked_sub(1) {
        match (own.at(index), other.at(index)) {
            (Some(ours), Some(theirs)) if ours != theirs => common = index,
            _ => break,
        }
    }
    Comparison { ours, theirs, common }
}

impl Comparison {
    /// The entries that only the other log has.
    pub fn only_theirs(&self) -> Range<u64> {
        self.common..self.theirs.map_or(0, |last| last.index() + 1).max(self.common)
    }

    /// The entries that only this log has.
    pub fn only_ours(&self) -> Range<u64> {
        self.common..self.ours.map_or(0, |last| last.index() + 1).max(self.common)
    }

    /// Whether the other member would win an election against this one: all that was acknowledged by
    /// both is in the log of the winner.
    pub fn theirs_is_newer(&self) -> bool {
        self.theirs > self.ours
    }

    /// The last entry of the other log, for people.
    pub fn their_end(&self) -> String {
        named(self.theirs)
    }

    /// The last entry of this log, for people.
    pub fn our_end(&self) -> String {
        named(self.ours)
    }
}

impl MemberDisk {
    /// What entries of `range` would do, for people, at most `max` of them.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn told(&self, range: Range<u64>, max: usize) -> Result<Vec<String>, RecoverError> {
        let end = range.end.min(range.start.saturating_add(max as u64));
        Ok(self.entries(range.start, end)?.iter().map(told).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The terms of entries 0, 1, …, of which the first so many are purged.
    struct Log(&'static [u64], usize);

    impl LogView for Log {
        fn last(&self) -> Option<LogId> {
            self.0.len().checked_sub(1).map(|at| log_id(self.0[at], at as u64))
        }

        fn at(&self, index: u64) -> Option<LogId> {
            let term = self.0.get(index as usize).filter(|_| index as usize >= self.1)?;
            Some(log_id(*term, index))
        }
    }

    #[test]
    fn logs_are_compared_entry_by_entry() {
        // Ours, theirs, how many are common, those only ours and only theirs, and who is newer.
        type Case<'c> = (&'c [u64], &'c [u64], u64, u64, u64, bool);
        let cases: [Case<'_>; 6] = [
            (&[1, 1, 2], &[1, 1, 2], 3, 0, 0, false),
            (&[1, 1], &[1, 1, 1, 1], 2, 0, 2, true),
            (&[1, 1, 1, 1], &[1, 1], 2, 2, 0, false),
            // A leader that was cut off went on writing; the others have another leader since.
            (&[1, 1, 1, 1, 1], &[1, 1, 2], 2, 3, 1, true),
            (&[], &[1], 0, 0, 1, true),
            (&[], &[], 0, 0, 0, false),
        ];
        for (ours, theirs, common, only_ours, only_theirs, newer) in cases {
            let found = compare(&Log(ours, 0), &Log(theirs, 0));
            let length = |range: Range<u64>| range.end - range.start;
            let lengths = (length(found.only_ours()), length(found.only_theirs()));
            assert_eq!((found.common, lengths), (common, (only_ours, only_theirs)), "{ours:?}");
            assert_eq!(found.theirs_is_newer(), newer, "{ours:?} {theirs:?}");
        }
    }

    #[test]
    fn what_is_purged_was_committed() {
        let found = compare(&Log(&[1, 1, 1, 2], 2), &Log(&[1, 1, 1, 2, 2, 2], 5));
        assert_eq!((found.common, found.only_theirs()), (4, 4..6));
    }

    #[test]
    fn of_a_running_member_only_the_end_is_known() {
        let ours = Log(&[1, 1, 2, 2], 0);
        assert_eq!(compare(&ours, &Standing { term: 2, index: 6 }).only_theirs(), 4..7);
        assert_eq!(compare(&ours, &Standing { term: 1, index: 3 }).common, 3);
    }
}
