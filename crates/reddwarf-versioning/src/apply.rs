//! `apply`: the only writer of replicated state (invariant 1).
//!
//! A proposal passes three steps. The memory of answered requests gives a repeated one its
//! first answer. Everything that could reject it is checked while nothing has changed yet. Then
//! the changes take their revisions one after the other and become a commit.

use crate::commit::{commit_id, encode_header};
use crate::lines;
use crate::request_memory::{RequestMemory, RequestRow};
use crate::root::element;
use crate::{
    Applied, EntryContext, Halt, LandedCommit, RememberedRequest, State, splice_offset_is_valid,
};
use bytes::Bytes;
use reddwarf_core::limits::{PROPOSAL_BYTES_MAX, PROPOSAL_OBJECTS_MAX};
use reddwarf_core::object::splice_revision;
use reddwarf_core::planted::{self, Bug};
use reddwarf_core::{
    BaseObject, Branch, BranchChange, BranchId, BranchProblem, Change, ChangeEvent, CommitChange,
    CommitHeader, CommitPoint, Committed, Excised, Expectation, Links, ObjectKey, Outcome, Place,
    Precondition, Proposal, ProposalKind, Rejection, RequestId, Revision, StoredObject, Write,
    content_hash,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Preconditions that one proposal may carry: one for every object and as many again for what
/// the objects depend on.
const PRECONDITIONS_MAX: usize = 4 * PROPOSAL_OBJECTS_MAX;

/// Versions of the past that one proposal may take away.
const EXCISED_MAX: usize = 10_000;

/// Objects of a base that one proposal may tell of: each that it changes or depends on.
const BASE_OBJECTS_MAX: usize = PRECONDITIONS_MAX + PROPOSAL_OBJECTS_MAX;

impl State {
    /// Applies one proposal.
    ///
    /// Deterministic: the answer and the state after it follow from the state before and the
    /// arguments alone. A conflict is a value in the answer.
    ///
    /// # Errors
    /// [`Halt`] when this replica must stop because the log is not what it has to be.
    pub fn apply(&mut self, entry: EntryContext, proposal: Proposal) -> Result<Applied, Halt> {
        self.advance(entry)?;
        if let Some(outcome) = self.requests.answer(&proposal.request_id) {
            let outcome = outcome.clone();
            return Ok(Applied::nothing(entry, outcome));
        }
        if RequestMemory::is_expired(proposal.made_at, entry.index) {
            let outcome = Outcome::Rejected(Rejection::Expired);
            return Ok(Applied::nothing(entry, outcome));
        }
        let (mut collected, mut excised) = (Vec::new(), Vec::new());
        let written = match proposal.kind {
            ProposalKind::Tick { elapsed_ms } => {
                self.view.clock_ms = self.view.clock_ms.saturating_add(elapsed_ms);
                collected = self.collect_branches();
                None
            }
            ProposalKind::Write(write) => {
                Some(self.write(entry, proposal.request_id, write, &Links::default()))
            }
            ProposalKind::LinkedToMain(write, links) => {
                Some(self.write(entry, proposal.request_id, write, &links.into()))
            }
            ProposalKind::LinkedWrite(write, links) => {
                Some(self.write(entry, proposal.request_id, write, &links))
            }
            ProposalKind::Retain { fence, floors } => {
                self.retain(entry, fence, floors).err().map(Err)
            }
            ProposalKind::RaiseLevel { fence, level } => {
                self.raise_level(entry, fence, level).err().map(Err)
            }
            ProposalKind::RecordBuilds { fence, builds } => {
                self.record_builds(entry, fence, builds).err().map(Err)
            }
            ProposalKind::Excise(write, versions) => {
                let checked = self.check_excised(&write, &versions);
                let links = Links::default();
                let written =
                    checked.and_then(|()| self.write(entry, proposal.request_id, write, &links));
                if written.is_ok() {
                    excised = versions;
                }
                Some(written)
            }
        };
        let (outcome, commit) = match written {
            None => (Outcome::Done, None),
            Some(Ok(commit)) => (Outcome::Committed(commit.committed), Some(commit)),
            Some(Err(rejection)) => (Outcome::Rejected(rejection), None),
        };
        let remembered = Some(self.remember(entry.index, proposal.request_id, &outcome));
        Ok(Applied { entry, outcome, commit, remembered, collected, excised })
    }

    /// Only what is no longer current, on main as on the branches, can be taken away.
    fn check_excised(&self, write: &Write, versions: &[Excised]) -> Result<(), Rejection> {
        let malformed = |text: String| Err(Rejection::Malformed(text));
        if write.branch != BranchId::MAIN {
            return malformed("the past is excised on main".into());
        }
        if versions.len() > EXCISED_MAX {
            return malformed(format!("{} versions, at most {EXCISED_MAX}", versions.len()));
        }
        for Excised { key, revision } in versions {
            let current = |object: &StoredObject| object.revision == *revision;
            let mut branches = self.view.branches.values().chain(self.view.held.values());
            let on_branch = branches.any(|branch| {
                let change = branch.changes.get(key).and_then(|change| change.object.as_ref());
                change.is_some_and(|object| current(object))
            });
            let on_main = self.view.get(key).is_some_and(|object| current(object));
            if on_main || on_branch || *revision > self.view.revision {
                return malformed(format!(
                    "revision {revision} of {key} is no version of the past"
                ));
            }
        }
        Ok(())
    }

    fn remember(&mut self, index: u64, id: RequestId, outcome: &Outcome) -> RememberedRequest {
        let row = RequestRow { id, outcome: outcome.clone() };
        let record = row.encode().expect("invariant: an outcome is far smaller than a record");
        self.requests.remember(index, id, row.outcome, &record);
        RememberedRequest { index, record: record.into() }
    }

    fn write(
        &mut self,
        entry: EntryContext,
        request_id: RequestId,
        mut write: Write,
        links: &Links,
    ) -> Result<LandedCommit, Rejection> {
        let line = self.line(write.branch, links)?;
        self.check(entry, &write, links, &line)?;
        let moves = match &line {
            Line::Main => self.moves(&write.changes, links)?,
            Line::Branch { branch, .. } => self.moves_of(branch.at.id, links)?,
        };
        let changes = self.plan(std::mem::take(&mut write.changes), &line);
        let branch = match line {
            Line::Main => None,
            Line::Branch { branch, .. } => Some(branch),
        };
        let head = branch.as_ref().map_or(self.view.head, |branch| branch.at.head);
        let header = header_of(head, request_id, write, links, &changes);
        let record = encode_header(&header)
            .map_err(|error| Rejection::Malformed(format!("commit header: {error}")))?;
        let committed =
            Committed { id: commit_id(&record), first: header.first, last: header.last };
        let moved =
            CommitPoint { commit: committed.id, revision: header.last, time_ms: header.time_ms };
        self.view.revision = header.last;
        let events = match branch {
            None => {
                self.view.head = moved;
                changes.into_iter().map(|change| self.land(&header, change)).collect()
            }
            Some(branch) => self.land_on(branch, moved, changes),
        };
        self.make(moves, Place { line: header.branch, revision: header.last });
        let (branch, header) = (header.branch, record.into());
        Ok(LandedCommit { committed, branch, header, events })
    }

    /// The line that a write is to move.
    fn line<'l>(&self, branch: BranchId, links: &'l Links) -> Result<Line<'l>, Rejection> {
        if branch == BranchId::MAIN {
            return Ok(Line::Main);
        }
        let found = self.lines.find(&self.view, branch);
        let branch = found.ok_or(Rejection::Branch(BranchProblem::Gone))?;
        let base = links.base.iter().map(|object| (&object.key, object)).collect();
        Ok(Line::Branch { branch: branch.clone(), base })
    }

    /// Everything that can reject a write, but for what it does to branches.
    fn check(
        &self,
        entry: EntryContext,
        write: &Write,
        links: &Links,
        line: &Line<'_>,
    ) -> Result<(), Rejection> {
        if let Some(fence) = write.fence.filter(|fence| fence.term != entry.term) {
            return Err(Rejection::Fenced { written: fence.term, current: entry.term });
        }
        check_limits(write, links)?;
        check_keys(&write.changes)?;
        for (at, precondition) in write.preconditions.iter().enumerate() {
            self.check_precondition(at as u32, precondition, line)?;
        }
        write.changes.iter().try_for_each(|change| self.check_change(change, line))
    }

    fn check_precondition(
        &self,
        at: u32,
        condition: &Precondition,
        line: &Line<'_>,
    ) -> Result<(), Rejection> {
        let found = self.found(&condition.key, line);
        let holds = match condition.expect {
            Expectation::Absent => found.is_none(),
            Expectation::Present => found.is_some(),
            Expectation::At(_) if planted::is(Bug::UncheckedCompareAndSwap) => found.is_some(),
            Expectation::At(revision) => found == Some(revision),
        };
        if holds {
            return Ok(());
        }
        Err(Rejection::Precondition { at, key: condition.key.clone(), found })
    }

    /// The revision of the object that a line shows at a key.
    fn found(&self, key: &ObjectKey, line: &Line<'_>) -> Option<Revision> {
        match line {
            Line::Main => self.view.get(key).map(|object| object.revision),
            Line::Branch { branch, base } => match branch.changes.get(key) {
                Some(change) => change.object.as_ref().map(|object| object.revision),
                None => base.get(key).map(|object| object.revision),
            },
        }
    }

    fn check_change(&self, change: &Change, line: &Line<'_>) -> Result<(), Rejection> {
        match change {
            Change::Put { key, body, version_offset, .. } => {
                if splice_offset_is_valid(body, *version_offset) {
                    return Ok(());
                }
                let offset = *version_offset;
                Err(Rejection::Malformed(format!(
                    "offset {offset} in {key} is not within an empty resourceVersion"
                )))
            }
            Change::Delete { key } => match self.found(key, line) {
                Some(_) => Ok(()),
                None => Err(Rejection::Malformed(format!("delete of {key}, which is absent"))),
            },
        }
    }

    /// Gives every change its revision and its final bytes. Changes nothing.
    fn plan(&self, changes: Vec<Change>, line: &Line<'_>) -> Vec<Planned> {
        let mut revision = self.view.revision;
        changes
            .into_iter()
            .map(|change| {
                revision = revision.next();
                let (before, base) = match line {
                    Line::Main => (self.view.get(change.key()).cloned(), None),
                    Line::Branch { branch, base } => match branch.changes.get(change.key()) {
                        Some(changed) => (changed.object.clone(), None),
                        None => (None, base.get(change.key()).copied()),
                    },
                };
                // The stored key is shared, so that a proposal's own copy is freed.
                let key = before.as_ref().map_or_else(|| change.key(), |before| &before.key);
                let key = key.clone();
                let created = before.as_ref().map(|before| before.created);
                let created = created.or(base.map(|base| base.created)).unwrap_or(revision);
                let after = store(change, &key, revision, created);
                let base = base.map(|base| base.revision);
                Planned { key, revision, before, base, after }
            })
            .collect()
    }

    /// Puts one planned change into main.
    fn land(&mut self, header: &CommitHeader, change: Planned) -> Arc<ChangeEvent> {
        let Planned { key, revision, before, after, .. } = change;
        if let Some(before) = &before {
            self.objects_hash.remove(&element(header.branch, before));
        }
        match &after {
            Some(after) => {
                self.objects_hash.add(&element(header.branch, after));
                self.view.objects.insert(key.clone(), after.clone());
            }
            None => {
                self.view.objects.remove(&key);
            }
        }
        Arc::new(ChangeEvent::new(key, revision, header.last, before, after))
    }

    /// Puts planned changes into a branch.
    fn land_on(
        &mut self,
        branch: Arc<Branch>,
        head: CommitPoint,
        changes: Vec<Planned>,
    ) -> Vec<Arc<ChangeEvent>> {
        let mut branch = Arc::unwrap_or_clone(branch);
        branch.at.head = head;
        let id = branch.at.id;
        let land = |change: Planned| {
            let Planned { key, revision, before, base, after } = change;
            let change = BranchChange { revision, object: after.clone() };
            lines::add(&mut self.objects_hash, id, &key, &change);
            if let Some(earlier) = branch.changes.insert(key.clone(), change) {
                lines::remove(&mut self.objects_hash, id, &key, &earlier);
            }
            let mut event = ChangeEvent::new(key, revision, head.revision, before, after);
            event.changes_base = base.is_some();
            Arc::new(event)
        };
        let events = changes.into_iter().map(land).collect();
        self.lines.replace(&mut self.view, branch);
        events
    }
}

