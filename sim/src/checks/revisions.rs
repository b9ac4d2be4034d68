//! Revisions grow by one for each change that is committed, and never go back (invariants 4 and 6).

use super::{Check, Moment};
use reddwarf_core::Revision;
use std::collections::BTreeMap;

/// The revision of each member, by node and life.
#[derive(Default)]
pub struct Revisions(BTreeMap<(u64, u64), Revision>);

impl Check for Revisions {
    fn name(&self) -> &'static str {
        "revisions"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members {
            let (machine, revision) = (member.machine, member.revision());
            let Some(applied) = member.applied else { continue };
            if moment.model.revision_at(applied) != Some(revision) {
                return Err(format!(
                    "m{machine} is at revision {revision} after entry {applied}, it should be at \
                     {:?}",
                    moment.model.revision_at(applied)
                ));
            }
            let before = self.0.insert(member.process(), revision);
            if let Some(before) = before.filter(|before| *before > revision) {
                return Err(format!("m{machine} went back from revision {before} to {revision}"));
            }
            if !moment.model.is_commit_end(revision) {
                return Err(format!("m{machine} shows revision {revision}, within a commit"));
            }
        }
        Ok(())
    }
}
