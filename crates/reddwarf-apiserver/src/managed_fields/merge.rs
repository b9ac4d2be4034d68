//! Brings an applied configuration into a live object.

use super::compare::{fields_of, items_of};
use super::element::PathElement;
use super::item::{self, Nameless};
use super::typed::{Atom, ListType, MapType, Relation, Type};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    let mut out = live.cloned().unwrap_or_default();
    for (name, new) in applied.into_iter().flatten() {
        let old = live.and_then(|live| live.get(name));
        let merged = match map.child(name) {
            Some(child) => values(child.ty, old, Some(new))?,
            None => Some(new.clone()),
        };
        match merged {
            Some(value) => drop(out.insert(name.clone(), value)),
            None => drop(out.shift_remove(name)),
        }
    }
    Ok(out)
}

/// The items of a list with their names; of namesakes there is no one value to merge with.
struct Named<'a> {
    order: Vec<PathElement<'a>>,
    items: BTreeMap<PathElement<'a>, Option<&'a Value>>,
}

impl<'a> Named<'a> {
    fn of(list: &ListType<'_>, values: &'a [Value]) -> Result<Self, Nameless> {
        let mut named = Named { order: Vec::with_capacity(values.len()), items: BTreeMap::new() };
        for value in values {
            let element = item::element(list, value)?;
            let entry = named.items.entry(element.clone());
            entry.and_modify(|first| *first = None).or_insert(Some(value));
            named.order.push(element);
        }
        Ok(named)
    }
}

fn lists(list: &ListType<'_>, live: &[Value], applied: &[Value]) -> Result<Vec<Value>, Nameless> {
    let (old, new) = (Named::of(list, live)?, Named::of(list, applied)?);
    // The names of both lists, in the order of the configuration: the live list is followed up
    // to the next of them.
    let mut shared: VecDeque<&PathElement<'_>> =
        new.order.iter().filter(|e| old.items.contains_key(*e)).collect();
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
                take(old.items[left], new.items[right])?;
                (at_old, at_new) = (at_old + 1, at_new + 1);
                next_shared = shared.pop_front();
                continue;
            }
            if new.items.contains_key(left) && next_shared.is_some_and(|next| next != left) {
                // It comes later in the configuration.
                at_old += 1;
                continue;
            }
        }
        if let Some(left) = left {
            if !new.items.contains_key(left) {
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
        take(old.items.get(right).copied().flatten(), new.items[right])?;
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
