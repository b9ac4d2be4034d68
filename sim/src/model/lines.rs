//! Branches as they should be: where they stand, and what they have of each other.
//!
//! Each commit has, for every line, the newest commit of it that it comes from or has merged.

use reddwarf_core::{BranchId, LinePoint, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// For each line the end of its newest commit that is had.
type Had = BTreeMap<BranchId, Revision>;

/// A commit's end, and its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The revision.
    pub revision: Revision,
    /// Milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// Whether a branch can still be named or read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has its name.
    Alive,
    /// It was removed, and another one comes from it or has merged it.
    Held,
    /// Nobody needs it any more.
    Forgotten,
}

/// A branch.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Whether it is still there.
    pub standing: Standing,
    /// The line at whose commit it began.
    pub from: BranchId,
    /// That commit's end.
    pub base: Revision,
    /// Its newest commit; the base before its first.
    pub head: Head,
    /// The ends of its commits.
    ends: Vec<Revision>,
}

/// Main and all branches.
#[derive(Default)]
pub struct Lines {
    main: Head,
    branches: BTreeMap<BranchId, Line>,
    /// By the end of a commit.
    had: BTreeMap<Revision, Had>,
}

impl Lines {
    /// A branch that was ever made.
    pub fn get(&self, id: BranchId) -> Option<&Line> {
        self.branches.get(&id)
    }

    /// All branches that were ever made.
    pub fn all(&self) -> impl Iterator<Item = (BranchId, &Line)> {
        self.branches.iter().map(|(id, line)| (*id, line))
    }

    /// The newest commit of a line that can be written; `None` for one that is gone.
    pub fn head(&self, id: BranchId) -> Option<Head> {
        if id == BranchId::MAIN {
            return Some(self.main);
        }
        let line = self.branches.get(&id)?;
        (line.standing == Standing::Alive).then_some(line.head)
    }

    /// The oldest commit at which some branch begins that is not forgotten.
    pub fn oldest_base(&self) -> Option<Revision> {
        let kept = self.branches.values().filter(|line| line.standing != Standing::Forgotten);
        kept.map(|line| line.base).min()
    }

    /// Whether a branch may begin there; `floor` is the floor of everything.
    pub fn may_begin(&self, at: &LinePoint, floor: Revision, now: Revision) -> bool {
        let range = match at.line {
            BranchId::MAIN => Some(floor..=now),
            line => self.head(line).map(|head| self.branches[&line].base..=head.revision),
        };
        range.is_some_and(|range| range.contains(&at.at.revision))
    }

    /// Whether a commit may be merged into a line.
    pub fn may_merge(&self, into: BranchId, taken: &LinePoint) -> bool {
        let Some(head) = self.head(taken.line).filter(|_| taken.line != into) else {
            return false;
        };
        let newest = match taken.line {
            BranchId::MAIN => taken.at.revision <= head.revision,
            _ => taken.at.revision == head.revision,
        };
        let (line, revision) = self.own(taken.line, taken.at.revision);
        let has = match line == into {
            true => true,
            false => self.had_by(into).get(&line).is_some_and(|known| *known >= revision),
        };
        newest && !has
    }

    /// A commit of `id` that ends there, and what it merges.
    pub fn commit(&mut self, id: BranchId, end: Head, merges: Option<&LinePoint>) {
        let mut had = self.had_by(id);
        if let Some(taken) = merges {
            let (_, revision) = self.own(taken.line, taken.at.revision);
            for (line, through) in self.had_at(revision) {
                let known = had.entry(line).or_default();
                *known = through.max(*known);
            }
        }
        had.insert(id, end.revision);
        self.had.insert(end.revision, had);
        match self.branches.get_mut(&id) {
            None => self.main = end,
            Some(line) => {
                line.head = end;
                line.ends.push(end.revision);
            }
        }
    }

    /// A branch begins.
    pub fn begin(&mut self, name: &str, at: &LinePoint) {
        let (from, base) = self.own(at.line, at.at.revision);
        let head = Head { revision: base, time_ms: at.at.time_ms };
        let (name, ends) = (name.to_owned(), Vec::new());
        let line = Line { name, standing: Standing::Alive, from, base, head, ends };
        self.branches.insert(BranchId(self.branches.len() as u32 + 1), line);
    }

