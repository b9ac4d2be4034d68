//! A second, simple state machine: what entries of the log must lead to.
//!
//! It knows nothing of the one under test, keeps every version and every request that there ever was,
//! and is compared with the members after each step.

mod apply;
mod lines;
mod retention;

pub use lines::{Head, Line, Lines, Standing};
pub use retention::Retention;

use bytes::Bytes;
use reddwarf_core::{BranchId, Collection, ObjectKey, Precondition, RequestId, Revision};
use std::collections::{BTreeMap, BTreeSet};

/// One change of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The revision that it took.
    pub revision: Revision,
    /// The last revision of its commit.
    pub commit_end: Revision,
    /// The bytes as they were proposed, `None` for a removal.
    pub body: Option<Bytes>,
}

/// What one line made of each key, oldest first.
type Versions = BTreeMap<ObjectKey, Vec<Version>>;

/// One commit.
#[derive(Clone, Debug)]
pub struct ModelCommit {
    /// Index of the entry.
    pub index: u64,
    /// Term of the entry.
    pub term: u64,
    /// Its request.
    pub request: RequestId,
    /// The line that it belongs to.
    pub line: BranchId,
    /// First revision.
    pub first: Revision,
    /// Last revision.
    pub last: Revision,
    /// What it was asked to hold to.
    pub preconditions: Vec<Precondition>,
    /// The changed keys, in order.
    pub keys: Vec<ObjectKey>,
}

/// What stands in the log that is committed, and what it leads to.
#[derive(Default)]
pub struct Model {
    applied: Option<u64>,
    revision: Revision,
    clock_ms: u64,
    level: u32,
    main: Versions,
    /// Of the branches.
    beside: BTreeMap<BranchId, Versions>,
    lines: Lines,
    retention: Retention,
    /// Revisions of versions whose content was taken away.
    excised: BTreeSet<Revision>,
    commits: Vec<ModelCommit>,
    requests: BTreeSet<RequestId>,
    /// The revision after each entry from the first one on.
    revisions: BTreeMap<u64, Revision>,
}

impl Model {
    /// Index of the newest entry.
    pub fn applied(&self) -> Option<u64> {
        self.applied
    }

    /// The newest revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The cluster clock.
    pub fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// The group's feature level.
    pub fn level(&self) -> u32 {
        self.level.max(1)
    }

    /// The revision once an entry is applied.
    pub fn revision_at(&self, index: u64) -> Option<Revision> {
        self.revisions.range(..=index).next_back().map(|(_, revision)| *revision)
    }

    /// Main and the branches.
    pub fn lines(&self) -> &Lines {
        &self.lines
    }

    /// What of the past is kept.
    pub fn retention(&self) -> &Retention {
        &self.retention
    }

    /// All commits, in order.
    pub fn commits(&self) -> &[ModelCommit] {
        &self.commits
    }

    /// The commit that begins at a revision.
    pub fn commit_of(&self, first: Revision) -> Option<&ModelCommit> {
        let at = self.commits.binary_search_by_key(&first, |commit| commit.first).ok()?;
        Some(&self.commits[at])
    }

    /// Whether a revision is the end of a commit, or the beginning of everything.
    pub fn is_commit_end(&self, revision: Revision) -> bool {
        revision == Revision::ZERO
            || self.commits.binary_search_by_key(&revision, |commit| commit.last).is_ok()
    }

