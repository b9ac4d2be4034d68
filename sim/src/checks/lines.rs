//! Main and the branches stand where the entries that a member has applied lead, with what each branch
//! changed, and of the past what should be kept is kept (invariants 8 and 18).

use super::{Check, Moment, Sight};
use crate::clients::as_proposed;
use crate::model::{Head, Model, Standing};
use reddwarf_core::{Branch, BranchId, CommitPoint};
use std::collections::BTreeMap;

/// What was compared last of each member, by node and life.
#[derive(Default)]
pub struct LinesOfMembers(BTreeMap<(u64, u64), u64>);

fn head_of(point: &CommitPoint) -> Head {
    Head { revision: point.revision, time_ms: point.time_ms }
}

fn differs<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Result<(), String> {
    match found == wanted {
        true => Ok(()),
        false => Err(format!("{what}: there is {found:?}, there should be {wanted:?}")),
    }
}

fn check_branch(branch: &Branch, model: &Model) -> Result<(), String> {
    let id = branch.at.id;
    let Some(wanted) = model.lines().get(id) else {
        return Err(format!("there should be no branch {}", id.0));
    };
    let at = (branch.at.from, branch.at.base.revision, head_of(&branch.at.head));
    differs("a branch stands elsewhere", at, (wanted.from, wanted.base, wanted.head))?;
    let found = branch.changes.iter().map(|(key, change)| {
        let body = change.object.as_ref().map(|one| as_proposed(&one.bytes, one.revision));
        (key, change.revision, body)
    });
    let wanted = model.changed_on(id).map(|(key, one)| (key, one.revision, one.body.clone()));
    match found.eq(wanted) {
        true => Ok(()),
        false => Err(format!("branch {} holds other changes than it should", id.0)),
    }
}

fn check(member: &Sight, model: &Model) -> Result<(), String> {
    let view = &member.view;
    let main = model.lines().head(BranchId::MAIN).unwrap_or_default();
    differs("main stands elsewhere", head_of(&view.head), main)?;
    let names = |standing: Standing| {
        let all = model.lines().all().filter(move |(_, line)| line.standing == standing);
        let mut ids: Vec<BranchId> = all.map(|(id, _)| id).collect();
        ids.sort_unstable();
        ids
    };
    let mut alive: Vec<BranchId> = view.branches.values().map(|branch| branch.at.id).collect();
    alive.sort_unstable();
    differs("branches", alive, names(Standing::Alive))?;
    for (name, branch) in &view.branches {
        let wanted = model.lines().get(branch.at.id).map(|line| line.name.as_str());
        differs("the name of a branch", Some(&**name), wanted)?;
    }
    let held: Vec<BranchId> = view.held.keys().copied().collect();
    differs("removed branches that are held", held, names(Standing::Held))?;
    for branch in view.branches.values().chain(view.held.values()) {
        check_branch(branch, model)?;
    }
    differs("floors", &*view.floors, &model.retention().floors())?;
    differs("marks", &view.marks[..], model.retention().marks())
}

impl Check for LinesOfMembers {
    fn name(&self) -> &'static str {
        "lines"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members {
            let Some(applied) = member.applied else { continue };
            let before = self.0.insert(member.process(), applied);
            if before != Some(applied) && member.applied == moment.model.applied() {
                check(member, moment.model)
                    .map_err(|what| format!("m{}: {what}", member.machine))?;
            }
        }
        Ok(())
    }
}
