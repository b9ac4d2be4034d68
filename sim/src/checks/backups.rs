//! A backup shows the state of one revision, whole.

use super::contents::compare;
use super::{Check, Moment};
use crate::clients::Learnt;

/// See the module's text.
pub struct Backups;

impl Check for Backups {
    fn name(&self) -> &'static str {
        "backups"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for note in moment.notes {
            let Learnt::Backup(saved) = &note.learnt else { continue };
            let judged = saved.as_ref().map_err(Clone::clone).and_then(|saved| {
                saved.iter().try_for_each(|(collection, seen)| {
                    let objects = seen.objects.iter();
                    let objects = objects.map(|(key, at, bytes)| (key.as_str(), *at, bytes));
                    compare(moment.model, collection, seen.revision, objects)
                })
            });
            judged.map_err(|what| format!("of m{}: {what}", note.machine))?;
        }
        Ok(())
    }
}
