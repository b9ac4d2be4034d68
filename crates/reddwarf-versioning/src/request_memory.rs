//! The memory of answered requests (invariant 5): a proposal that comes twice is applied once.
//!
//! Entries are kept in blocks of [`REQUEST_BLOCK_ENTRIES`] log entries, and a block is
//! forgotten as a whole, once every entry of it is older than the window. A block's digest is a
//! running BLAKE3 over its rows, so that the state root covers the memory at the cost of
//! hashing each row once. What is remembered is a function of the applied index alone.

use reddwarf_core::codec::{self, CodecError};
use reddwarf_core::limits::REQUEST_ID_WINDOW;
use reddwarf_core::planted::{self, Bug};
use reddwarf_core::{Outcome, RequestId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Log entries in one block of the memory.
pub const REQUEST_BLOCK_ENTRIES: u64 = 1_024;
/// So many requests are remembered if that is a planted mistake.
const PLANTED_REQUESTS_MAX: usize = 16;
/// Format version of a row.
const ROW_VERSION: u8 = 1;

/// What is remembered of one proposal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRow {
    /// The proposal's id.
    pub id: RequestId,
    /// What it was answered.
    pub outcome: Outcome,
}

impl RequestRow {
    /// The row's record, as it is hashed and stored.
    ///
    /// # Errors
    /// [`CodecError`] when a rejection's text passes the limit of a record.
    pub fn encode(&self) -> Result<Vec<u8>, CodecError> {
        codec::encode(ROW_VERSION, self)
    }

    /// Reads a record.
    ///
    /// # Errors
    /// See [`CodecError`].
    pub fn decode(record: &[u8]) -> Result<Self, CodecError> {
        codec::decode(ROW_VERSION, record)
    }
}

/// The oldest log index whose answer is still remembered once `applied` is applied.
pub fn oldest_kept(applied: u64) -> u64 {
    let oldest = applied.saturating_sub(REQUEST_ID_WINDOW);
    oldest - oldest % REQUEST_BLOCK_ENTRIES
}

#[derive(Debug)]
struct Block {
    number: u64,
    ids: Vec<RequestId>,
    hasher: blake3::Hasher,
    /// Once nothing is added any more.
    digest: Option<blake3::Hash>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct RequestMemory {
    answers: BTreeMap<RequestId, Outcome>,
    blocks: VecDeque<Block>,
}

impl RequestMemory {
    /// The answer to a proposal already applied.
    pub(crate) fn answer(&self, id: &RequestId) -> Option<&Outcome> {
        let answer = self.answers.get(id);
        match planted::is(Bug::EvictedRequest) {
            true => answer.filter(|_| self.is_among_newest(id)),
            false => answer,
        }
    }

    /// Whether a request is one of the last few; only a planted mistake asks.
    fn is_among_newest(&self, id: &RequestId) -> bool {
        let newest_first = self.blocks.iter().rev().flat_map(|block| block.ids.iter().rev());
        newest_first.take(PLANTED_REQUESTS_MAX).any(|newest| newest == id)
    }

    /// Whether an earlier copy of a proposal made at `made_at` could have been forgotten when
    /// entry `index` is applied.
    pub(crate) fn is_expired(made_at: u64, index: u64) -> bool {
        made_at < index.saturating_sub(REQUEST_ID_WINDOW)
    }

    /// Remembers the answer of entry `index`, the newest so far; `record` is its row.
    pub(crate) fn remember(&mut self, index: u64, id: RequestId, outcome: Outcome, record: &[u8]) {
        let number = index / REQUEST_BLOCK_ENTRIES;
        if self.blocks.back().is_none_or(|block| block.number != number) {
            if let Some(full) = self.blocks.back_mut() {
                full.digest = Some(full.hasher.finalize());
            }
            let (ids, hasher) = (Vec::new(), blake3::Hasher::new());
            self.blocks.push_back(Block { number, ids, hasher, digest: None });
        }
        let block = self.blocks.back_mut().expect("invariant: pushed above when missing");
        block.ids.push(id);
        block.hasher.update(&index.to_le_bytes());
        block.hasher.update(&(record.len() as u32).to_le_bytes());
        block.hasher.update(record);
        self.answers.insert(id, outcome);
    }

    /// Forgets what is too old once entry `applied` is applied.
    pub(crate) fn forget(&mut self, applied: u64) {
        let oldest = oldest_kept(applied) / REQUEST_BLOCK_ENTRIES;
        while self.blocks.front().is_some_and(|block| block.number < oldest) {
            for id in self.blocks.pop_front().into_iter().flat_map(|block| block.ids) {
                self.answers.remove(&id);
            }
        }
    }

    /// Feeds the blocks' numbers and digests to the state root.
    pub(crate) fn hash_into(&self, root: &mut blake3::Hasher) {
        root.update(&(self.blocks.len() as u64).to_le_bytes());
        for block in &self.blocks {
            root.update(&block.number.to_le_bytes());
            root.update(block.digest.unwrap_or_else(|| block.hasher.finalize()).as_bytes());
        }
    }

    /// How many answers are remembered.
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }
}
