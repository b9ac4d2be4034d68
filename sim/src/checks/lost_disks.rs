//! Whoever has lost its disk takes no part under its id any more: it has forgotten its votes (invariant
//! 16).

use super::{Check, Moment};

/// See the module's text.
pub struct LostDisks;

impl Check for LostDisks {
    fn name(&self) -> &'static str {
        "lost disks"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members.iter().filter(|member| member.wiped) {
            let (machine, id) = (member.machine, member.id);
            if let Some(vote) = member.durable_vote {
                let (node, term) = (vote.node, vote.term);
                return Err(format!(
                    "m{machine} has lost its disk, and votes for {node} in term {term} as node {id}"
                ));
            }
            if let Some(last) = member.last {
                return Err(format!(
                    "m{machine} has lost its disk, and takes entry {} as node {id}",
                    last.index
                ));
            }
        }
        Ok(())
    }
}
