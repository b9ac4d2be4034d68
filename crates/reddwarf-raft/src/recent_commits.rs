//! The commits that were applied lately, as watches of commits are told them.
//!
//! Only the headers' records are held, shared with what is written to disk; whoever watches
//! decodes them. What lies further back is the history's to tell.

use crate::inspect::AppliedCommit;
use bytes::Bytes;
use reddwarf_core::{BranchId, Commit, CommitId, Revision};
use reddwarf_versioning::{LandedCommit, decode_header};
use std::collections::VecDeque;

/// Most bytes of records.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// What a commit costs beside its record.
const OVERHEAD_BYTES: usize = 96;
/// Commits that one answer holds.
const BATCH_MAX: usize = 256;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct RecentCommits {
    kept: VecDeque<Kept>,
    /// Every commit after this one's end is here.
    floor: Revision,
    /// The end of the newest commit.
    end: Revision,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    id: CommitId,
    branch: BranchId,
    last: Revision,
    header: Bytes,
}

impl Kept {
    fn bytes(&self) -> usize {
        OVERHEAD_BYTES + self.header.len()
    }

    fn commit(&self) -> Option<Commit> {
        let decoded = decode_header(&self.header);
        debug_assert!(decoded.is_ok(), "apply writes what it reads");
        Some(Commit { id: self.id, header: decoded.ok()? })
    }
}

impl RecentCommits {
    /// Begins after `base`, a commit's end.
    pub(crate) fn after(base: Revision) -> Self {
        RecentCommits { kept: VecDeque::new(), floor: base, end: base, bytes: 0 }
    }

    /// The commits of all branches after `from`; `None` below the floor.
    pub(crate) fn all_after(&self, from: Revision) -> Option<Vec<AppliedCommit>> {
        let told = |kept: &Kept| AppliedCommit {
            id: kept.id,
            branch: kept.branch,
            last: kept.last,
            header: kept.header.clone(),
        };
        (from >= self.floor).then(|| self.all_later(from).map(told).collect())
    }

    /// Takes one more commit, and drops the oldest ones beyond the limit.
    pub(crate) fn push(&mut self, commit: &LandedCommit) {
        let (id, last) = (commit.committed.id, commit.committed.last);
        let kept = Kept { id, branch: commit.branch, last, header: commit.header.clone() };
        self.bytes += kept.bytes();
        self.kept.push_back(kept);
        self.end = last;
        while self.bytes > BYTES_MAX
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.bytes();
            self.floor = oldest.last;
        }
    }

    /// The revision from which commits are complete.
    pub(crate) fn floor(&self) -> Revision {
        self.floor
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Commits of a branch after `from`, not too many at a time, and the commit end that they
    /// reach; `None` below the floor.
    pub(crate) fn next(&self, branch: BranchId, from: Revision) -> Option<(Vec<Commit>, Revision)> {
        if from < self.floor {
            return None;
        }
        let mut of_branch = self.later(branch, from);
        let commits: Vec<Commit> =
            of_branch.by_ref().take(BATCH_MAX).filter_map(Kept::commit).collect();
        let reached = match (of_branch.next(), commits.last()) {
            (Some(_), Some(last)) => last.header.last,
            _ => self.end.max(from),
        };
        Some((commits, reached))
    }

    /// The newest commit end up to which a branch has no commits after `from`.
    pub(crate) fn reached(&self, branch: BranchId, from: Revision) -> Revision {
        match from < self.floor || self.later(branch, from).next().is_some() {
            true => from,
            false => self.end.max(from),
        }
    }

    fn later(&self, branch: BranchId, from: Revision) -> impl Iterator<Item = &Kept> {
        self.all_later(from).filter(move |kept| kept.branch == branch)
    }

    fn all_later(&self, from: Revision) -> impl Iterator<Item = &Kept> {
        let first = self.kept.partition_point(|kept| kept.last <= from);
        self.kept.range(first..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reddwarf_core::Committed;

    fn landed(branch: BranchId, revision: u64, bytes: usize) -> LandedCommit {
        let (first, last) = (Revision(revision), Revision(revision));
        let committed = Committed { id: CommitId::default(), first, last };
        LandedCommit { committed, branch, header: vec![0; bytes].into(), events: Vec::new() }
    }

    #[test]
    fn the_oldest_go_when_it_is_full() {
        let mut recent = RecentCommits::after(Revision(10));
        for revision in 11..=19 {
            recent.push(&landed(BranchId::MAIN, revision, BYTES_MAX / 8));
        }
        assert!(recent.bytes() <= BYTES_MAX);
        assert_eq!(recent.floor(), Revision(12));
        assert!(recent.next(BranchId::MAIN, Revision(11)).is_none());
    }

    #[test]
    fn commits_of_others_are_passed() {
        let mut recent = RecentCommits::after(Revision(10));
        recent.push(&landed(BranchId::MAIN, 11, 0));
        recent.push(&landed(BranchId(1), 12, 0));
        assert_eq!(recent.reached(BranchId::MAIN, Revision(10)), Revision(10));
        assert_eq!(recent.reached(BranchId::MAIN, Revision(11)), Revision(12));
        assert_eq!(recent.reached(BranchId(1), Revision(11)), Revision(11));
        let none = recent.next(BranchId(2), Revision(10)).expect("remembered");
        assert_eq!((none.0.len(), none.1), (0, Revision(12)));
    }
}
