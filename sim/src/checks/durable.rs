//! What a member has made durable is no more than it applied, and is there again after every start.

use super::{Check, Moment};
use std::collections::BTreeMap;

/// The newest entry whose effects were durable, by node.
#[derive(Default)]
pub struct DurableState(BTreeMap<u64, Option<u64>>);

impl Check for DurableState {
    fn name(&self) -> &'static str {
        "durable state"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members {
            let (machine, applied, durable) = (member.machine, member.applied, member.durable);
            if durable > applied {
                return Err(format!(
                    "m{machine} has {durable:?} in its file, and has applied up to {applied:?}"
                ));
            }
            // A file that is damaged is made anew from less.
            if member.wiped || member.rotten {
                continue;
            }
            let known = self.0.entry(member.id).or_default();
            if durable < *known {
                return Err(format!(
                    "the file of m{machine} reaches entry {durable:?}, it has reached {known:?} \
                     before"
                ));
            }
            *known = durable;
        }
        Ok(())
    }
}
