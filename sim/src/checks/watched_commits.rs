//! A watch of commits tells every commit of its line after its start exactly once and in order (invariants
//! 4 and 10).

use super::{Check, Moment};
use crate::clients::Learnt;

/// See the module's text.
pub struct WatchedCommits;

impl Check for WatchedCommits {
    fn name(&self) -> &'static str {
        "watched commits"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for note in moment.notes {
            let Learnt::Commits { line, after, commits } = &note.learnt else { continue };
            let Some((_, through)) = commits.last() else { continue };
            let expected = moment.model.commits_of(*line, *after, *through);
            let expected: Vec<_> = expected.map(|one| (one.first, one.last)).collect();
            if *commits != expected {
                let (client, machine) = (note.client, note.machine);
                return Err(format!(
                    "client {client} was told by m{machine} of the commits {commits:?} of line {} after \
                     {after}, there are {expected:?}",
                    line.0
                ));
            }
        }
        Ok(())
    }
}
