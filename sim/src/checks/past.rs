//! What a member tells of the past is what there was, as long as it is kept (invariants 11 and 18).

use super::{Check, Moment};
use crate::clients::{Learnt, as_proposed};
use crate::group::past::{Past, Untold};
use crate::model::{Model, Standing};
use reddwarf_core::{BranchId, Collection, Revision};

/// See the module's text.
pub struct PastReads;

fn compare(
    model: &Model,
    line: BranchId,
    collection: &Collection,
    past: &Past,
) -> Result<(), String> {
    let revision = past.seen.revision;
    let branch = model.lines().get(line);
    // Nothing keeps its base any more.
    if branch.is_some_and(|branch| branch.standing == Standing::Forgotten) {
        return Ok(());
    }
    let meant = model.resolve(line, past.asked);
    // Where nothing of a commit is kept, it is not known that it was one.
    if meant != revision && !(past.asked == revision && model.is_squashed(revision)) {
        return Err(format!("revision {} means {meant}, not {revision}", past.asked));
    }
    let wanted = match branch {
        Some(branch) => model.shown(branch, line, collection, revision),
        None => model.at(collection, revision).collect(),
    };
    // Content that was taken away may have been read before.
    let kept = |revision: Revision| !model.is_excised(revision);
    let wanted = wanted.into_iter().filter(|(_, one)| kept(one.revision));
    let wanted = wanted.map(|(key, one)| (key, one.revision, one.body.clone()));
    let found = past.seen.objects.iter().filter(|(_, at, _)| kept(*at));
    let found = found.map(|(key, at, bytes)| (key, *at, Some(as_proposed(bytes, *at))));
    let (wanted, found): (Vec<_>, Vec<_>) = (wanted.collect(), found.collect());
    if wanted == found {
        return Ok(());
    }
    let told = |all: &[(_, Revision, _)]| -> Vec<String> {
        all.iter().map(|(key, at, _)| format!("{at} {key}")).collect()
    };
    Err(format!("at {revision} there were {:?}, told are {:?}", told(&wanted), told(&found)))
}

fn excuse(
    model: &Model,
    line: BranchId,
    collection: &Collection,
    untold: &Untold,
) -> Result<(), String> {
    match untold {
        Untold::Gone { asked, floor } => {
            let standing = model.lines().get(line).map(|branch| branch.standing);
            let highest = model.retention().floors().of_collection(collection, None);
            match standing {
                Some(Standing::Alive) => {
                    Err(format!("revision {asked} of a branch is gone, below {floor}"))
                }
                _ if asked >= floor || *floor > highest => Err(format!(
                    "revision {asked} is gone, it says, below {floor}; all is kept from {highest}"
                )),
                _ => Ok(()),
            }
        }
        Untold::Excised(revision) if !model.is_excised(*revision) => {
            Err(format!("nobody has taken the content of revision {revision} away"))
        }
        Untold::Damaged(what) => Err(format!("its file is damaged: {what}")),
        // It may not have the branch yet, or have just lost it.
        Untold::Excised(_) | Untold::NoBranch | Untold::NotNow(_) => Ok(()),
    }
}

impl Check for PastReads {
    fn name(&self) -> &'static str {
        "past"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for note in moment.notes {
            let Learnt::Past { line, collection, told, .. } = &note.learnt else { continue };
            let model = moment.model;
            let judged = match told {
                Ok(past) => compare(model, *line, collection, past),
                Err(untold) => excuse(model, *line, collection, untold),
            };
            judged.map_err(|what| {
                format!("client {} from m{}, line {}: {what}", note.client, note.machine, line.0)
            })?;
        }
        Ok(())
    }
}
