//! What an entry of the log leads to.

use super::{Head, Model, ModelCommit, Standing, Version, Versions};
use reddwarf_core::branch::BRANCHES;
use reddwarf_core::{
    BranchId, Change, Excised, Expectation, Links, ObjectKey, Precondition, Proposal, ProposalKind,
    RequestId, Revision, Write,
};

impl Model {
    /// Applies an entry; one without a proposal changes nothing.
    ///
    /// # Errors
    /// When its proposer told something of a branch's base that is not so.
    pub fn apply(
        &mut self,
        index: u64,
        term: u64,
        proposal: Option<&Proposal>,
    ) -> Result<(), String> {
        self.applied = Some(index);
        if let Some(proposal) = proposal
            && self.requests.insert(proposal.request_id)
        {
            self.take(index, term, proposal)?;
        }
        self.revisions.insert(index, self.revision);
        Ok(())
    }

    fn take(&mut self, index: u64, term: u64, proposal: &Proposal) -> Result<(), String> {
        let request = proposal.request_id;
        match &proposal.kind {
            ProposalKind::Tick { elapsed_ms } => self.clock_ms += elapsed_ms,
            ProposalKind::Write(write) => {
                self.write(index, term, request, write, &Links::default())?;
            }
            ProposalKind::LinkedWrite(write, links) => {
                self.write(index, term, request, write, links)?;
            }
            ProposalKind::Excise(write, versions) => {
                if versions.iter().all(|one| self.is_past(one))
                    && self.write(index, term, request, write, &Links::default())?
                {
                    self.excised.extend(versions.iter().map(|one| one.revision));
                }
            }
            ProposalKind::Retain { fence, floors } => {
                if fence.term == term {
                    let head = self.lines.head(BranchId::MAIN).unwrap_or_default().revision;
                    let limit = self.lines.oldest_base().unwrap_or(self.revision);
                    self.retention.raise(floors, limit.min(self.revision), head, self.clock_ms);
                }
            }
            ProposalKind::RaiseLevel { fence, level } => {
                if fence.term == term && level.0 == self.level() + 1 {
                    self.level = level.0;
                }
            }
            // Nothing that clients could see.
            ProposalKind::RecordBuilds { .. } => {}
            other => unreachable!("no client of a simulation proposes {other:?}"),
        }
        Ok(())
    }

    /// Whether a version may be taken away: no line shows it any more.
    fn is_past(&self, version: &Excised) -> bool {
        let lines = self.beside.iter().filter(|(id, _)| {
            self.lines.get(**id).is_some_and(|line| line.standing != Standing::Forgotten)
        });
        let mut shown = lines.map(|(_, versions)| versions).chain([&self.main]);
        version.revision <= self.revision
            && !shown.any(|versions| current(versions, &version.key) == Some(version.revision))
    }

    /// Whether it was written.
    fn write(
        &mut self,
        index: u64,
        term: u64,
        request: RequestId,
        write: &Write,
        links: &Links,
    ) -> Result<bool, String> {
        let fenced = write.fence.is_some_and(|fence| fence.term != term);
        let Some(head) = self.lines.head(write.branch).filter(|_| !fenced) else {
            return Ok(false);
        };
        self.check_base(write, links)?;
        let found = |key: &ObjectKey| self.found(write.branch, links, key);
        let holds = |one: &Precondition| match one.expect {
            Expectation::Absent => found(&one.key).is_none(),
            Expectation::Present => found(&one.key).is_some(),
            Expectation::At(revision) => found(&one.key) == Some(revision),
        };
        let removes_nothing =
            |change: &Change| matches!(change, Change::Delete { key } if found(key).is_none());
        let may_merge = links.merges.is_none_or(|taken| self.lines.may_merge(write.branch, &taken));
        let Some(moves) = self.moves(write, links) else { return Ok(false) };
        if !may_merge
            || !write.preconditions.iter().all(holds)
            || write.changes.iter().any(removes_nothing)
        {
            return Ok(false);
        }
        let first = self.revision.next();
        let last = Revision(self.revision.0 + write.changes.len() as u64);
        let versions = match write.branch {
            BranchId::MAIN => &mut self.main,
            branch => self.beside.entry(branch).or_default(),
        };
        for (change, revision) in write.changes.iter().zip(first.0..) {
            let body = match change {
                Change::Put { body, .. } => Some(body.clone()),
                Change::Delete { .. } => None,
            };
            let revision = Revision(revision);
            let version = Version { revision, commit_end: last, body };
            versions.entry(change.key().clone()).or_default().push(version);
        }
        self.revision = last;
        let end = Head { revision: last, time_ms: write.time_ms.max(head.time_ms) };
        self.lines.commit(write.branch, end, links.merges.as_ref());
        if !moves.ends.is_empty() || moves.begins.is_some() || links.merges.is_some() {
            moves.ends.iter().for_each(|name| self.lines.end(name));
            if let (Some(name), Some(at)) = (&moves.begins, &links.begins) {
                self.lines.begin(name, at);
            }
            self.lines.forget();
        }
        self.commits.push(ModelCommit {
            index,
            term,
            request,
            line: write.branch,
            first,
            last,
            preconditions: write.preconditions.clone(),
            keys: write.changes.iter().map(|change| change.key().clone()).collect(),
        });
        Ok(true)
    }

