//! The log as memory knows it: where each entry lies, and the newest entries themselves.

use crate::types::{Entry, LogId, Vote, log_id, term_of};
use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use std::collections::VecDeque;

/// Where an entry's record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Sequence of the segment.
    pub segment: u64,
    /// Offset of the record.
    pub offset: u64,
    /// Length of the whole record.
    pub len: u32,
}

#[derive(Debug)]
struct Slot {
    term: u64,
    bytes: usize,
    place: Option<Place>,
    entry: Option<Entry>,
}

/// What a read of one index finds.
#[derive(Debug)]
pub enum Found {
    /// The entry itself.
    Cached(Entry),
    /// Where to read it.
    OnDisk(Place),
}

/// The index of the log with a bounded cache of its newest entries.
#[derive(Debug, Default)]
pub struct LogTable {
    /// The vote as submitted.
    pub vote: Option<Vote>,
    /// The index of the newest entry that is durable, and the newest vote that is.
    pub durable: (Option<u64>, Option<Vote>),
    /// The committed log id as submitted.
    pub committed: Option<LogId>,
    purged: Option<LogId>,
    first: u64,
    slots: VecDeque<Slot>,
    cached_bytes: usize,
    evict_at: u64,
}

fn bytes_of(entry: &Entry) -> usize {
    let payload = match &entry.payload {
        EntryPayload::Normal(data) => data.bytes().len(),
        _ => 0,
    };
    payload + 128
}

impl LogTable {
    /// The last purged log id and the last one (the purged one when the log is empty).
    pub fn state(&self) -> (Option<LogId>, Option<LogId>) {
        let last = self.slots.back().map(|slot| log_id(slot.term, self.next() - 1));
        (self.purged, last.or(self.purged))
    }

    /// The newest index behind which there are more than `bytes` of entries.
    pub fn index_behind(&self, bytes: u64) -> Option<u64> {
        let mut behind = 0;
        let at = self.slots.iter().rposition(|slot| {
            behind += slot.bytes as u64;
            behind > bytes
        });
        at.and_then(|at| (self.first + at as u64).checked_sub(1))
    }

    /// The index that the next entry must have; any, when the log never had one.
    fn next(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// Whether `entry` continues the log.
    pub fn continues(&self, index: u64) -> bool {
        match (self.slots.is_empty(), self.purged) {
            (true, None) => true,
            (true, Some(purged)) => index <= purged.index() + 1,
            (false, _) => index == self.next(),
        }
    }

    /// Adds an entry at the end; `place` is known on recovery only.
    pub fn push(&mut self, entry: Entry, place: Option<Place>) {
        let (id, bytes) = (entry.log_id(), bytes_of(&entry));
        if self.slots.is_empty() {
            self.first = id.index();
            self.evict_at = id.index();
        }
        self.cached_bytes += bytes;
        self.slots.push_back(Slot { term: term_of(&id), bytes, place, entry: Some(entry) });
    }

    /// Records where the writer put an entry, unless another has taken its index since.
    pub fn place(&mut self, term: u64, index: u64, place: Place) {
        let Some(at) = index.checked_sub(self.first) else { return };
        if let Some(slot) = self.slots.get_mut(at as usize).filter(|slot| slot.term == term) {
            slot.place = Some(place);
        }
    }

    /// Drops the oldest entries that are on disk until the cache is within `max` bytes.
    pub fn evict(&mut self, max: usize) {
        while self.cached_bytes > max {
            let at = self.evict_at.max(self.first);
            let Some(slot) = self.slots.get_mut((at - self.first) as usize) else { return };
            if slot.place.is_none() {
                return;
            }
            if slot.entry.take().is_some() {
                self.cached_bytes -= slot.bytes;
            }
            self.evict_at = at + 1;
        }
    }

    /// Drops the entries above `last`, all of them when it is `None`.
    pub fn truncate_after(&mut self, last: Option<u64>) {
        let keep = last.map_or(0, |last| (last + 1).saturating_sub(self.first)) as usize;
        while self.slots.len() > keep {
            self.drop_slot_back();
        }
        self.evict_at = self.evict_at.min(self.next());
    }

    fn drop_slot_back(&mut self) {
        if let Some(Slot { entry: Some(_), bytes, .. }) = self.slots.pop_back() {
            self.cached_bytes -= bytes;
        }
    }

    /// Drops the entries up to `upto`, which may lie beyond the end (invariant 14).
    pub fn purge(&mut self, upto: LogId) {
        if self.purged >= Some(upto) {
            return;
        }
        while self.first <= upto.index() {
            let Some(slot) = self.slots.pop_front() else { break };
            if slot.entry.is_some() {
                self.cached_bytes -= slot.bytes;
            }
            self.first += 1;
        }
        if self.slots.is_empty() {
            self.first = upto.index() + 1;
        }
        self.purged = Some(upto);
    }

    /// What is known of the entries in `[from, to)`, as far as the log reaches without a gap.
    pub fn find(&self, from: u64, to: u64) -> Vec<Found> {
        let start = from.max(self.first);
        let end = to.min(self.next());
        (start..end).map_while(|index| self.find_one(index)).collect()
    }

    fn find_one(&self, index: u64) -> Option<Found> {
        let slot = self.slots.get((index - self.first) as usize)?;
        match (&slot.entry, slot.place) {
            (Some(entry), _) => Some(Found::Cached(entry.clone())),
            (None, Some(place)) => Some(Found::OnDisk(place)),
            (None, None) => None,
        }
    }

    /// The first index present, when there is one.
    pub fn first(&self) -> Option<u64> {
        (!self.slots.is_empty()).then_some(self.first)
    }
}
