//! Whoever leads has every entry that was committed in an earlier term (leader completeness).

use super::{Check, Moment, Sight};
use std::collections::BTreeSet;

/// The leaders that were looked at, by term.
#[derive(Default)]
pub struct LeaderCompleteness(BTreeSet<u64>);

fn has(leader: &Sight, index: u64, term: u64) -> bool {
    let purged = leader.inside.log_purged.is_some_and(|purged| purged.index >= index);
    purged || {
        let found = leader.node.log_entries(index..index + 1);
        found.first().is_some_and(|entry| entry.term == term)
    }
}

impl Check for LeaderCompleteness {
    fn name(&self) -> &'static str {
        "leader completeness"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for leader in moment.members.iter().filter(|member| member.inside.leads) {
            let term = leader.inside.vote.term;
            if !self.0.insert(term) {
                continue;
            }
            // By log matching, what stands before the newest is there as well.
            let Some(newest) = moment.log.newest_before(term) else { continue };
            if !has(leader, newest.index, newest.term) {
                return Err(format!(
                    "m{} leads in term {term} without entry {}, which was committed in term {}",
                    leader.machine, newest.index, newest.term
                ));
            }
        }
        Ok(())
    }
}