/// The line that a write moves, with what is known of its base.
enum Line<'l> {
    Main,
    Branch { branch: Arc<Branch>, base: BTreeMap<&'l ObjectKey, &'l BaseObject> },
}

/// One change with everything decided.
struct Planned {
    key: ObjectKey,
    revision: Revision,
    before: Option<Arc<StoredObject>>,
    /// On a branch that had not changed the key yet: the revision of its base's object.
    base: Option<Revision>,
    after: Option<Arc<StoredObject>>,
}

fn store(
    change: Change,
    key: &ObjectKey,
    revision: Revision,
    created: Revision,
) -> Option<Arc<StoredObject>> {
    let Change::Put { body, version_offset, index, salt, .. } = change else { return None };
    let bytes: Bytes = splice_revision(&body, version_offset as usize, 0, revision);
    let digits = (bytes.len() - body.len()) as u8;
    let content = content_hash(&bytes, salt.as_ref());
    Some(Arc::new(StoredObject {
        key: key.clone(),
        revision,
        created,
        bytes,
        version_at: (version_offset, digits),
        index,
        salt,
        content,
    }))
}

fn header_of(
    head: CommitPoint,
    request_id: RequestId,
    write: Write,
    links: &Links,
    changes: &[Planned],
) -> CommitHeader {
    let mut parents = if head.revision == Revision::ZERO { vec![] } else { vec![head.commit] };
    parents.extend(links.merges.map(|merged| merged.at.commit));
    let revision = |change: Option<&Planned>| change.map_or(head.revision, |c| c.revision);
    CommitHeader {
        parents,
        branch: write.branch,
        first: revision(changes.first()),
        last: revision(changes.last()),
        time_ms: write.time_ms.max(head.time_ms),
        author: write.author,
        verb: write.verb,
        message: write.message,
        request_id,
        changes: changes.iter().map(commit_change).collect(),
    }
}

