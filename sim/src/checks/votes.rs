//! A member votes for one candidate in a term, over all of its processes (invariant 16).

use super::{Check, Moment};
use std::collections::BTreeMap;

/// For whom a node has voted, by node and term.
#[derive(Default)]
pub struct Votes(BTreeMap<(u64, u64), u64>);

impl Check for Votes {
    fn name(&self) -> &'static str {
        "one vote a term"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members {
            // What is not durable yet was told to nobody, and a committed one is the leader's.
            let vote = member.durable_vote.filter(|vote| !vote.committed);
            let Some(vote) = vote else { continue };
            let id = member.id;
            let voted = *self.0.entry((id, vote.term)).or_insert(vote.node);
            if voted != vote.node {
                return Err(format!(
                    "node {id} voted for {voted} and then for {} in term {}",
                    vote.node, vote.term
                ));
            }
        }
        Ok(())
    }
}
