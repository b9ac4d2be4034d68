//! What changed between two objects, as field sets.

use super::element::PathElement;
use super::item::{self, Nameless};
use super::set::{Node, Set};
use super::typed::{Atom, ListType, MapType, Relation, Type};
use serde_json::{Map, Value};
use smallvec::SmallVec;

/// The fields in which two objects differ; no field is in more than one of the sets.
#[derive(Debug, Default)]
pub struct Comparison<'a> {
    /// Only in the old object.
    pub removed: Set<'a>,
    /// In both, with another value.
    pub modified: Set<'a>,
    /// Only in the new object.
    pub added: Set<'a>,
}

impl<'a> Comparison<'a> {
    /// Leaves out what is in `reset`, or below it.
    pub fn without(self, reset: &Set<'_>) -> Self {
        Comparison {
            removed: self.removed.without(reset),
            modified: self.modified.without(reset),
            added: self.added.without(reset),
        }
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.modified.is_empty() && self.added.is_empty()
    }

    /// What is in the new object and was not, or not so, in the old one.
    pub fn set_by_new(self) -> Set<'a> {
        self.modified.union(self.added)
    }
}

/// Compares two objects of one type.
///
/// # Errors
/// An item of a list cannot be told apart from the others.
pub fn compare<'a>(
    ty: Type<'_>,
    old: &'a Value,
    new: &'a Value,
) -> Result<Comparison<'a>, Nameless> {
    Ok(values(ty, Some(old), Some(new))?.below())
}

/// Whether two values are the same, numbers by value.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && {
                let mut of_b = Lookup::new(Some(b));
                a.iter().all(|(k, a)| of_b.get(k).is_some_and(|b| equal(a, b)))
            }
        }
        _ => a == b,
    }
}

/// Looks fields up that are asked for in the order in which they stand, more often than not.
struct Lookup<'a> {
    fields: Option<&'a Map<String, Value>>,
    ahead: Option<serde_json::map::Iter<'a>>,
}

impl<'a> Lookup<'a> {
    fn new(fields: Option<&'a Map<String, Value>>) -> Self {
        Lookup { fields, ahead: fields.map(Map::iter) }
    }

    fn get(&mut self, name: &str) -> Option<&'a Value> {
        if let Some((next, value)) = self.ahead.as_mut()?.next()
            && next == name
        {
            return Some(value);
        }
        self.fields?.get(name)
    }
}

/// What is the matter with a field itself.
#[derive(Clone, Copy, Default)]
struct Own {
    removed: bool,
    modified: bool,
    added: bool,
}

/// What is the matter with a field and with those below it.
#[derive(Default)]
struct Changes<'a> {
    own: Own,
    removed: Vec<Node<'a>>,
    modified: Vec<Node<'a>>,
    added: Vec<Node<'a>>,
}

impl<'a> Changes<'a> {
    fn leaf(old: Option<&Value>, new: Option<&Value>) -> Self {
        let own = match (old, new) {
            (None, _) => Own { added: true, ..Own::default() },
            (_, None) => Own { removed: true, ..Own::default() },
            (Some(old), Some(new)) => Own { modified: !equal(old, new), ..Own::default() },
        };
        Changes { own, ..Changes::default() }
    }

    fn below(self) -> Comparison<'a> {
        Comparison {
            removed: Set::of_nodes(self.removed),
            modified: Set::of_nodes(self.modified),
            added: Set::of_nodes(self.added),
        }
    }

    fn is_empty(&self) -> bool {
        let Own { removed, modified, added } = self.own;
        let below = [&self.removed, &self.modified, &self.added];
        !(removed || modified || added) && below.iter().all(|nodes| nodes.is_empty())
    }

    /// Takes in the changes of the child at `element`.
    fn put(&mut self, element: PathElement<'a>, child: Changes<'a>) {
        if child.is_empty() {
            return;
        }
        let own = child.own;
        let node = |member: bool, below: Vec<Node<'a>>, element: PathElement<'a>| Node {
            element,
            member,
            children: Set::of_nodes(below),
        };
        if own.removed || !child.removed.is_empty() {
            self.removed.push(node(own.removed, child.removed, element.clone()));
        }
        if own.modified || !child.modified.is_empty() {
            self.modified.push(node(own.modified, child.modified, element.clone()));
        }
        if own.added || !child.added.is_empty() {
            self.added.push(node(own.added, child.added, element));
        }
    }
}