fn commit_change(change: &Planned) -> CommitChange {
    CommitChange {
        key: change.key.clone(),
        before: change.before.as_ref().map(|before| before.revision).or(change.base),
        after: change.revision,
        deleted: change.after.is_none(),
        content: change.after.as_ref().map_or([0; 32], |after| after.content),
    }
}

fn check_limits(write: &Write, links: &Links) -> Result<(), Rejection> {
    let malformed = |text: String| Err(Rejection::Malformed(text));
    let (changes, conditions) = (write.changes.len(), write.preconditions.len());
    if changes == 0 {
        return malformed("no changes".into());
    }
    if changes > PROPOSAL_OBJECTS_MAX {
        return malformed(format!("{changes} changes, at most {PROPOSAL_OBJECTS_MAX}"));
    }
    if conditions > PRECONDITIONS_MAX {
        return malformed(format!("{conditions} preconditions, at most {PRECONDITIONS_MAX}"));
    }
    let base = links.base.len();
    if base > BASE_OBJECTS_MAX {
        return malformed(format!("{base} objects of a base, at most {BASE_OBJECTS_MAX}"));
    }
    let bytes: usize = write.changes.iter().map(body_bytes).sum();
    if bytes > PROPOSAL_BYTES_MAX {
        return malformed(format!("{bytes} bytes of objects, at most {PROPOSAL_BYTES_MAX}"));
    }
    Ok(())
}

fn body_bytes(change: &Change) -> usize {
    match change {
        Change::Put { body, .. } => body.len(),
        Change::Delete { .. } => 0,
    }
}

fn check_keys(changes: &[Change]) -> Result<(), Rejection> {
    if changes.len() < 2 {
        return Ok(());
    }
    let mut keys: Vec<&ObjectKey> = changes.iter().map(Change::key).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(Rejection::Malformed(format!("{} stands twice", pair[0]))),
        None => Ok(()),
    }
}
