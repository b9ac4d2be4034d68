//! Entries of the same index and term are the same, and follow upon the same (log matching).

use super::{Check, Moment, Sight};
use reddwarf_raft::inspect::LoggedEntry;
use std::collections::BTreeMap;

/// Every entry that was ever seen in a log, with the term of the one before it.
#[derive(Default)]
pub struct LogMatching {
    entries: BTreeMap<(u64, u64), (LoggedEntry, Option<u64>)>,
    /// The end of each member's log when it was looked at last, by node and life.
    looked: BTreeMap<(u64, u64), (u64, u64)>,
}

impl LogMatching {
    fn look_at(&mut self, member: &Sight, from: u64, to: u64) -> Result<(), String> {
        // One more in front, for what the first follows upon.
        let entries = member.entries(from.saturating_sub(1)..to + 1)?;
        let before = std::iter::once(None).chain(entries.iter().map(Some));
        for (before, entry) in before.zip(&entries) {
            let before = before.filter(|before| before.at.index + 1 == entry.at.index);
            let before = before.map(|before| before.at.term);
            let key = (entry.at.index, entry.at.term);
            let (known, follows) =
                self.entries.entry(key).or_insert_with(|| (entry.clone(), before));
            let same_before = before.is_none() || follows.is_none() || before == *follows;
            if known != entry || !same_before {
                return Err(format!(
                    "entry {} of term {} on m{} is another one than elsewhere, or follows upon \
                     another one",
                    entry.at.index, entry.at.term, member.machine
                ));
            }
            *follows = follows.or(before);
        }
        Ok(())
    }
}

impl Check for LogMatching {
    fn name(&self) -> &'static str {
        "log matching"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members {
            let Some(last) = member.last else { continue };
            let who = member.process();
            let looked = self.looked.insert(who, (last.index, last.term));
            if looked == Some((last.index, last.term)) {
                continue;
            }
            // What is committed does not change any more, anything above may have.
            let from = match (looked, member.applied) {
                (Some((index, _)), Some(applied)) => index.min(applied),
                _ => 0,
            };
            self.look_at(member, from, last.index)?;
        }
        Ok(())
    }
}