/// Compares the values of one field; at least one is there.
fn values<'a>(
    ty: Type<'_>,
    old: Option<&'a Value>,
    new: Option<&'a Value>,
) -> Result<Changes<'a>, Nameless> {
    let (before, after) = (ty.atom(old), ty.atom(new));
    // A null takes whatever form the other side has.
    let given = |value: Option<&Value>| value.is_some_and(|v| !v.is_null());
    let (atom, other) = match (given(old), given(new)) {
        (true, false) => (before, None),
        (true, true) if !same_form(&before, &after) => (after, Some(before)),
        _ => (after, None),
    };
    let mut changes = of_form(&atom, old, new)?;
    if let Some(before) = other {
        // The value took another form: it is compared once as each.
        let as_before = of_form(&before, old, new)?;
        changes.own.removed |= as_before.own.removed;
        changes.own.modified |= as_before.own.modified;
        changes.own.added |= as_before.own.added;
        changes.removed.extend(as_before.removed);
        changes.modified.extend(as_before.modified);
        changes.added.extend(as_before.added);
    }
    Ok(changes)
}

fn same_form(a: &Atom<'_>, b: &Atom<'_>) -> bool {
    matches!(
        (a, b),
        (Atom::Scalar(_), Atom::Scalar(_))
            | (Atom::List(_), Atom::List(_))
            | (Atom::Map(_), Atom::Map(_))
    )
}

fn of_form<'a>(
    atom: &Atom<'_>,
    old: Option<&'a Value>,
    new: Option<&'a Value>,
) -> Result<Changes<'a>, Nameless> {
    let mut changes = match atom {
        Atom::Scalar(_) => return Ok(Changes::leaf(old, new)),
        Atom::List(list) => {
            let (before, after) = (items_of(old), items_of(new));
            if list.relation == Relation::Atomic || before.is_empty() && after.is_empty() {
                return Ok(Changes::leaf(old, new));
            }
            lists(list, before, after)?
        }
        Atom::Map(map) => {
            let (before, after) = (fields_of(old), fields_of(new));
            let hollow = |fields: Option<&Map<String, Value>>| fields.is_none_or(Map::is_empty);
            if map.atomic || hollow(before) && hollow(after) {
                return Ok(Changes::leaf(old, new));
            }
            maps(map, before, after)?
        }
    };
    changes.own.added |= old.is_none();
    changes.own.removed |= old.is_some() && new.is_none();
    Ok(changes)
}

pub(super) fn items_of(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn fields_of(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}

fn maps<'a>(
    map: &MapType<'_>,
    old: Option<&'a Map<String, Value>>,
    new: Option<&'a Map<String, Value>>,
) -> Result<Changes<'a>, Nameless> {
    let mut changes = Changes::default();
    let mut field = |name: &'a str, before, after| -> Result<(), Nameless> {
        if let Some(child) = map.child(name) {
            changes.put(PathElement::field(name), values(child.ty, before, after)?);
        }
        Ok(())
    };
    let mut after = Lookup::new(new);
    for (name, before) in old.into_iter().flatten() {
        field(name, Some(before), after.get(name))?;
    }
    for (name, after) in new.into_iter().flatten() {
        if !old.is_some_and(|old| old.contains_key(name)) {
            field(name, None, Some(after))?;
        }
    }
    Ok(changes)
}

/// The items of both lists that have one name.
struct Namesakes<'a> {
    old: SmallVec<[&'a Value; 1]>,
    new: SmallVec<[&'a Value; 1]>,
}

fn lists<'a>(
    list: &ListType<'_>,
    old: &'a [Value],
    new: &'a [Value],
) -> Result<Changes<'a>, Nameless> {
    let mut changes = Changes::default();
    if old.len() == new.len() && old.iter().zip(new).all(|(a, b)| equal(a, b)) {
        return Ok(changes);
    }
    // Old items come before new ones of the same name, as sorting keeps their order.
    let sided = old.iter().map(|v| (v, false)).chain(new.iter().map(|v| (v, true)));
    let mut items = sided
        .map(|(value, is_new)| Ok((item::element(list, value)?, value, is_new)))
        .collect::<Result<Vec<_>, Nameless>>()?;
    items.sort_by(|a, b| a.0.cmp(&b.0));
    let mut items = items.into_iter().peekable();
    while let Some((element, value, is_new)) = items.next() {
        let mut namesakes = Namesakes { old: SmallVec::new(), new: SmallVec::new() };
        namesakes.put(value, is_new);
        while let Some((_, value, is_new)) = items.next_if(|(other, ..)| *other == element) {
            namesakes.put(value, is_new);
        }
        changes.put(element, namesakes.compare(list.item)?);
    }
    Ok(changes)
}

