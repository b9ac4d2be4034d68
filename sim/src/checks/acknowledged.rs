//! What was acknowledged is committed, as it was told. That it is never lost shows in the end: what the
//! model never gets to is missing.

use super::{Check, Moment};
use crate::clients::{Fate, Learnt};

/// See the module's text.
pub struct Acknowledged;

impl Check for Acknowledged {
    fn name(&self) -> &'static str {
        "acknowledged writes"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for note in moment.notes {
            let Learnt::Write { changes, fate: Fate::Committed(told) } = &note.learnt else {
                continue;
            };
            let client = note.client;
            let Some(commit) = moment.model.commit_of(told.first) else {
                let (first, last) = (told.first, told.last);
                return Err(format!(
                    "client {client} was told of a commit {first} to {last}, and there is none"
                ));
            };
            let written: Vec<_> = moment
                .model
                .written_by(commit)
                .map(|(key, version)| (key.clone(), version.body.clone()))
                .collect();
            if commit.last != told.last || written != *changes {
                return Err(format!(
                    "commit {} is not what client {client} was told that it wrote",
                    told.first
                ));
            }
        }
        Ok(())
    }
}