    /// What a commit wrote, in order.
    pub fn written_by<'m>(
        &'m self,
        commit: &'m ModelCommit,
    ) -> impl Iterator<Item = (&'m ObjectKey, &'m Version)> {
        commit.keys.iter().zip(commit.first.0..).filter_map(|(key, revision)| {
            let versions = self.of_line(commit.line)?.get(key)?;
            let at = versions.binary_search_by_key(&Revision(revision), |one| one.revision).ok()?;
            Some((key, &versions[at]))
        })
    }

    /// The revision whose state is meant by one that may lie within a commit of a line.
    pub fn resolve(&self, line: BranchId, revision: Revision) -> Revision {
        let at = self.commits.partition_point(|commit| commit.last < revision);
        let covering = self.commits.get(at).filter(|commit| commit.first <= revision);
        covering.filter(|commit| commit.line == line).map_or(revision, |commit| commit.last)
    }

    /// Whether members may have forgotten the commit of main that a revision belongs to: all that it
    /// changed lies below the floors.
    pub fn is_squashed(&self, revision: Revision) -> bool {
        let at = self.commits.partition_point(|commit| commit.last < revision);
        let Some(commit) = self.commits.get(at) else { return false };
        let floors = self.retention.floors();
        let below = |(key, at): (&ObjectKey, u64)| Revision(at) <= floors.of_key(key);
        commit.line == BranchId::MAIN && commit.keys.iter().zip(commit.first.0..).all(below)
    }

    /// What a branch shows of a collection at a revision, from its base on.
    pub fn shown(
        &self,
        branch: &Line,
        id: BranchId,
        collection: &Collection,
        revision: Revision,
    ) -> BTreeMap<&ObjectKey, &Version> {
        let mut state = match self.lines.get(branch.from) {
            Some(from) => self.shown(from, branch.from, collection, branch.base),
            None => {
                let all = self.at(collection, branch.base);
                all.filter(|(key, version)| !self.is_lost(key, version, branch.base)).collect()
            }
        };
        let prefix = collection.prefix();
        for (key, versions) in self.of_line(id).into_iter().flatten() {
            let version = versions.iter().rev().find(|one| one.revision <= revision);
            match version.filter(|_| key.as_str().starts_with(&prefix)) {
                None => {}
                Some(version) if version.body.is_some() => drop(state.insert(key, version)),
                Some(_) => drop(state.remove(key)),
            }
        }
        state
    }

    /// Whether nobody can read main's version any more that was current at a revision: it was
    /// superseded at or below the floor of its key, or its content was taken away.
    fn is_lost(&self, key: &ObjectKey, version: &Version, at: Revision) -> bool {
        let floor = self.retention.floors().of_key(key);
        let mut later = self.main.get(key).into_iter().flatten().map(|one| one.revision);
        let superseded = later.find(|revision| *revision > at);
        self.is_excised(version.revision)
            || (at < floor && superseded.is_some_and(|revision| revision <= floor))
    }

    /// Whether the content of the version that took a revision was taken away.
    pub fn is_excised(&self, revision: Revision) -> bool {
        self.excised.contains(&revision)
    }

    /// The newest change of each key that a branch changed.
    pub fn changed_on(&self, line: BranchId) -> impl Iterator<Item = (&ObjectKey, &Version)> {
        let all = self.beside.get(&line).into_iter().flatten();
        all.filter_map(|(key, versions)| Some((key, versions.last()?)))
    }

    fn of_line(&self, line: BranchId) -> Option<&Versions> {
        if line == BranchId::MAIN { Some(&self.main) } else { self.beside.get(&line) }
    }

    /// What there is in a collection of main at a revision.
    pub fn at<'m>(
        &'m self,
        collection: &Collection,
        revision: Revision,
    ) -> impl Iterator<Item = (&'m ObjectKey, &'m Version)> {
        let prefix = collection.prefix();
        self.main.iter().filter(move |(key, _)| key.as_str().starts_with(&prefix)).filter_map(
            move |(key, versions)| {
                let version = versions.iter().rev().find(|one| one.revision <= revision)?;
                version.body.as_ref().map(|_| (key, version))
            },
        )
    }

    /// The commits of a line between two revisions, in order.
    pub fn commits_of(
        &self,
        line: BranchId,
        after: Revision,
        through: Revision,
    ) -> impl Iterator<Item = &ModelCommit> {
        let from = self.commits.partition_point(|commit| commit.last <= after);
        let later = self.commits[from..].iter().take_while(move |commit| commit.last <= through);
        later.filter(move |commit| commit.line == line)
    }

    /// The changes of a line's collection between two revisions, in order.
    pub fn changes(
        &self,
        line: BranchId,
        collection: &Collection,
        after: Revision,
        through: Revision,
    ) -> Vec<(&ObjectKey, &Version)> {
        let prefix = collection.prefix();
        let mut changes: Vec<_> = self
            .of_line(line)
            .into_iter()
            .flatten()
            .filter(|(key, _)| key.as_str().starts_with(&prefix))
            .flat_map(|(key, versions)| versions.iter().map(move |version| (key, version)))
            .filter(|(_, version)| version.revision > after && version.revision <= through)
            .collect();
        changes.sort_by_key(|(_, version)| version.revision);
        changes
    }
}
