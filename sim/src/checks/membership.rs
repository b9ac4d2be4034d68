//! Raft ids are never used again, and a majority of voters stays one (invariant 16).

use super::sight::voters;
use super::{Check, Moment};
use std::collections::{BTreeMap, BTreeSet};

/// The committed memberships by the index of their entries.
#[derive(Default)]
pub struct Memberships(BTreeMap<u64, BTreeSet<u64>>);

impl Check for Memberships {
    fn name(&self) -> &'static str {
        "membership"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members {
            let members = member.committed_members()?;
            let Some(index) = members.at.map(|at| at.index) else { continue };
            let voters = voters(&members);
            let nodes: BTreeSet<u64> = voters.union(&members.learners).copied().collect();
            if voters.is_empty() {
                return Err(format!("by entry {index} nobody votes"));
            }
            if let Some(known) = self.0.get(&index) {
                if *known != nodes {
                    return Err(format!("entry {index} names {known:?} and {nodes:?} as members"));
                }
                continue;
            }
            self.check_ids(index, &nodes)?;
            self.0.insert(index, nodes);
        }
        Ok(())
    }
}

impl Memberships {
    /// Whoever was named before and then not is never named again.
    fn check_ids(&self, index: u64, nodes: &BTreeSet<u64>) -> Result<(), String> {
        let mut gone: BTreeSet<u64> = BTreeSet::new();
        let mut named: BTreeSet<u64> = BTreeSet::new();
        for known in self.0.range(..index).map(|(_, known)| known) {
            gone.extend(named.difference(known));
            named = known.clone();
        }
        gone.extend(named.difference(nodes));
        match gone.intersection(nodes).next() {
            None => Ok(()),
            Some(id) => Err(format!("node {id} was removed, and is named again by entry {index}")),
        }
    }
}
