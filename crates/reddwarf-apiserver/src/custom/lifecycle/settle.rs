//! What is to be said of a definition: its accepted names and its conditions.

use super::condition;
use super::names::{Taken, decide};
use serde_json::Value;

/// The definition with its conditions; `None` when nothing changes. `taken` are the names that
/// definitions of its group have, its own among them.
pub fn settle(definition: &Value, taken: &Taken) -> Option<Value> {
    let now = crate::defaults::now();
    let mut changed = definition.clone();
    let settled = definition["spec"]["names"] == definition["status"]["acceptedNames"]
        && condition::holds(definition, "Established");
    if !settled {
        let decision = decide(definition, taken);
        changed["status"]["acceptedNames"] = decision.accepted;
        let conditions = [Some(decision.names_accepted), decision.established];
        for said in conditions.into_iter().flatten() {
            if !condition::has(definition, &said) {
                condition::set(&mut changed, &said, &now);
            }
        }
    }
    match condition::non_structural(definition) {
        Some(said) if !condition::has(definition, &said) => {
            condition::set(&mut changed, &said, &now);
        }
        None if condition::find(definition, "NonStructuralSchema").is_some() => {
            condition::remove(&mut changed, "NonStructuralSchema");
        }
        _ => {}
    }
    if let Some(said) = condition::approval(definition)
        && !condition::has(definition, &said)
    {
        condition::set(&mut changed, &said, &now);
    }
    (changed != *definition).then_some(changed)
}
