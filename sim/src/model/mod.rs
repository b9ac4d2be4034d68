//! A second, simple state machine: what entries of the log must lead to.
//!
//! It knows nothing of the one under test, keeps every version and every request that there ever was,
//! and is compared with the members after each step.

use bytes::Bytes;
use reddwarf_core::{
    Change, Collection, Expectation, ObjectKey, Precondition, Proposal, ProposalKind, RequestId,
    Revision, Write,
};
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

/// One commit.
#[derive(Clone, Debug)]
pub struct ModelCommit {
    /// Index of the entry.
    pub index: u64,
    /// Term of the entry.
    pub term: u64,
    /// Its request.
    pub request: RequestId,
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
    versions: BTreeMap<ObjectKey, Vec<Version>>,
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

    /// The commits of main, in order.
    pub fn commits(&self) -> &[ModelCommit] {
        &self.commits
    }

    /// The commit that a request led to.
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
            let versions = self.versions.get(key)?;
            let at = versions.binary_search_by_key(&Revision(revision), |one| one.revision).ok()?;
            Some((key, &versions[at]))
        })
    }

    /// What there is in a collection at a revision.
    pub fn at<'m>(
        &'m self,
        collection: &Collection,
        revision: Revision,
    ) -> impl Iterator<Item = (&'m ObjectKey, &'m Version)> {
        let prefix = collection.prefix();
        self.versions.iter().filter(move |(key, _)| key.as_str().starts_with(&prefix)).filter_map(
            move |(key, versions)| {
                let version = versions.iter().rev().find(|one| one.revision <= revision)?;
                version.body.as_ref().map(|_| (key, version))
            },
        )
    }

    /// The changes of a collection between two revisions, in order.
    pub fn changes(
        &self,
        collection: &Collection,
        after: Revision,
        through: Revision,
    ) -> Vec<(&ObjectKey, &Version)> {
        let prefix = collection.prefix();
        let mut changes: Vec<_> = self
            .versions
            .iter()
            .filter(|(key, _)| key.as_str().starts_with(&prefix))
            .flat_map(|(key, versions)| versions.iter().map(move |version| (key, version)))
            .filter(|(_, version)| version.revision > after && version.revision <= through)
            .collect();
        changes.sort_by_key(|(_, version)| version.revision);
        changes
    }

    /// Applies an entry; one without a proposal changes nothing.
    pub fn apply(&mut self, index: u64, term: u64, proposal: Option<&Proposal>) {
        self.applied = Some(index);
        if let Some(proposal) = proposal
            && self.requests.insert(proposal.request_id)
        {
            self.take(index, term, proposal);
        }
        self.revisions.insert(index, self.revision);
    }

    fn take(&mut self, index: u64, term: u64, proposal: &Proposal) {
        match &proposal.kind {
            ProposalKind::Tick { elapsed_ms } => self.clock_ms += elapsed_ms,
            ProposalKind::Write(write) => self.write(index, term, proposal.request_id, write),
            ProposalKind::RaiseLevel { fence, level } => {
                if fence.term == term && level.0 == self.level() + 1 {
                    self.level = level.0;
                }
            }
            // Nothing that clients could see.
            ProposalKind::RecordBuilds { .. } | ProposalKind::Retain { .. } => {}
            other => unreachable!("no client of a simulation proposes {other:?}"),
        }
    }

    fn write(&mut self, index: u64, term: u64, request: RequestId, write: &Write) {
        let fenced = write.fence.is_some_and(|fence| fence.term != term);
        let holds = |one: &Precondition| {
            let found = self.current(&one.key);
            match one.expect {
                Expectation::Absent => found.is_none(),
                Expectation::Present => found.is_some(),
                Expectation::At(revision) => found == Some(revision),
            }
        };
        let removes_nothing = |change: &Change| matches!(change, Change::Delete { key } if self.current(key).is_none());
        if fenced
            || !write.preconditions.iter().all(holds)
            || write.changes.iter().any(removes_nothing)
        {
            return;
        }
        let first = self.revision.next();
        let last = Revision(self.revision.0 + write.changes.len() as u64);
        for (change, revision) in write.changes.iter().zip(first.0..) {
            let body = match change {
                Change::Put { body, .. } => Some(body.clone()),
                Change::Delete { .. } => None,
            };
            let version = Version { revision: Revision(revision), commit_end: last, body };
            self.versions.entry(change.key().clone()).or_default().push(version);
        }
        self.revision = last;
        self.commits.push(ModelCommit {
            index,
            term,
            request,
            first,
            last,
            preconditions: write.preconditions.clone(),
            keys: write.changes.iter().map(|change| change.key().clone()).collect(),
        });
    }

    fn current(&self, key: &ObjectKey) -> Option<Revision> {
        let newest = self.versions.get(key)?.last()?;
        newest.body.as_ref().map(|_| newest.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ObjectKey {
        ObjectKey::new("", "configmaps", "default", "a")
    }

    fn put(request: u8, expect: Expectation) -> Proposal {
        let put = Change::Put {
            key: key(),
            body: Bytes::from(vec![request]),
            version_offset: 0,
            index: Default::default(),
            salt: None,
        };
        let write = Write {
            preconditions: vec![Precondition { key: key(), expect }],
            changes: vec![put],
            ..Write::default()
        };
        let request_id = RequestId([request; 16]);
        Proposal { request_id, made_at: 0, kind: ProposalKind::Write(write) }
    }

    #[test]
    fn a_request_counts_once_and_only_if_its_preconditions_hold() {
        let mut model = Model::default();
        let first = put(1, Expectation::Absent);
        model.apply(0, 1, Some(&first));
        model.apply(1, 1, Some(&first));
        model.apply(2, 1, Some(&put(2, Expectation::Absent)));
        assert_eq!(model.revision(), Revision(1));
        model.apply(3, 1, Some(&put(3, Expectation::At(Revision(1)))));
        assert_eq!((model.revision(), model.revision_at(2)), (Revision(2), Some(Revision(1))));
        assert_eq!(model.commits().iter().map(|commit| commit.index).collect::<Vec<_>>(), [0, 3]);
        let all = Collection::new("", "configmaps");
        let bodies: Vec<_> = model.at(&all, Revision(1)).map(|(_, v)| v.body.clone()).collect();
        assert_eq!(bodies, [Some(Bytes::from(vec![1]))]);
    }
}
