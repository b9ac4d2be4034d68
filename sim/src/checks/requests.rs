//! A write is applied at most once, and not at all if its client was told so (invariant 5).

use super::{Check, Moment};
use crate::clients::{Fate, Learnt};
use bytes::Bytes;
use reddwarf_core::Revision;
use std::collections::BTreeMap;

/// What clients were told was not written, and what was found to be, by the bytes: no two writes have
/// the same.
#[derive(Default)]
pub struct Requests {
    not_written: BTreeMap<Bytes, String>,
    written: BTreeMap<Bytes, Revision>,
    looked: usize,
}

impl Check for Requests {
    fn name(&self) -> &'static str {
        "requests"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for commit in &moment.model.commits()[self.looked..] {
            for (key, version) in moment.model.written_by(commit) {
                let Some(body) = &version.body else { continue };
                if let Some(before) = self.written.insert(body.clone(), version.revision) {
                    return Err(format!(
                        "what revision {before} wrote to {key} was written again by revision {}",
                        version.revision
                    ));
                }
                if let Some(told) = self.not_written.get(body) {
                    return Err(format!("{key} was written although its client was told: {told}"));
                }
            }
        }
        self.looked = moment.model.commits().len();
        for note in moment.notes {
            let Learnt::Write { changes, fate: Fate::NotWritten(why) } = &note.learnt else {
                continue;
            };
            for (key, body) in changes {
                let Some(body) = body else { continue };
                if let Some(revision) = self.written.get(body) {
                    return Err(format!(
                        "{key} was written by revision {revision} although client {} was told: \
                         {why}",
                        note.client
                    ));
                }
                self.not_written.insert(body.clone(), why.clone());
            }
        }
        Ok(())
    }
}
