//! What a member serves is what the entries that it has applied lead to (invariant 1).

use super::{Check, Moment, Sight};
use crate::clients::{as_proposed, collections};
use crate::model::Model;
use reddwarf_core::{Collection, Revision};
use std::collections::BTreeMap;

/// What was compared last of each member, by node and life.
#[derive(Default)]
pub struct Contents(BTreeMap<(u64, u64), u64>);

/// Compares objects with what the model has of a collection at a revision.
///
/// # Errors
/// The first difference.
pub fn compare<'o>(
    model: &Model,
    collection: &Collection,
    revision: Revision,
    mut found: impl Iterator<Item = (&'o str, Revision, &'o bytes::Bytes)>,
) -> Result<(), String> {
    for (key, version) in model.at(collection, revision) {
        match found.next() {
            Some((other, at, bytes))
                if other == key.as_str()
                    && at == version.revision
                    && Some(&as_proposed(bytes, at)) == version.body.as_ref() => {}
            other => {
                let other = other.map(|(key, at, _)| format!("{key} of revision {at}"));
                return Err(format!(
                    "at revision {revision} there should be {key} of revision {}, and there is \
                     {}",
                    version.revision,
                    other.as_deref().unwrap_or("nothing")
                ));
            }
        }
    }
    match found.next() {
        None => Ok(()),
        Some((key, at, _)) => {
            Err(format!("at revision {revision} there is {key} of revision {at} too many"))
        }
    }
}

fn check(member: &Sight, model: &Model) -> Result<(), String> {
    for collection in collections() {
        let found = member.view.list(&collection, None, None);
        let found = found.map(|object| (object.key.as_str(), object.revision, &object.bytes));
        compare(model, &collection, member.revision(), found)?;
    }
    if member.applied != model.applied() {
        return Ok(());
    }
    if member.view.clock_ms != model.clock_ms() {
        let (found, expected) = (member.view.clock_ms, model.clock_ms());
        return Err(format!("the cluster clock is at {found} ms, it should be at {expected}"));
    }
    if member.view.level.0 != model.level() {
        let (found, expected) = (member.view.level, model.level());
        return Err(format!("the feature level is {found}, it should be {expected}"));
    }
    Ok(())
}

impl Check for Contents {
    fn name(&self) -> &'static str {
        "contents"
    }

    fn look(&mut self, moment: &Moment<'_>) -> Result<(), String> {
        for member in moment.members {
            let Some(applied) = member.applied else { continue };
            let before = self.0.insert(member.process(), applied);
            if before != Some(applied) {
                check(member, moment.model)
                    .map_err(|what| format!("m{}: {what}", member.machine))?;
            }
        }
        Ok(())
    }
}
