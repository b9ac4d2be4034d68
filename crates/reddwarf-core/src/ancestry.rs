//! What the lines of commits have of each other, as branches begin and are merged.
//!
//! A line is a chain: whoever has one of its commits has all before it. So all ancestors of a
//! commit are told by one revision for each line, and what two commits have in common is found
//! without walking through commits. Every line's record is closed: it tells of each line that is had
//! by way of another one too.

use crate::{BranchId, Revision};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Most records that the lines of a group may have together.
pub const TAKEN_MAX: usize = 200_000;

/// A commit of a line, by its last revision; zero is the empty state before main's first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Place {
    /// The line.
    pub line: BranchId,
    /// The commit's last revision.
    pub revision: Revision,
}

/// From when on a line has another's commits up to which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Taken {
    /// The end of the commit that took them; where a branch begins, its base.
    at: Revision,
    /// The other line.
    line: BranchId,
    /// The end of the newest commit of it that is had.
    through: Revision,
}

/// What each line has of the others, and since when.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestry {
    /// For each line in the order of its commits.
    taken: BTreeMap<BranchId, Vec<Taken>>,
}

impl Ancestry {
    /// How many records there are.
    pub fn len(&self) -> usize {
        self.taken.values().map(Vec::len).sum()
    }

    /// Whether no branch was ever made.
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Up to which revision of `line` the commit at `place` has its commits; `None` when it has none
    /// of them.
    pub fn has(&self, place: Place, line: BranchId) -> Option<Revision> {
        if line == place.line {
            return Some(place.revision);
        }
        let taken = self.taken.get(&place.line)?;
        let mut known = taken.iter().rev().filter(|one| one.at <= place.revision);
        known.find(|one| one.line == line).map(|one| one.through)
    }

    /// A branch begins at a commit.
    pub fn begin(&mut self, branch: BranchId, from: Place) {
        self.take(branch, from.revision, from);
    }

    /// The commit of `into` that ends at `at` merges another line's commit. `floor` is the revision
    /// below which no branch can begin, nor any has begun.
    pub fn merge(&mut self, into: BranchId, at: Revision, from: Place, floor: Revision) {
        self.take(into, at, from);
        if into == BranchId::MAIN {
            self.fold(floor);
        }
    }

    fn take(&mut self, into: BranchId, at: Revision, from: Place) {
        let here = Place { line: into, revision: at };
        let mut new = Vec::new();
        for line in self.lines_of(from).into_iter().filter(|line| *line != into) {
            let Some(through) = self.has(from, line) else { continue };
            if self.has(here, line).is_none_or(|known| known < through) {
                new.push(Taken { at, line, through });
            }
        }
        self.taken.entry(into).or_default().extend(new);
    }

    /// Forgets what main had taken before its floor and has taken again since, still below it.
    fn fold(&mut self, floor: Revision) {
        let Some(taken) = self.taken.get_mut(&BranchId::MAIN) else { return };
        let mut again = BTreeSet::new();
        let mut kept: Vec<Taken> = taken.drain(..).rev().collect();
        kept.retain(|one| one.at > floor || again.insert(one.line));
        kept.reverse();
        *taken = kept;
    }

    /// Forgets a line that nobody asks for any more.
    pub fn forget(&mut self, line: BranchId) {
        self.taken.remove(&line);
        for taken in self.taken.values_mut() {
            taken.retain(|one| one.line != line);
        }
        self.taken.retain(|_, taken| !taken.is_empty());
    }

    /// The lines of which a commit has anything, its own among them.
    fn lines_of(&self, place: Place) -> BTreeSet<BranchId> {
        let taken = self.taken.get(&place.line).into_iter().flatten();
        let known = taken.filter(|one| one.at <= place.revision).map(|one| one.line);
        known.chain([place.line]).collect()
    }

    /// Whether `earlier` is `later` or an ancestor of it.
    pub fn is_within(&self, earlier: Place, later: Place) -> bool {
        self.has(later, earlier.line).is_some_and(|known| known >= earlier.revision)
    }

    /// The lines of which some commit of `line` has more than it has by way of main.
    ///
    /// They are looked at for every commit, for a branch may begin at any.
    pub fn beyond_main(&self, line: BranchId) -> BTreeSet<BranchId> {
        let taken = self.taken.get(&line).into_iter().flatten();
        let beyond = taken.filter(|one| {
            let here = Place { line, revision: one.at };
            let main = self.has(here, BranchId::MAIN).unwrap_or(Revision::ZERO);
            let of_main = Place { line: BranchId::MAIN, revision: main };
            one.line != BranchId::MAIN && Some(one.through) > self.has(of_main, one.line)
        });
        beyond.map(|one| one.line).collect()
    }

    /// The common ancestors of two commits that are ancestors of no other one: their merge bases.
    ///
    /// There is always one, since every line comes from main. Where merges have crossed there may be
    /// several, sorted by line.
    pub fn merge_bases(&self, one: Place, other: Place) -> Vec<Place> {
        let lines = self.lines_of(one);
        let common = lines.into_iter().filter_map(|line| {
            let revision = self.has(one, line)?.min(self.has(other, line)?);
            Some(Place { line, revision })
        });
        self.newest(common.collect())
    }

    /// Those of some commits that are ancestors of no other one, sorted by line.
    pub fn newest(&self, mut places: Vec<Place>) -> Vec<Place> {
        places.sort_unstable();
        places.dedup();
        let all = places.clone();
        let below = |place: &Place| {
            all.iter().any(|other| other != place && self.is_within(*place, *other))
        };
        places.retain(|place| !below(place));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: u32, revision: u64) -> Place {
        Place { line: BranchId(line), revision: Revision(revision) }
    }

    #[test]
    fn what_main_took_below_its_floor_is_kept_once() {
        let mut ancestry = Ancestry::default();
        let (a, b) = (BranchId(1), BranchId(2));
        ancestry.begin(a, place(0, 1));
        ancestry.begin(b, place(0, 2));
        for at in [10, 20, 30] {
            ancestry.merge(BranchId::MAIN, Revision(at), place(1, at - 5), Revision::ZERO);
        }
        assert_eq!(ancestry.len(), 5);
        ancestry.merge(BranchId::MAIN, Revision(40), place(2, 38), Revision(25));
        let had = [25, 29, 30, 40].map(|at| ancestry.has(place(0, at), a));
        assert_eq!(had, [15, 15, 25, 25].map(|at| Some(Revision(at))));
        assert_eq!(ancestry.len(), 5);
    }

    #[test]
    fn a_line_that_is_forgotten_is_had_by_none() {
        let mut ancestry = Ancestry::default();
        ancestry.begin(BranchId(1), place(0, 1));
        ancestry.begin(BranchId(2), place(1, 5));
        assert_eq!(ancestry.has(place(2, 9), BranchId(1)), Some(Revision(5)));
        assert_eq!(ancestry.has(place(2, 9), BranchId::MAIN), Some(Revision(1)));
        assert!(ancestry.beyond_main(BranchId(2)).contains(&BranchId(1)));
        ancestry.forget(BranchId(1));
        assert_eq!(ancestry.has(place(2, 9), BranchId(1)), None);
        assert!(ancestry.beyond_main(BranchId(2)).is_empty());
    }
}
