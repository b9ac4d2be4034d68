//! Which names of a definition are accepted: those that no other definition of its group has.

use super::condition::{self, Condition};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Names, and how often each was taken.
type Counts = BTreeMap<String, usize>;

/// What the accepted names of the definitions of a group take.
#[derive(Clone, Debug, Default)]
pub struct Taken {
    resources: Counts,
    kinds: Counts,
}

impl Taken {
    /// Takes the names that a definition has in `status.acceptedNames`.
    pub fn add(&mut self, accepted: &Value) {
        let count = |counts: &mut Counts, name: &str| {
            *counts.entry(name.to_owned()).or_default() += 1;
        };
        resources(accepted).for_each(|name| count(&mut self.resources, name));
        kinds(accepted).for_each(|name| count(&mut self.kinds, name));
    }

    /// Gives back what [`Taken::add`] took for such names.
    pub fn remove(&mut self, accepted: &Value) {
        let discount = |counts: &mut Counts, name: &str| {
            let Some(count) = counts.get_mut(name) else { return };
            *count -= 1;
            if *count == 0 {
                counts.remove(name);
            }
        };
        resources(accepted).for_each(|name| discount(&mut self.resources, name));
        kinds(accepted).for_each(|name| discount(&mut self.kinds, name));
    }
}

fn resources(names: &Value) -> impl Iterator<Item = &str> {
    let listed = names["shortNames"].as_array().into_iter().flatten();
    [&names["plural"], &names["singular"]].into_iter().chain(listed).filter_map(Value::as_str)
}

fn kinds(names: &Value) -> impl Iterator<Item = &str> {
    [&names["kind"], &names["listKind"]].into_iter().filter_map(Value::as_str)
}

/// The names that a definition gets, and what is to be said of them.
#[derive(Debug, PartialEq)]
pub struct Decision {
    /// `status.acceptedNames`.
    pub accepted: Value,
    /// `NamesAccepted`.
    pub names_accepted: Condition,
    /// `Established`, when it changes.
    pub established: Option<Condition>,
}

/// Decides on the names of a definition; `taken` includes its own accepted ones.
pub fn decide(definition: &Value, taken: &Taken) -> Decision {
    let requested = &definition["spec"]["names"];
    let mut accepted = match &definition["status"]["acceptedNames"] {
        names @ Value::Object(_) => names.clone(),
        _ => json!({}),
    };
    let mut conflict: Option<(&'static str, String)> = None;
    let in_use = |name: &str| format!("{name:?} is already in use");
    for (field, set, reason) in [
        ("plural", &taken.resources, "PluralConflict"),
        ("singular", &taken.resources, "SingularConflict"),
        ("shortNames", &taken.resources, "ShortNamesConflict"),
        ("kind", &taken.kinds, "KindConflict"),
        ("listKind", &taken.kinds, "ListKindConflict"),
    ] {
        if field == "shortNames" {
            let refused = refused_short_names(requested, &accepted, set);
            match refused.as_slice() {
                [] => keep(&mut accepted, requested, field),
                [one] => conflict = Some((reason, in_use(one))),
                many => {
                    let texts: Vec<String> = many.iter().map(|name| in_use(name)).collect();
                    conflict = Some((reason, format!("[{}]", texts.join(", "))));
                }
            }
            continue;
        }
        let name = requested[field].as_str().unwrap_or_default();
        let own = accepted[field].as_str().unwrap_or_default() == name;
        match own || !set.contains_key(name) {
            true => keep(&mut accepted, requested, field),
            false => conflict = Some((reason, in_use(name))),
        }
    }
    keep(&mut accepted, requested, "categories");
    let names_accepted = match conflict {
        Some((reason, message)) => {
            Condition { ty: "NamesAccepted", status: "False", reason, message }
        }
        None => Condition {
            ty: "NamesAccepted",
            status: "True",
            reason: "NoConflicts",
            message: "no conflicts found".to_owned(),
        },
    };
    let established = established(definition, &names_accepted);
    Decision { accepted, names_accepted, established }
}

/// A kind stays established, whatever names it asks for later.
fn established(definition: &Value, names_accepted: &Condition) -> Option<Condition> {
    if condition::holds(definition, "Established") {
        return None;
    }
    let (status, reason, message) = match names_accepted.status {
        "True" => ("True", "InitialNamesAccepted", "the initial names have been accepted"),
        _ if condition::find(definition, "Established").is_some() => return None,
        _ => ("False", "NotAccepted", "not all names are accepted"),
    };
    Some(Condition { ty: "Established", status, reason, message: message.to_owned() })
}

fn refused_short_names<'a>(requested: &'a Value, accepted: &Value, taken: &Counts) -> Vec<&'a str> {
    let texts = |names: &'a Value| -> Vec<&'a str> {
        let list = names["shortNames"].as_array().into_iter().flatten();
        list.filter_map(Value::as_str).collect()
    };
    let own = accepted["shortNames"].as_array();
    let is_own = |name: &str| own.is_some_and(|own| own.iter().any(|n| n == name));
    let requested = texts(requested).into_iter();
    requested.filter(|name| !is_own(name) && taken.contains_key(*name)).collect()
}

fn keep(accepted: &mut Value, requested: &Value, field: &str) {
    match requested.get(field) {
        Some(value) => accepted[field] = value.clone(),
        None => {
            if let Some(names) = accepted.as_object_mut() {
                names.shift_remove(field);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(plural: &str, kind: &str, short: &[&str]) -> Value {
        json!({"spec": {"names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind,
            "listKind": format!("{kind}List"), "shortNames": short}},
            "status": {"acceptedNames": {"plural": "", "kind": ""}, "conditions": null}})
    }

    #[test]
    fn free_names_are_accepted_and_establish_the_kind() {
        let fresh = definition("widgets", "Widget", &["wd"]);
        let decision = decide(&fresh, &Taken::default());
        assert_eq!(decision.accepted, fresh["spec"]["names"]);
        assert_eq!(decision.names_accepted.reason, "NoConflicts");
        assert_eq!(decision.established.expect("established").status, "True");
    }

    #[test]
    fn names_of_others_are_refused() {
        let mut first = definition("widgets", "Widget", &["wd", "wg"]);
        first["status"]["acceptedNames"] = first["spec"]["names"].clone();
        let mut taken = Taken::default();
        taken.add(&first["status"]["acceptedNames"]);
        let same_kind = decide(&definition("gadgets", "Widget", &[]), &taken);
        assert_eq!(same_kind.names_accepted.reason, "ListKindConflict");
        assert_eq!(same_kind.names_accepted.message, "\"WidgetList\" is already in use");
        assert_eq!(same_kind.accepted["plural"], "gadgets");
        assert_eq!(same_kind.accepted["kind"], "");
        assert_eq!(same_kind.established.expect("said").reason, "NotAccepted");
        let same_short = decide(&definition("gizmos", "Gizmo", &["wd"]), &taken);
        assert_eq!(same_short.names_accepted.reason, "ShortNamesConflict");
        assert_eq!(same_short.names_accepted.message, "\"wd\" is already in use");
        assert_eq!(decide(&first, &taken).names_accepted.status, "True", "its own are its own");
    }
}
