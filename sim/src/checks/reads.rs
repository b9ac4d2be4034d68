//! A linearizable read shows everything that anybody knew of when it began, and every read shows a state
//! that there was (invariant 9).

use super::contents::compare;
use super::{Check, Moment};
use crate::clients::Learnt;
use reddwarf_core::Revision;

/// See the module's text.
pub struct Reads;

impl Check for Reads {
    fn name(&self) -> &'static str {
        "reads"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for note in moment.notes {
            let Learnt::Read { collection, floor, seen } = &note.learnt else { continue };
            let (client, machine, revision) = (note.client, note.machine, seen.revision);
            if revision < *floor {
                return Err(format!(
                    "client {client} read revision {revision} from m{machine} after {floor} was \
                     known"
                ));
            }
            if revision != Revision::ZERO && !moment.model.is_commit_end(revision) {
                return Err(format!("client {client} read half of a commit at {revision}"));
            }
            let found = seen.objects.iter().map(|(key, at, bytes)| (key.as_str(), *at, bytes));
            compare(moment.model, collection, revision, found)
                .map_err(|what| format!("client {client} from m{machine}: {what}"))?;
        }
        Ok(())
    }
}
