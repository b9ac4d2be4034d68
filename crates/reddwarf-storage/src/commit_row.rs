//! Rows of the `commits` table: a commit's header, whole or as a delta, or what stands for a run of
//! commits whose headers are no longer kept.

use crate::{KvError, KvRead, Table, delta, rows};
use bytes::Bytes;
use reddwarf_core::codec;
use reddwarf_core::{BranchId, Commit, CommitHeader, CommitId, Revision};
use reddwarf_versioning::{commit_id, decode_header};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// Record version of a whole header.
const WHOLE_VERSION: u8 = 1;
/// Record version of [`Squashed`].
const SQUASHED_VERSION: u8 = 3;
/// Larger headers are no bases of deltas, so that they need not be kept for others.
pub(crate) const BASE_BYTES_MAX: usize = 1_024;
/// A header's base lies at most so many revisions before it.
pub(crate) const BASE_SPAN: u64 = if cfg!(test) { 24 } else { 4_096 };

/// A run of main's commits that follow each other, all of whose changes lie below the floors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Squashed {
    /// The first revision of the first.
    pub first: Revision,
    /// The last revision of the last.
    pub last: Revision,
    /// The parent of the first.
    pub parent: Option<CommitId>,
    /// The id of the last.
    pub id: CommitId,
    /// The time of the last.
    pub time_ms: u64,
    /// How many they were.
    pub commits: u64,
    /// The header of the last, when others may be stored as deltas against it.
    #[serde(with = "serde_bytes")]
    pub base: Vec<u8>,
}

impl Squashed {
    /// A run of one commit, whose row was `record`.
    pub fn of(commit: &Commit, record: &[u8]) -> Self {
        let header = &commit.header;
        let whole = record.first() == Some(&WHOLE_VERSION) && record.len() <= BASE_BYTES_MAX;
        Squashed {
            first: header.first,
            last: header.last,
            parent: header.parents.first().copied(),
            id: commit.id,
            time_ms: header.time_ms,
            commits: 1,
            base: if whole { record.to_vec() } else { Vec::new() },
        }
    }

    /// Takes in the run that follows; `None` when this one has to stay for itself.
    pub fn followed_by(&self, next: &Squashed) -> Option<Squashed> {
        let joins = self.base.is_empty() && next.parent == Some(self.id);
        let (first, parent, commits) = (self.first, self.parent, self.commits + next.commits);
        joins.then(|| Squashed { first, parent, commits, ..next.clone() })
    }

    /// Its row.
    ///
    /// # Errors
    /// [`KvError::Row`].
    pub fn encode(&self) -> Result<Bytes, KvError> {
        codec::encode(SQUASHED_VERSION, self)
            .map(Bytes::from)
            .map_err(|error| KvError::row(Table::Commits, &self.last.0.to_be_bytes(), error))
    }
}

/// What a row says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitRow {
    /// A commit.
    Commit(Commit),
    /// A run that is no longer kept.
    Squashed(Squashed),
}

impl CommitRow {
    /// The commit, when it is kept.
    pub fn commit(self) -> Option<Commit> {
        match self {
            CommitRow::Commit(commit) => Some(commit),
            CommitRow::Squashed(_) => None,
        }
    }

    /// Its id.
    pub fn id(&self) -> CommitId {
        match self {
            CommitRow::Commit(commit) => commit.id,
            CommitRow::Squashed(run) => run.id,
        }
    }

    /// Its branch, last revision and time.
    pub fn end(&self) -> (BranchId, Revision, u64) {
        match self {
            CommitRow::Commit(Commit { header: h, .. }) => (h.branch, h.last, h.time_ms),
            CommitRow::Squashed(run) => (BranchId::MAIN, run.last, run.time_ms),
        }
    }
}

/// Reads rows, and remembers the base that was needed last.
#[derive(Debug, Default)]
pub(crate) struct CommitRows {
    base: RefCell<Option<(Revision, Bytes)>>,
}

impl CommitRows {
    /// What the row says.
    ///
    /// # Errors
    /// [`KvError::Row`] for a damaged row, and for one that stands in another's place.
    pub fn read(&self, read: &dyn KvRead, key: &[u8], value: &[u8]) -> Result<CommitRow, KvError> {
        match value.first() {
            Some(&SQUASHED_VERSION) => {
                let run: Squashed = codec::decode(SQUASHED_VERSION, value)
                    .map_err(|error| KvError::row(Table::Commits, key, error))?;
                check_place(key, run.last)?;
                Ok(CommitRow::Squashed(run))
            }
            Some(&delta::DELTA_VERSION) => commit(key, &self.whole(read, key, value)?),
            _ => commit(key, value),
        }
    }

    /// The record of a delta in full.
    fn whole(&self, read: &dyn KvRead, key: &[u8], value: &[u8]) -> Result<Bytes, KvError> {
        let at = delta::base_of(Table::Commits, key, value)?;
        let known = self.base.borrow().as_ref().filter(|(known, _)| *known == at).cloned();
        let base = match known {
            Some((_, base)) => base,
            None => {
                let base = base_record(read, key, at)?;
                *self.base.borrow_mut() = Some((at, base.clone()));
                base
            }
        };
        delta::resolve(Table::Commits, key, value, WHOLE_VERSION, &base)
    }
}

fn base_record(read: &dyn KvRead, key: &[u8], at: Revision) -> Result<Bytes, KvError> {
    let missing = || KvError::row(Table::Commits, key, format!("its base at {at} is missing"));
    let row = read.get(Table::Commits, &rows::number_key(at.0))?.ok_or_else(missing)?;
    if row.first() != Some(&SQUASHED_VERSION) {
        return Ok(row);
    }
    let run: Squashed = codec::decode(SQUASHED_VERSION, &row)
        .map_err(|error| KvError::row(Table::Commits, key, error))?;
    if run.base.is_empty() { Err(missing()) } else { Ok(run.base.into()) }
}

fn check_place(key: &[u8], last: Revision) -> Result<(), KvError> {
    if rows::read_number(Table::Commits, key)? == last.0 {
        return Ok(());
    }
    Err(KvError::row(Table::Commits, key, format!("holds the commit that ends at {last}")))
}

fn commit(key: &[u8], record: &[u8]) -> Result<CommitRow, KvError> {
    let header: CommitHeader =
        decode_header(record).map_err(|error| KvError::row(Table::Commits, key, error))?;
    check_place(key, header.last)?;
    Ok(CommitRow::Commit(Commit { id: commit_id(record), header }))
}
