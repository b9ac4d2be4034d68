//! Brings an applied configuration into a live object.

use super::compare::{fields_of, items_of};
use super::element::PathElement;
use super::item::{self, Nameless};
use super::typed::{Atom, ListType, MapType, Relation, Type};
use serde_json::{Map, Value};
use std::collections::{BTreeSet, VecDeque};

/// The live object with everything that the configuration says.
///
/// Nothing is removed. Lists keep the order of the live object, except that what the
/// configuration lists comes in its order.
///
/// # Errors
/// An item of a list cannot be told apart from the others.
pub fn merge(ty: Type<'_>, live: &Value, applied: &Value) -> Result<Value, Nameless> {
    Ok(values(ty, Some(live), Some(applied))?.unwrap_or_default())
}

fn values(
    ty: Type<'_>,
    live: Option<&Value>,
    applied: Option<&Value>,
) -> Result<Option<Value>, Nameless> {
    let Some(new) = applied else { return Ok(live.cloned()) };
    // A null takes the form of the live value.
    let atom = ty.atom(if new.is_null() { live } else { applied });
    let leaf = || Ok(Some(new.clone()));
    match atom {
        Atom::Scalar(_) => leaf(),
        Atom::List(list) => {
            let (before, after) = (items_of(live), items_of(applied));
            if list.relation == Relation::Atomic || before.is_empty() && after.is_empty() {
                return leaf();
            }
            let items = lists(&list, before, after)?;
            Ok((!items.is_empty()).then_some(Value::Array(items)))
        }
        Atom::Map(map) => {
            let (before, after) = (fields_of(live), fields_of(applied));
            let hollow = |fields: Option<&Map<String, Value>>| fields.is_none_or(Map::is_empty);
            if map.atomic || hollow(before) && hollow(after) {
                return leaf();
            }
            let fields = maps(&map, before, after)?;
            Ok((!fields.is_empty()).then_some(Value::Object(fields)))
        }
    }
}

fn maps(
    map: &MapType<'_>,
    live: Option<&Map<String, Value>>,
    applied: Option<&Map<String, Value>>,
) -> Result<Map<String, Value>, Nameless> {
    let size = live.map_or(0, Map::len).max(applied.map_or(0, Map::len));
    let mut out = Map::with_capacity(size);
    for (name, old) in live.into_iter().flatten() {
        let new = applied.and_then(|applied| applied.get(name));
        let merged = field(map, name, Some(old), new)?;
        out.extend(merged.map(|value| (name.clone(), value)));
    }
    for (name, new) in applied.into_iter().flatten() {
        if live.is_none_or(|live| !live.contains_key(name)) {
            let merged = field(map, name, None, Some(new))?;
            out.extend(merged.map(|value| (name.clone(), value)));
        }
    }
    Ok(out)
}

fn field(
    map: &MapType<'_>,
    name: &str,
    live: Option<&Value>,
    applied: Option<&Value>,
) -> Result<Option<Value>, Nameless> {
    match map.child(name) {
        Some(child) => values(child.ty, live, applied),
        None => Ok(applied.or(live).cloned()),
    }
}

/// The items of a list with their names; of namesakes there is no one value to merge with.
struct Named<'a> {
    order: Vec<PathElement<'a>>,
    values: &'a [Value],
    /// Places in `order`, sorted by name.
    by_name: Vec<usize>,
}

impl<'a> Named<'a> {
    fn of(list: &ListType<'_>, values: &'a [Value]) -> Result<Self, Nameless> {
        let order = values.iter().map(|value| item::element(list, value));
        let order = order.collect::<Result<Vec<_>, _>>()?;
        let mut by_name: Vec<usize> = (0..order.len()).collect();
        by_name.sort_by(|a, b| order[*a].cmp(&order[*b]));
        Ok(Named { order, values, by_name })
    }

    fn places(&self, element: &PathElement<'_>) -> &[usize] {
        let from = self.by_name.partition_point(|at| self.order[*at] < *element);
        let rest = &self.by_name[from..];
        &rest[..rest.partition_point(|at| self.order[*at] == *element)]
    }

    fn has(&self, element: &PathElement<'_>) -> bool {
        !self.places(element).is_empty()
    }

