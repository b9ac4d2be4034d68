//! What clients did, and what they were told.

use crate::group::MachineId;
use crate::group::backup::Saved;
use crate::group::front::Seen;
use crate::group::past::{Past, Untold};
use parking_lot::Mutex;
use reddwarf_core::{BranchId, Collection, Committed, ObjectKey, Revision};
use std::sync::Arc;

/// A client by its number.
pub type ClientId = usize;

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is a commit.
    Committed(Committed),
    /// It changed nothing, and never will.
    NotWritten(String),
    /// It may or may not have been written, or still be.
    Unknown(String),
}

/// Something that a client learnt.
#[derive(Clone, Debug)]
pub enum Learnt {
    /// What became of a write.
    Write {
        /// The changed keys, with the bytes that were proposed.
        changes: Vec<(ObjectKey, Option<bytes::Bytes>)>,
        /// What became of it.
        fate: Fate,
    },
    /// What a member has of a collection.
    Read {
        /// The collection.
        collection: Collection,
        /// The newest revision that anybody had been told of before the read began; zero for a read
        /// that may be old.
        floor: Revision,
        /// What was read.
        seen: Seen,
    },
    /// What a line showed of a collection.
    Past {
        /// The line.
        line: BranchId,
        /// The collection.
        collection: Collection,
        /// The revision that was asked for.
        asked: Revision,
        /// What it showed then.
        told: Result<Past, Untold>,
    },
    /// What a backup shows.
    Backup(Result<Saved, String>),
    /// Changes that a watch told.
    Watched {
        /// The line.
        line: BranchId,
        /// The collection.
        collection: Collection,
        /// The revision after which they begin.
        after: Revision,
        /// The commit end that they reach.
        through: Revision,
        /// Key, revision, and bytes unless it was removed.
        events: Vec<(ObjectKey, Revision, Option<bytes::Bytes>)>,
    },
    /// Commits that a watch told.
    Commits {
        /// The line.
        line: BranchId,
        /// The revision after which they begin.
        after: Revision,
        /// First and last revision of each.
        commits: Vec<(Revision, Revision)>,
    },
}

/// Something that a client learnt, from whom and when.
#[derive(Clone, Debug)]
pub struct Note {
    /// When, in milliseconds.
    pub at_ms: u64,
    /// Who.
    pub client: ClientId,
    /// From whom.
    pub machine: MachineId,
    /// What.
    pub learnt: Learnt,
}

impl Note {
    /// The revision that must be known before the note can be judged.
    pub fn needs(&self) -> Option<Revision> {
        match &self.learnt {
            Learnt::Write { fate: Fate::Committed(committed), .. } => Some(committed.last),
            Learnt::Write { .. } => None,
            Learnt::Read { seen, .. } => Some(seen.revision),
            Learnt::Past { told: Ok(past), .. } => Some(past.seen.revision),
            Learnt::Past { told: Err(_), .. } => None,
            Learnt::Backup(Ok(saved)) => saved.iter().map(|(_, seen)| seen.revision).max(),
            Learnt::Backup(Err(_)) => None,
            Learnt::Watched { through, .. } => Some(*through),
            Learnt::Commits { commits, .. } => commits.last().map(|(_, last)| *last),
        }
    }
}

/// What clients noted; clones share it.
#[derive(Clone, Default)]
pub struct Journal(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    notes: Vec<Note>,
    /// The newest revision that anybody was told of by a write or a linearizable read.
    known: Revision,
    /// How far each client's watch came, by client.
    watched: Vec<Revision>,
    counts: Counts,
}

/// How often what was learnt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Counts {
    /// Writes that are commits.
    pub committed: u64,
    /// Writes that changed nothing.
    pub not_written: u64,
    /// Writes whose outcome is not known.
    pub unknown: u64,
    /// Reads.
    pub reads: u64,
    /// Reads of the past.
    pub pasts: u64,
    /// Changes that watches told.
    pub events: u64,
    /// Backups.
    pub backups: u64,
    /// Commits that watches told.
    pub commits: u64,
}

impl Journal {
    /// Notes something.
    pub fn note(&self, note: Note) {
        let mut inner = self.0.lock();
        match &note.learnt {
            Learnt::Write { fate: Fate::Committed(committed), .. } => {
                inner.known = inner.known.max(committed.last);
                inner.counts.committed += 1;
            }
            Learnt::Write { fate: Fate::NotWritten(_), .. } => inner.counts.not_written += 1,
            Learnt::Write { fate: Fate::Unknown(_), .. } => inner.counts.unknown += 1,
            Learnt::Read { floor, seen, .. } => {
                // One that may be old tells nothing that others would have to see.
                if *floor > Revision::ZERO {
                    inner.known = inner.known.max(seen.revision);
                }
                inner.counts.reads += 1;
            }
            Learnt::Past { told, .. } => inner.counts.pasts += u64::from(told.is_ok()),
            Learnt::Backup(_) => inner.counts.backups += 1,
            Learnt::Commits { commits, .. } => inner.counts.commits += commits.len() as u64,
            Learnt::Watched { through, events, .. } => {
                let (client, through) = (note.client, *through);
                inner.counts.events += events.len() as u64;
                if inner.watched.len() <= client {
                    inner.watched.resize(client + 1, Revision::ZERO);
                }
                inner.watched[client] = inner.watched[client].max(through);
            }
        }
        inner.notes.push(note);
    }

    /// The newest revision that anybody was told of.
    pub fn known(&self) -> Revision {
        self.0.lock().known
    }

    /// How far a client's watches came.
    pub fn watched(&self, client: ClientId) -> Revision {
        self.0.lock().watched.get(client).copied().unwrap_or_default()
    }

    /// What was noted since this was asked last.
    pub fn take(&self) -> Vec<Note> {
        std::mem::take(&mut self.0.lock().notes)
    }

    /// How often what was learnt.
    pub fn counts(&self) -> Counts {
        self.0.lock().counts
    }
}
