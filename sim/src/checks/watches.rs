//! A watch tells every change after its start exactly once, in order, and whole commits (invariants 4
//! and 10).

use super::{Check, Moment};
use crate::clients::{Learnt, as_proposed};

/// See the module's text.
pub struct Watches;

impl Check for Watches {
    fn name(&self) -> &'static str {
        "watches"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for note in moment.notes {
            let Learnt::Watched { line, collection, after, through, events } = &note.learnt else {
                continue;
            };
            let (client, machine) = (note.client, note.machine);
            let expected = moment.model.changes(*line, collection, *after, *through);
            let told: Vec<_> = events
                .iter()
                .map(|(key, at, bytes)| {
                    (key, *at, bytes.as_ref().map(|bytes| as_proposed(bytes, *at)))
                })
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(key, version)| (key, version.revision, version.body.clone()))
                .collect();
            if told != expected {
                let revisions = |all: &[(_, _, Option<bytes::Bytes>)]| -> Vec<String> {
                    all.iter().map(|(key, at, _)| format!("{at} {key}")).collect()
                };
                return Err(format!(
                    "the watch of client {client} on m{machine} told {:?} between {after} and \
                     {through}, there are {:?}",
                    revisions(&told),
                    revisions(&expected)
                ));
            }
            if !moment.model.is_commit_end(*through) {
                return Err(format!("the watch of client {client} was told half of a commit"));
            }
        }
        Ok(())
    }
}