    /// What a write does to branches; `None` when it may not.
    fn moves<'w>(&self, write: &'w Write, links: &Links) -> Option<Moves<'w>> {
        let mut moves = Moves::default();
        let changes = write.changes.iter().filter(|_| write.branch == BranchId::MAIN);
        for change in changes.filter(|change| change.key().collection() == BRANCHES) {
            match change {
                Change::Delete { key } => moves.ends.push(key.name()),
                Change::Put { key, .. } if current(&self.main, key).is_some() => {}
                Change::Put { key, .. } => {
                    let at = links.begins.filter(|_| moves.begins.is_none())?;
                    if !self.lines.may_begin(&at, self.retention.all(), self.revision) {
                        return None;
                    }
                    moves.begins = Some(key.name());
                }
            }
        }
        (moves.begins.is_some() == links.begins.is_some()).then_some(moves)
    }

    /// Whether the proposer knows the base of the branch that it writes.
    fn check_base(&self, write: &Write, links: &Links) -> Result<(), String> {
        let Some(branch) = self.lines.get(write.branch) else { return Ok(()) };
        let changed = write.changes.iter().map(Change::key);
        for key in changed.chain(write.preconditions.iter().map(|one| &one.key)) {
            let there = self.version_at(branch.from, key, branch.base);
            let there = there.filter(|version| version.body.is_some());
            let (there, told) = (there.map(|one| one.revision), links.base_object(key));
            let told = told.map(|object| object.revision);
            // Its proposer may have read it before its content was taken away.
            let excised = there.is_some_and(|revision| self.is_excised(revision));
            if told != there && !(excised && told.is_none()) {
                return Err(format!(
                    "a write to branch {} was proposed as if {key} had revision {told:?} in its \
                     base, where it has {there:?}",
                    branch.name
                ));
            }
        }
        Ok(())
    }

    /// The newest change of a key that a line shows at a revision, from its base on.
    fn version_at(&self, line: BranchId, key: &ObjectKey, revision: Revision) -> Option<&Version> {
        let versions = self.of_line(line).and_then(|versions| versions.get(key));
        let own = versions.into_iter().flatten().rev().find(|one| one.revision <= revision);
        match self.lines.get(line) {
            Some(branch) if own.is_none() => self.version_at(branch.from, key, branch.base),
            Some(_) => own,
            None => {
                own.filter(|one| self.is_excised(one.revision) || !self.is_lost(key, one, revision))
            }
        }
    }

    /// The revision of the object that a line has at a key, as its proposer knows the base.
    fn found(&self, line: BranchId, links: &Links, key: &ObjectKey) -> Option<Revision> {
        if line == BranchId::MAIN {
            return current(&self.main, key);
        }
        match self.beside.get(&line).and_then(|versions| versions.get(key)) {
            Some(_) => current(&self.beside[&line], key),
            None => links.base_object(key).map(|object| object.revision),
        }
    }
}

/// What a write does to branches, by their names.
#[derive(Default)]
struct Moves<'w> {
    ends: Vec<&'w str>,
    begins: Option<&'w str>,
}

/// The revision of the object that is there last.
fn current(versions: &Versions, key: &ObjectKey) -> Option<Revision> {
    let newest = versions.get(key)?.last()?;
    newest.body.as_ref().map(|_| newest.revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use reddwarf_core::Collection;

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
        model.apply(0, 1, Some(&first)).expect("sound");
        model.apply(1, 1, Some(&first)).expect("sound");
        model.apply(2, 1, Some(&put(2, Expectation::Absent))).expect("sound");
        assert_eq!(model.revision(), Revision(1));
        model.apply(3, 1, Some(&put(3, Expectation::At(Revision(1))))).expect("sound");
        assert_eq!((model.revision(), model.revision_at(2)), (Revision(2), Some(Revision(1))));
        assert_eq!(model.commits().iter().map(|commit| commit.index).collect::<Vec<_>>(), [0, 3]);
        let all = Collection::new("", "configmaps");
        let bodies: Vec<_> = model.at(&all, Revision(1)).map(|(_, v)| v.body.clone()).collect();
        assert_eq!(bodies, [Some(Bytes::from(vec![1]))]);
    }
}
