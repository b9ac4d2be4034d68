//! What one member applies at an index, no other applies something else there (state machine safety).

use super::Sight;
use crate::model::Model;
use reddwarf_raft::inspect::LoggedEntry;
use std::collections::BTreeMap;

/// The entries that some member has applied, and how far each member has come.
#[derive(Default)]
pub struct CommittedLog {
    entries: BTreeMap<u64, LoggedEntry>,
    /// By Raft id and life.
    followed: BTreeMap<(u64, u64), u64>,
}

impl CommittedLog {
    /// The newest entry.
    pub fn last(&self) -> Option<&LoggedEntry> {
        self.entries.last_key_value().map(|(_, entry)| entry)
    }

    /// The newest entry of a term before `term`.
    pub fn newest_before(&self, term: u64) -> Option<&LoggedEntry> {
        self.entries.values().rev().find(|entry| entry.at.term < term)
    }

    /// An entry.
    pub fn get(&self, index: u64) -> Option<&LoggedEntry> {
        self.entries.get(&index)
    }

    /// Takes note of what members have applied since the last step, and applies it to the model.
    pub(super) fn follow(&mut self, members: &[Sight], model: &mut Model) -> Result<(), String> {
        for member in members {
            let Some(applied) = member.applied else { continue };
            let who = member.process();
            let from = self.followed.get(&who).map_or(0, |followed| followed + 1);
            if from > applied {
                continue;
            }
            self.followed.insert(who, applied);
            // What came with a snapshot, or was purged since, stands in no log.
            for entry in member.entries(from..applied + 1)? {
                self.note(member, entry, model)?;
            }
        }
        Ok(())
    }

    fn note(
        &mut self,
        member: &Sight,
        entry: LoggedEntry,
        model: &mut Model,
    ) -> Result<(), String> {
        let index = entry.at.index;
        if let Some(known) = self.entries.get(&index) {
            if *known != entry {
                return Err(format!(
                    "m{} has applied entry {index} of term {}, another member that of term {}",
                    member.machine, entry.at.term, known.at.term
                ));
            }
            return Ok(());
        }
        let next = self.entries.last_key_value().map_or(0, |(last, _)| last + 1);
        if index != next {
            return Err(format!(
                "m{} has applied entry {index}, and no member was seen to apply entry {next}",
                member.machine
            ));
        }
        model.apply(index, entry.at.term, entry.proposal().as_ref())?;
        self.entries.insert(index, entry);
        Ok(())
    }
}