    /// The branch of this name ends, if there is one.
    pub fn end(&mut self, name: &str) {
        let named = self
            .branches
            .values_mut()
            .find(|line| line.standing == Standing::Alive && line.name == name);
        if let Some(line) = named {
            line.standing = Standing::Held;
        }
    }

    /// Forgets the removed branches that nobody needs.
    pub fn forget(&mut self) {
        let mut needed = BTreeSet::new();
        let mut open = Vec::new();
        for (id, line) in self.all().filter(|(_, line)| line.standing == Standing::Alive) {
            open.push(line.from);
            open.extend(self.beyond_main(id, line));
        }
        while let Some(id) = open.pop() {
            if needed.insert(id) {
                open.extend(self.branches.get(&id).map(|line| line.from));
            }
        }
        for (id, line) in &mut self.branches {
            if line.standing == Standing::Held && !needed.contains(id) {
                line.standing = Standing::Forgotten;
            }
        }
    }

    /// The lines of which some commit of a branch has more than main has there.
    fn beyond_main(&self, id: BranchId, line: &Line) -> BTreeSet<BranchId> {
        let mut beyond = BTreeSet::new();
        for end in line.ends.iter().chain([&line.base]) {
            let had = self.had_at(*end);
            let main = had.get(&BranchId::MAIN).copied().unwrap_or_default();
            let by_main = self.had_at(main);
            let more = had.iter().filter(|(other, through)| {
                ![BranchId::MAIN, id].contains(other) && Some(*through) > by_main.get(other)
            });
            beyond.extend(more.map(|(other, _)| *other));
        }
        beyond
    }

    fn had_by(&self, id: BranchId) -> Had {
        let head = self.branches.get(&id).map_or(self.main, |line| line.head);
        self.had_at(head.revision)
    }

    fn had_at(&self, end: Revision) -> Had {
        match self.had.get(&end) {
            Some(had) => had.clone(),
            // Before the first commit of main.
            None => Had::from([(BranchId::MAIN, Revision::ZERO)]),
        }
    }

    /// The line whose own commit it is: a branch without a commit up to there stands at its base.
    fn own(&self, mut id: BranchId, mut revision: Revision) -> (BranchId, Revision) {
        while let Some(line) = self.branches.get(&id).filter(|line| line.base >= revision) {
            (id, revision) = (line.from, line.base);
        }
        (id, revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reddwarf_core::CommitPoint;

    fn point(line: u32, revision: u64) -> LinePoint {
        let at = CommitPoint { revision: Revision(revision), ..CommitPoint::default() };
        LinePoint { line: BranchId(line), at }
    }

    fn end(revision: u64) -> Head {
        Head { revision: Revision(revision), time_ms: 0 }
    }

    #[test]
    fn a_removed_branch_is_held_as_long_as_another_comes_from_it() {
        let mut lines = Lines::default();
        lines.commit(BranchId::MAIN, end(1), None);
        lines.begin("one", &point(0, 1));
        lines.commit(BranchId(1), end(2), None);
        lines.begin("two", &point(1, 2));
        lines.end("one");
        lines.forget();
        let standing = |lines: &Lines| lines.get(BranchId(1)).map(|line| line.standing);
        assert_eq!(standing(&lines), Some(Standing::Held));
        assert_eq!((lines.head(BranchId(1)), lines.oldest_base()), (None, Some(Revision(1))));
        lines.end("two");
        lines.forget();
        assert_eq!((standing(&lines), lines.oldest_base()), (Some(Standing::Forgotten), None));
    }

    #[test]
    fn what_a_line_has_already_is_not_merged_again() {
        let mut lines = Lines::default();
        lines.commit(BranchId::MAIN, end(1), None);
        lines.begin("one", &point(0, 1));
        assert!(!lines.may_merge(BranchId::MAIN, &point(1, 1)), "it has no commit yet");
        lines.commit(BranchId(1), end(2), None);
        assert!(lines.may_merge(BranchId::MAIN, &point(1, 2)));
        lines.commit(BranchId::MAIN, end(3), Some(&point(1, 2)));
        assert!(!lines.may_merge(BranchId::MAIN, &point(1, 2)), "main has it");
        assert!(lines.may_merge(BranchId(1), &point(0, 3)));
        lines.commit(BranchId(1), end(4), None);
        assert!(!lines.may_merge(BranchId::MAIN, &point(1, 2)), "it has moved");
    }
}
