//! Whoever leads has every entry that was committed in an earlier term (leader completeness).

use super::{Check, Moment, Sight};
use reddwarf_raft::inspect::Position;
use std::collections::BTreeSet;

/// The leaders that were looked at, by term.
#[derive(Default)]
pub struct LeaderCompleteness(BTreeSet<u64>);

fn has(leader: &Sight, wanted: Position) -> Result<bool, String> {
    if leader.purged.is_some_and(|purged| purged.index >= wanted.index) {
        return Ok(true);
    }
    let found = leader.entries(wanted.index..wanted.index + 1)?;
    Ok(found.first().is_some_and(|entry| entry.at == wanted))
}

impl Check for LeaderCompleteness {
    fn name(&self) -> &'static str {
        "leader completeness"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for leader in moment.members.iter().filter(|member| member.leads) {
            let term = leader.vote.term;
            if !self.0.insert(term) {
                continue;
            }
            // By log matching, what stands before the newest is there as well.
            let Some(newest) = moment.log.newest_before(term) else { continue };
            if !has(leader, newest.at)? {
                return Err(format!(
                    "m{} leads in term {term} without entry {}, which was committed in term {}",
                    leader.machine, newest.at.index, newest.at.term
                ));
            }
        }
        Ok(())
    }
}
