//! The accepted names of all definitions, group by group.

use super::condition;
use super::names::Taken;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// See the module's text. A change costs the same, however many definitions a group has.
#[derive(Default)]
pub struct Groups(BTreeMap<String, Group>);

#[derive(Default)]
struct Group {
    /// `status.acceptedNames` of each definition.
    accepted: BTreeMap<String, Value>,
    /// What they take together.
    taken: Taken,
    /// Definitions that were refused a name.
    refused: BTreeSet<String>,
}

/// The group of a definition.
pub fn group(definition: &Value) -> &str {
    definition["spec"]["group"].as_str().unwrap_or_default()
}

impl Groups {
    /// Takes in the names that a definition has now. Answers the definitions that were refused
    /// names which may be free by that.
    pub fn put(&mut self, definition: &Value) -> Vec<String> {
        let name = crate::object::name(definition).to_owned();
        let accepted = definition["status"]["acceptedNames"].clone();
        let of_group = self.0.entry(group(definition).to_owned()).or_default();
        let said = condition::find(definition, "NamesAccepted");
        match said.is_some_and(|said| said["status"] != "True") {
            true => of_group.refused.insert(name.clone()),
            false => of_group.refused.remove(&name),
        };
        if of_group.accepted.get(&name) == Some(&accepted) {
            return Vec::new();
        }
        of_group.taken.add(&accepted);
        if let Some(before) = of_group.accepted.insert(name, accepted) {
            of_group.taken.remove(&before);
        }
        of_group.refused.iter().cloned().collect()
    }

    /// Takes out the names of a definition that is gone; answers as [`Groups::put`] does.
    pub fn remove(&mut self, group: &str, name: &str) -> Vec<String> {
        let Some(of_group) = self.0.get_mut(group) else { return Vec::new() };
        of_group.refused.remove(name);
        if let Some(before) = of_group.accepted.remove(name) {
            of_group.taken.remove(&before);
        }
        let refused = of_group.refused.iter().cloned().collect();
        if of_group.accepted.is_empty() {
            self.0.remove(group);
        }
        refused
    }

    /// What the definitions of a group take.
    pub fn taken(&self, group: &str) -> Option<&Taken> {
        self.0.get(group).map(|of_group| &of_group.taken)
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::decide;
    use super::*;
    use serde_json::json;

    fn definition(plural: &str, kind: &str, accepted: &str) -> Value {
        let names = json!({"plural": plural, "singular": plural, "kind": kind,
            "listKind": format!("{kind}List")});
        let has = if accepted == "True" { names.clone() } else { json!({}) };
        json!({"metadata": {"name": format!("{plural}.example.com")},
            "spec": {"group": "example.com", "names": names},
            "status": {"acceptedNames": has,
                "conditions": [{"type": "NamesAccepted", "status": accepted}]}})
    }

    #[test]
    fn names_are_free_once_nobody_has_them() {
        let mut groups = Groups::default();
        let (first, second) =
            (definition("as", "Thing", "True"), definition("bs", "Thing", "False"));
        groups.put(&first);
        groups.put(&second);
        let status = |groups: &Groups| {
            let taken = groups.taken("example.com").cloned().unwrap_or_default();
            decide(&second, &taken).names_accepted.status
        };
        assert_eq!(status(&groups), "False");
        assert_eq!(groups.put(&first), Vec::<String>::new(), "nothing changed");
        assert_eq!(groups.remove("example.com", "as.example.com"), ["bs.example.com"]);
        assert_eq!(status(&groups), "True");
        groups.remove("example.com", "bs.example.com");
        assert!(groups.taken("example.com").is_none());
    }
}