    fn get(&self, element: &PathElement<'_>) -> Option<&'a Value> {
        match self.places(element) {
            [only] => Some(&self.values[*only]),
            _ => None,
        }
    }
}

fn lists(list: &ListType<'_>, live: &[Value], applied: &[Value]) -> Result<Vec<Value>, Nameless> {
    let (old, new) = (Named::of(list, live)?, Named::of(list, applied)?);
    // The names of both lists, in the order of the configuration: the live list is followed up
    // to the next of them.
    let mut shared: VecDeque<&PathElement<'_>> = new.order.iter().filter(|e| old.has(e)).collect();
    let mut next_shared = shared.pop_front();
    let mut merged: BTreeSet<&PathElement<'_>> = BTreeSet::new();
    let mut out = Vec::with_capacity(live.len().max(applied.len()));
    let (mut at_old, mut at_new) = (0, 0);
    let mut take = |old: Option<&Value>, new: Option<&Value>| -> Result<(), Nameless> {
        out.extend(values(list.item, old, new)?);
        Ok(())
    };
    loop {
        let (left, right) = (old.order.get(at_old), new.order.get(at_new));
        if let (Some(left), Some(right)) = (left, right) {
            if left == right {
                merged.insert(left);
                take(old.get(left), new.get(right))?;
                (at_old, at_new) = (at_old + 1, at_new + 1);
                next_shared = shared.pop_front();
                continue;
            }
            if new.has(left) && next_shared.is_some_and(|next| next != left) {
                // It comes later in the configuration.
                at_old += 1;
                continue;
            }
        }
        if let Some(left) = left {
            if !new.has(left) {
                take(live.get(at_old), None)?;
                at_old += 1;
                continue;
            }
            if merged.contains(left) {
                at_old += 1;
            }
        }
        let Some(right) = right else {
            if left.is_none() {
                break;
            }
            continue;
        };
        merged.insert(right);
        take(old.get(right), new.get(right))?;
        at_new += 1;
        if next_shared == Some(right) {
            next_shared = shared.pop_front();
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;
    use proptest::prelude::*;
    use serde_json::json;

    fn pod_type() -> Type<'static> {
        let graph = schema::builtin();
        Type::of(graph, graph.kind("", "v1", "Pod").expect("a kind"))
    }

    fn merged(live: Value, applied: Value) -> Value {
        merge(pod_type(), &live, &applied).expect("mergeable")
    }

    #[test]
    fn maps_are_merged_and_leaves_replaced() {
        assert_eq!(
            merged(
                json!({"metadata": {"labels": {"a": "1", "b": "1"}}, "spec": {"nodeSelector": {"a": "1"}, "nodeName": "n"}}),
                json!({"metadata": {"labels": {"a": "2"}}, "spec": {"nodeSelector": {"b": "1"}}})
            ),
            json!({"metadata": {"labels": {"a": "2", "b": "1"}}, "spec": {"nodeSelector": {"b": "1"}, "nodeName": "n"}})
        );
    }

    #[test]
    fn a_null_does_not_remove_a_map_with_entries() {
        let live = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"nodeName": "n"}});
        let applied = json!({"metadata": {"labels": null}, "spec": {"nodeName": null}});
        assert_eq!(
            merged(live, applied),
            json!({"metadata": {"labels": {"a": "1"}}, "spec": {"nodeName": null}})
        );
    }

    fn names(live: &str, applied: &str) -> String {
        let list = |names: &str| {
            let items: Vec<Value> = names.chars().map(|c| json!({"name": c.to_string()})).collect();
            json!({"spec": {"containers": items}})
        };
        let merged = merged(list(live), list(applied));
        let items = merged["spec"]["containers"].as_array().cloned().unwrap_or_default();
        items.iter().filter_map(|c| c["name"].as_str()).collect()
    }

    #[test]
    fn order_of_items() {
        for (live, applied, merged) in [
            ("abc", "abc", "abc"),
            ("abc", "b", "abc"),
            ("abc", "cba", "cba"),
            ("abc", "d", "abcd"),
            ("ab", "zam", "zabm"),
            ("azm", "mza", "mza"),
            ("", "ba", "ba"),
            ("abcde", "ec", "abdec"),
        ] {
            assert_eq!(names(live, applied), merged, "{live} + {applied}");
        }
    }

    #[test]
    fn namesakes_in_the_live_list_are_replaced_by_the_applied_one() {
        let env = |values: &[&str]| {
            let items: Vec<Value> =
                values.iter().map(|v| json!({"name": "A", "value": v})).collect();
            json!({"spec": {"containers": [{"name": "c", "env": items}]}})
        };
        assert_eq!(merged(env(&["1", "2"]), env(&["3"])), env(&["3"]));
    }

    proptest! {
        #[test]
        fn all_items_once_and_those_applied_in_order(
            live in proptest::sample::subsequence(('a'..='h').collect::<Vec<_>>(), 0..8).prop_shuffle(),
            applied in proptest::sample::subsequence(('a'..='h').collect::<Vec<_>>(), 0..8).prop_shuffle(),
        ) {
            let text = |chars: &[char]| chars.iter().collect::<String>();
            let merged = names(&text(&live), &text(&applied));
            let of_applied: String = merged.chars().filter(|c| applied.contains(c)).collect();
            prop_assert_eq!(of_applied, text(&applied));
            let of_live_only: String = merged.chars().filter(|c| !applied.contains(c)).collect();
            let kept: String = live.iter().filter(|c| !applied.contains(c)).collect();
            prop_assert_eq!(of_live_only, kept);
        }
    }
}