impl<'a> Namesakes<'a> {
    fn put(&mut self, value: &'a Value, is_new: bool) {
        if is_new { self.new.push(value) } else { self.old.push(value) }
    }

    /// Items that share their name are compared as one leaf.
    fn compare(&self, ty: Type<'_>) -> Result<Changes<'a>, Nameless> {
        let alone = |items: &[&'a Value]| items.first().copied();
        match (self.old.len(), self.new.len()) {
            (0 | 1, 0 | 1) => values(ty, alone(&self.old), alone(&self.new)),
            (2.., 2..) => {
                let same = self.old.len() == self.new.len()
                    && self.old.iter().zip(&self.new).all(|(a, b)| equal(a, b));
                let own = Own { modified: !same, ..Own::default() };
                Ok(Changes { own, ..Changes::default() })
            }
            (2.., _) => {
                let mut changes = self.one_side(ty, None, alone(&self.new))?;
                changes.own.removed = true;
                Ok(changes)
            }
            _ => {
                let mut changes = self.one_side(ty, alone(&self.old), None)?;
                changes.own.added = true;
                Ok(changes)
            }
        }
    }

    fn one_side(
        &self,
        ty: Type<'_>,
        old: Option<&'a Value>,
        new: Option<&'a Value>,
    ) -> Result<Changes<'a>, Nameless> {
        match old.is_some() || new.is_some() {
            true => values(ty, old, new),
            false => Ok(Changes::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed_fields::fields_v1::encode;
    use crate::schema;
    use serde_json::json;

    fn pod_type() -> Type<'static> {
        let graph = schema::builtin();
        Type::of(graph, graph.kind("", "v1", "Pod").expect("a kind"))
    }

    fn changes(old: Value, new: Value) -> Value {
        let changes = compare(pod_type(), &old, &new).expect("comparable");
        json!([encode(&changes.removed), encode(&changes.modified), encode(&changes.added)])
    }

    #[test]
    fn nothing() {
        let pod =
            json!({"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "c"}]}});
        assert!(compare(pod_type(), &pod, &pod).expect("comparable").is_empty());
    }

    #[test]
    fn a_struct_that_was_there_is_not_added_itself() {
        // Upstream's empty pod has a spec without containers, but no labels.
        let empty = json!({"metadata": {}, "spec": {"containers": null}, "status": {}});
        let pod = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"containers": [{"name": "c"}]}, "status": {}});
        assert_eq!(
            changes(empty, pod),
            json!([{}, {}, {
                "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:name": {}}}},
            }])
        );
    }

    #[test]
    fn leaves() {
        let old = json!({"spec": {"nodeSelector": {"a": "1"}, "hostname": "x", "nodeName": "n", "priority": 1}});
        let new = json!({"spec": {"nodeSelector": {"a": "2"}, "subdomain": "y", "nodeName": "n", "priority": 1.0}});
        assert_eq!(
            changes(old, new),
            json!([
                {"f:spec": {"f:hostname": {}}},
                {"f:spec": {"f:nodeSelector": {}}},
                {"f:spec": {"f:subdomain": {}}},
            ])
        );
    }

    #[test]
    fn items_that_share_a_name() {
        let env = |values: &[&str]| {
            let items: Vec<Value> =
                values.iter().map(|v| json!({"name": "A", "value": v})).collect();
            json!({"spec": {"containers": [{"name": "c", "env": items}]}})
        };
        let at = |inner: Value| json!({"f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {"f:env": {"k:{\"name\":\"A\"}": inner}}}}});
        assert_eq!(changes(env(&["1", "2"]), env(&["1", "3"])), json!([{}, at(json!({})), {}]));
        let whole = at(json!({".": {}, "f:name": {}, "f:value": {}}));
        assert_eq!(changes(env(&["1", "2"]), env(&["1"])), json!([at(json!({})), {}, whole]));
        assert_eq!(changes(env(&["1"]), env(&["1", "1"])), json!([whole, {}, at(json!({}))]));
    }

    #[test]
    fn an_item_without_a_name_is_an_error() {
        let pod = json!({"metadata": {"finalizers": [null]}});
        assert_eq!(
            compare(pod_type(), &json!({}), &pod).expect_err("nameless"),
            Nameless::NullInSet
        );
    }

    #[test]
    fn a_value_without_schema_may_change_its_form() {
        let (old, new) = (json!({"a": 1}), json!({"a": {"b": 2}}));
        let changes = compare(Type::DEDUCED, &old, &new).expect("comparable");
        assert_eq!(encode(&changes.modified), json!({"f:a": {}}));
        assert_eq!(encode(&changes.added), json!({"f:a": {"f:b": {}}}));
    }
}
