//! `apply`: the only writer of replicated state (invariant 1).
//!
//! A proposal passes three steps. The memory of answered requests gives a repeated one its
//! first answer. Everything that could reject it is checked while nothing has changed yet. Then
//! the changes take their revisions one after the other and become a commit.

use crate::commit::{commit_id, encode_header};
use crate::request_memory::{RequestMemory, RequestRow};
use crate::root::element;
use crate::{
    Applied, EntryContext, Halt, Head, LandedCommit, RememberedRequest, State,
    splice_offset_is_valid,
};
use bytes::Bytes;
use reddwarf_core::limits::{PROPOSAL_BYTES_MAX, PROPOSAL_OBJECTS_MAX};
use reddwarf_core::object::splice_revision;
use reddwarf_core::planted::{self, Bug};
use reddwarf_core::{
    Change, ChangeEvent, CommitChange, CommitHeader, Committed, Expectation, ObjectKey, Outcome,
    Precondition, Proposal, ProposalKind, Rejection, RequestId, Revision, StoredObject, Write,
    content_hash,
};
use std::sync::Arc;

/// Preconditions that one proposal may carry: one for every object and as many again for what
/// the objects depend on.
const PRECONDITIONS_MAX: usize = 4 * PROPOSAL_OBJECTS_MAX;

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
            return Ok(Applied { entry, outcome, commit: None, remembered: None });
        }
        if RequestMemory::is_expired(proposal.made_at, entry.index) {
            let outcome = Outcome::Rejected(Rejection::Expired);
            return Ok(Applied { entry, outcome, commit: None, remembered: None });
        }
        let (outcome, commit) = match proposal.kind {
            ProposalKind::Tick { elapsed_ms } => {
                self.view.clock_ms = self.view.clock_ms.saturating_add(elapsed_ms);
                (Outcome::Done, None)
            }
            ProposalKind::Write(write) => match self.write(entry, proposal.request_id, write) {
                Ok(commit) => (Outcome::Committed(commit.committed), Some(commit)),
                Err(rejection) => (Outcome::Rejected(rejection), None),
            },
        };
        let remembered = self.remember(entry.index, proposal.request_id, &outcome);
        Ok(Applied { entry, outcome, commit, remembered: Some(remembered) })
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
    ) -> Result<LandedCommit, Rejection> {
        let head = self.check(entry, &write)?;
        let Write { branch, changes, .. } = &mut write;
        let (branch, changes) = (*branch, std::mem::take(changes));
        let changes = self.plan(changes);
        let header = header_of(head, request_id, write, &changes);
        let record = encode_header(&header)
            .map_err(|error| Rejection::Malformed(format!("commit header: {error}")))?;
        let committed =
            Committed { id: commit_id(&record), first: header.first, last: header.last };
        let events = changes.into_iter().map(|change| self.land(&header, change)).collect();
        self.view.revision = header.last;
        let moved = Head {
            commit: committed.id,
            revision: header.last,
            time_ms: header.time_ms,
            base: head.base,
        };
        self.heads.insert(branch, moved);
        Ok(LandedCommit { committed, branch, header: record.into(), events })
    }

    /// Everything that can reject a write; returns the head of its branch.
    fn check(&self, entry: EntryContext, write: &Write) -> Result<Head, Rejection> {
        if let Some(fence) = write.fence.filter(|fence| fence.term != entry.term) {
            return Err(Rejection::Fenced { written: fence.term, current: entry.term });
        }
        let Some(head) = self.heads.get(&write.branch) else {
            return Err(Rejection::Malformed(format!("no branch {}", write.branch.0)));
        };
        check_limits(write)?;
        check_keys(&write.changes)?;
        for (at, precondition) in write.preconditions.iter().enumerate() {
            self.check_precondition(at as u32, precondition)?;
        }
        write.changes.iter().try_for_each(|change| self.check_change(change))?;
        Ok(*head)
    }

    fn check_precondition(&self, at: u32, condition: &Precondition) -> Result<(), Rejection> {
        let found = self.view.get(&condition.key).map(|object| object.revision);
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

    fn check_change(&self, change: &Change) -> Result<(), Rejection> {
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
            Change::Delete { key } => match self.view.get(key) {
                Some(_) => Ok(()),
                None => Err(Rejection::Malformed(format!("delete of {key}, which is absent"))),
            },
        }
    }

    /// Gives every change its revision and its final bytes. Changes nothing.
    fn plan(&self, changes: Vec<Change>) -> Vec<Planned> {
        let mut revision = self.view.revision;
        changes
            .into_iter()
            .map(|change| {
                revision = revision.next();
                let before = self.view.get(change.key()).cloned();
                // The stored key is shared, so that a proposal's own copy is freed.
                let key = before.as_ref().map_or_else(|| change.key(), |before| &before.key);
                let key = key.clone();
                let after = store(change, &key, revision, before.as_deref());
                Planned { key, revision, before, after }
            })
            .collect()
    }

    /// Puts one planned change into the state.
    fn land(&mut self, header: &CommitHeader, change: Planned) -> Arc<ChangeEvent> {
        let Planned { key, revision, before, after } = change;
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
}

/// One change with everything decided.
struct Planned {
    key: ObjectKey,
    revision: Revision,
    before: Option<Arc<StoredObject>>,
    after: Option<Arc<StoredObject>>,
}

fn store(
    change: Change,
    key: &ObjectKey,
    revision: Revision,
    before: Option<&StoredObject>,
) -> Option<Arc<StoredObject>> {
    let Change::Put { body, version_offset, index, salt, .. } = change else { return None };
    let bytes: Bytes = splice_revision(&body, version_offset as usize, 0, revision);
    let digits = (bytes.len() - body.len()) as u8;
    let content = content_hash(&bytes, salt.as_ref());
    Some(Arc::new(StoredObject {
        key: key.clone(),
        revision,
        created: before.map_or(revision, |before| before.created),
        bytes,
        version_at: (version_offset, digits),
        index,
        salt,
        content,
    }))
}

fn header_of(head: Head, request_id: RequestId, write: Write, changes: &[Planned]) -> CommitHeader {
    let parents = if head.revision == Revision::ZERO { vec![] } else { vec![head.commit] };
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
        before: change.before.as_ref().map(|before| before.revision),
        after: change.revision,
        deleted: change.after.is_none(),
        content: change.after.as_ref().map_or([0; 32], |after| after.content),
    }
}

fn check_limits(write: &Write) -> Result<(), Rejection> {
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
