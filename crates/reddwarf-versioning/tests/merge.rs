//! What two versions of an object become together: examples with a Deployment, and laws.

mod objects;

use objects::{Named, assert_takes_its_length, edited, long_list, value};
use proptest::prelude::*;
use reddwarf_core::{FieldPath, PathSegment, Relation, Topology};
use reddwarf_versioning::{ChangeKind, Conflict, FieldChange, Merged, Side, diff, merge, patch};
use serde_json::{Value, json};

/// A Deployment's, by the names of its fields.
struct Deployment;

impl Topology for Deployment {
    fn relation(&self, path: &FieldPath, value: &Value) -> Relation {
        let keyed = |keys: &[&str]| Relation::Keyed(keys.iter().map(|key| (*key).into()).collect());
        let field = match path.segments().last() {
            Some(PathSegment::Field(name)) => &**name,
            _ => "",
        };
        match (field, value.is_array()) {
            ("containers" | "env", true) => keyed(&["name"]),
            ("ports", true) => keyed(&["containerPort", "protocol"]),
            ("finalizers", true) => Relation::Set,
            ("nodeSelector", false) | (_, true) => Relation::Atomic,
            (_, false) => Relation::Granular,
        }
    }
}

fn deployment() -> Value {
    json!({
        "metadata": {"name": "web", "annotations": {"a/one": "1"}, "finalizers": ["x", "y"]},
        "spec": {"replicas": 1, "template": {"spec": {
            "nodeSelector": {"disk": "ssd"},
            "containers": [
                {"name": "web", "image": "web:1", "args": ["--a"],
                    "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                    "ports": [{"containerPort": 80, "protocol": "TCP"}]},
                {"name": "log", "image": "log:1"},
            ],
        }}},
    })
}

/// The Deployment with another value at a JSON pointer.
fn with(changes: &[(&str, Value)]) -> Value {
    let mut object = deployment();
    for (pointer, value) in changes {
        match object.pointer_mut(pointer) {
            Some(place) => *place = value.clone(),
            None => {
                let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
                object.pointer_mut(parent).expect("there")[name] = value.clone();
            }
        }
    }
    object
}

const POD: &str = "/spec/template/spec";

fn pod(rest: &str) -> String {
    format!("{POD}{rest}")
}

fn nobody(_: &FieldPath) -> Option<Side> {
    None
}

/// The conflicts, a line each.
fn lines(merged: &Merged) -> Vec<String> {
    let shown = |value: &Option<Value>| value.as_ref().map_or("-".into(), Value::to_string);
    let line = |conflict: &Conflict| {
        let Conflict { path, base, ours, theirs } = conflict;
        format!("{path}: {} -> {} | {}", shown(base), shown(ours), shown(theirs))
    };
    merged.conflicts.iter().map(line).collect()
}

fn merge_deployments(ours: &Value, theirs: &Value) -> Merged {
    merge(Some(&deployment()), Some(ours), Some(theirs), &Deployment, &nobody)
}

fn assert_merged(ours: &[(&str, Value)], theirs: &[(&str, Value)], both: &[(&str, Value)]) {
    let merged = merge_deployments(&with(ours), &with(theirs));
    assert_eq!(lines(&merged), [""; 0]);
    assert_eq!(merged.value, Some(with(both)));
}

fn assert_conflicts(ours: &[(&str, Value)], theirs: &[(&str, Value)], expected: &[&str]) {
    let merged = merge_deployments(&with(ours), &with(theirs));
    assert_eq!(lines(&merged), expected);
}

#[test]
fn changes_in_different_places() {
    let (image, env) = (pod("/containers/0/image"), pod("/containers/0/env/1/value"));
    let (log, replicas) = (pod("/containers/1/image"), "/spec/replicas");
    let ours = [(replicas, json!(3)), (&*image, json!("web:2")), (&*env, json!("3"))];
    let theirs = [(replicas, json!(3)), (&*log, json!("log:2")), ("/metadata/labels", json!({}))];
    assert_merged(&ours, &theirs, &[&ours[..], &theirs[..]].concat());
    let annotations = |text: Value| [("/metadata/annotations", text)];
    assert_merged(
        &annotations(json!({"a/one": "1", "a/two": "2"})),
        &annotations(json!({"a/three": "3"})),
        &annotations(json!({"a/two": "2", "a/three": "3"})),
    );
}

#[test]
fn items_of_both() {
    let env = pod("/containers/0/env");
    let list = |names: &[&str]| {
        let item =
            |name: &&str| json!({"name": name, "value": if *name == "A" { "1" } else { "2" }});
        [(&*env, names.iter().map(item).collect::<Value>())]
    };
    let cases: &[(&[&str], &[&str], &[&str])] = &[
        (&["A", "B", "C"], &["A", "B", "D"], &["A", "B", "C", "D"]),
        (&["A", "B", "C"], &["D", "A", "E", "B"], &["D", "A", "E", "B", "C"]),
        (&["C", "A", "B"], &["D", "A", "B"], &["C", "D", "A", "B"]),
        (&["B", "C"], &["A", "D", "B"], &["D", "B", "C"]),
        (&["B"], &["A"], &[]),
        (&["B", "A"], &["A", "C", "B"], &["B", "A", "C"]),
        (&["A", "C", "B"], &["B", "A"], &["B", "A", "C"]),
        (&["B", "A", "C"], &["B", "A", "D"], &["B", "A", "C", "D"]),
        (&["C", "D"], &["D", "C"], &["C", "D"]),
    ];
    for (ours, theirs, both) in cases {
        assert_merged(&list(ours), &list(theirs), &list(both));
    }
    let ports = pod("/containers/0/ports");
    let list = |items: Value| [(&*ports, items)];
    let port = |port: u16, protocol: &str| json!({"containerPort": port, "protocol": protocol});
    let (tcp, udp, tls) = (port(80, "TCP"), port(80, "UDP"), port(443, "TCP"));
    assert_merged(&list(json!([tcp, udp])), &list(json!([tls])), &list(json!([udp, tls])));
    let finalizers = |names: Value| [("/metadata/finalizers", names)];
    assert_merged(
        &finalizers(json!(["y", "z"])),
        &finalizers(json!(["x", "v", "y", "z"])),
        &finalizers(json!(["v", "y", "z"])),
    );
}

#[test]
fn conflicts_are_where_both_changed() {
    let image = pod("/containers/0/image");
    assert_conflicts(
        &[("/spec/replicas", json!(2)), (&image, json!("web:2"))],
        &[("/spec/replicas", json!(3)), (&image, json!("web:3"))],
        &[
            ".spec.replicas: 1 -> 2 | 3",
            r#".spec.template.spec.containers[name=web].image: "web:1" -> "web:2" | "web:3""#,
        ],
    );
    let (args, selector) = (pod("/containers/0/args"), pod("/nodeSelector"));
    assert_conflicts(
        &[(&args, json!(["--a", "--b"])), (&selector, json!({"disk": "ssd", "a": "1"}))],
        &[(&args, json!(["--c", "--a"])), (&selector, json!({"disk": "ssd", "b": "1"}))],
        &[
            r#".spec.template.spec.containers[name=web].args: ["--a"] -> ["--a","--b"] | ["--c","--a"]"#,
            r#".spec.template.spec.nodeSelector: {"disk":"ssd"} -> {"disk":"ssd","a":"1"} | {"disk":"ssd","b":"1"}"#,
        ],
    );
    let annotations = |text: Value| [("/metadata/annotations", text)];
    assert_conflicts(
        &annotations(json!({"a/one": "1", "a/two": "2"})),
        &annotations(json!({"a/one": "2", "a/two": "3"})),
        &[r#".metadata.annotations[a/two]: - -> "2" | "3""#],
    );
    let list = pod("/containers");
    let new = |image: &str| {
        let mut items = deployment().pointer(&list).cloned().expect("a list");
        let item = json!({"name": "new", "image": image, "env": [{"name": image}]});
        items.as_array_mut().expect("a list").push(item);
        items
    };
    assert_conflicts(
        &[(&list, new("a"))],
        &[(&list, new("b"))],
        &[r#".spec.template.spec.containers[name=new].image: - -> "a" | "b""#],
    );
    let twice = |last: &str| json!([{"name": "web"}, {"name": "web"}, {"name": last}]);
    let merged = merge_deployments(&with(&[(&list, twice("a"))]), &with(&[(&list, twice("b"))]));
    let paths: Vec<_> = merged.conflicts.iter().map(|conflict| conflict.path.to_string()).collect();
    assert_eq!(paths, [".spec.template.spec.containers"], "not told apart");
}

#[test]
fn removal_against_change() {
    let (image, list) = (pod("/containers/1/image"), pod("/containers"));
    let web = deployment().pointer(&pod("/containers/0")).cloned().expect("there");
    let (without, changed) = ([(&*list, json!([web]))], [(&*image, json!("log:2"))]);
    assert_conflicts(
        &without,
        &changed,
        &[
            r#".spec.template.spec.containers[name=log]: {"name":"log","image":"log:1"} -> - | {"name":"log","image":"log:2"}"#,
        ],
    );
    let (base, changed) = (deployment(), with(&changed));
    let merged = merge(Some(&base), None, Some(&changed), &Deployment, &nobody);
    let conflict = Conflict {
        path: FieldPath::root(),
        base: Some(base.clone()),
        ours: None,
        theirs: Some(changed.clone()),
    };
    assert_eq!(merged, Merged { value: None, conflicts: vec![conflict] });
    let merged = merge(Some(&base), Some(&changed), None, &Deployment, &nobody);
    assert_eq!((merged.value, merged.conflicts.len()), (Some(changed), 1));
    let (gone, kept) = (None, Some(&base));
    assert_eq!(merge(kept, gone, gone, &Deployment, &nobody), Merged::default());
    assert_eq!(merge(kept, gone, kept, &Deployment, &nobody), Merged::default());
}

#[test]
fn the_nearest_preference_decides() {
    let ours = with(&[("/spec/replicas", json!(2)), ("/metadata/name", json!("a"))]);
    let theirs = with(&[("/spec/replicas", json!(3)), ("/metadata/name", json!("b"))]);
    let prefer = |path: &FieldPath| match path.to_string().as_str() {
        "." => Some(Side::Ours),
        ".spec" => Some(Side::Theirs),
        _ => None,
    };
    let merged = merge(Some(&deployment()), Some(&ours), Some(&theirs), &Deployment, &prefer);
    let expected = with(&[("/spec/replicas", json!(3)), ("/metadata/name", json!("a"))]);
    assert_eq!(merged, Merged { value: Some(expected), conflicts: Vec::new() });
}

#[test]
fn long_lists_are_merged_in_their_length() {
    let versions = |length: usize| {
        let base = long_list(length);
        let (mut ours, mut theirs) = (base.clone(), base.clone());
        let items = ours["containers"].as_array_mut().expect("a list");
        items.reverse();
        items.iter_mut().for_each(|item| item["image"] = json!("new"));
        items.retain(|item| item["a"]["b"].as_u64().is_some_and(|at| at % 3 != 0));
        let items = theirs["containers"].as_array_mut().expect("a list");
        items.iter_mut().for_each(|item| item["a"]["c"] = json!(1));
        let new = (0..length).map(|at| json!({"name": format!("new-{at}")}));
        *items = items.drain(..).zip(new).flat_map(|(item, new)| [item, new]).collect();
        [base, ours, theirs].map(Some)
    };
    let result = merged(&versions(20_000), None);
    let removed = 20_000 / 3 + 1;
    assert_eq!(result.conflicts.len(), removed);
    let items = result.value.as_ref().and_then(|value| value["containers"].as_array());
    assert_eq!(items.map(Vec::len), Some(20_000 - removed + 20_000));
    assert_takes_its_length(versions, |versions| merged(&versions, None));
}

/// A version and two that come from it.
fn family() -> impl Strategy<Value = [Option<Value>; 3]> {
    let edits = || prop::collection::vec((0..16u8, value()), 0..40);
    let any = (value(), edits(), edits()).prop_map(|(base, ours, theirs)| {
        let side = |edits: Vec<_>| edited(&base, &mut edits.into_iter());
        [base.clone(), side(ours), side(theirs)]
    });
    let lists = [lists(), lists(), lists()];
    let absent = prop::array::uniform3(prop::bool::weighted(0.1));
    (prop_oneof![any, lists], absent).prop_map(|(versions, absent)| {
        let mut absent = absent.into_iter();
        versions.map(|version| (absent.next() == Some(false)).then_some(version))
    })
}

/// A keyed list and a set with some of a few names, mostly in the same order.
fn lists() -> impl Strategy<Value = Value> {
    let names = || {
        let some = prop::sample::subsequence((0..7usize).collect::<Vec<_>>(), 0..=7);
        prop_oneof![3 => some.clone(), 1 => some.prop_shuffle()]
    };
    let item = |(name, a): (usize, &u8)| json!({"name": name, "a": a});
    (names(), prop::collection::vec(0..3u8, 7), names()).prop_map(move |(items, values, set)| {
        let items = items.into_iter().zip(&values).map(item);
        json!({"containers": items.collect::<Vec<_>>(), "finalizers": set})
    })
}

fn merged(versions: &[Option<Value>; 3], prefer: Option<Side>) -> Merged {
    let [base, ours, theirs] = versions.each_ref().map(Option::as_ref);
    merge(base, ours, theirs, &Named, &|_| prefer)
}

fn changes(from: &Option<Value>, to: &Option<Value>) -> Vec<FieldChange> {
    diff(from.as_ref(), to.as_ref(), &Named)
}

fn is_at_or_below(path: &FieldPath, above: &FieldPath) -> bool {
    path.segments().starts_with(above.segments())
}

/// The names of a list's items, as a diff that empties it tells them; `None` when it has none.
fn names(list: &Value, path: &FieldPath) -> Option<Vec<PathSegment>> {
    let at_path = At(path);
    let emptied = diff(Some(list), Some(&json!([])), &at_path);
    let name = |change: &FieldChange| change.path.segments().last().cloned();
    emptied.iter().map(name).collect()
}

/// [`Named`] for what stands at a path.
struct At<'p>(&'p FieldPath);

impl Topology for At<'_> {
    fn relation(&self, path: &FieldPath, value: &Value) -> Relation {
        let path = [self.0.segments(), path.segments()].concat();
        Named.relation(&path.into(), value)
    }
}

/// Whether a value has all that another has, except for conflicts.
fn contains(whole: Option<&Value>, part: &Value, path: &FieldPath, conflicts: &[Conflict]) -> bool {
    if conflicts.iter().any(|conflict| is_at_or_below(path, &conflict.path)) {
        return true;
    }
    let Some(whole) = whole else { return false };
    let parts: Option<Vec<PathSegment>> = match (whole, part) {
        (Value::Object(_), Value::Object(fields))
            if Named.relation(path, part) == Relation::Granular =>
        {
            Some(fields.keys().map(|name| PathSegment::field(name)).collect())
        }
        (Value::Array(_), Value::Array(_)) if names(whole, path).is_some() => names(part, path),
        _ => None,
    };
    let Some(parts) = parts else { return whole == part };
    parts.into_iter().all(|segment| {
        let step = FieldPath::from(vec![segment.clone()]);
        let below = FieldPath::from([path.segments(), &[segment]].concat());
        step.get(part).is_some_and(|part| contains(step.get(whole), part, &below, conflicts))
    })
}

/// Whether items stand in an order, as far as both have them.
fn agree(list: &Value, order: &Value, path: &FieldPath) -> bool {
    let (Some(list), Some(order)) = (names(list, path), names(order, path)) else { return true };
    let both = |some: &[PathSegment], others: &[PathSegment]| -> Vec<PathSegment> {
        some.iter().filter(|name| others.contains(name)).cloned().collect()
    };
    both(&list, &order) == both(&order, &list)
}

/// Whether what `side` changed is in the result or in a conflict. Its order need not be where the
/// `other` changed it as well.
fn keeps(
    merged: &Merged,
    base: &Option<Value>,
    side: &Option<Value>,
    other: &Option<Value>,
) -> bool {
    let is_in_conflict =
        |path: &FieldPath| merged.conflicts.iter().any(|c| is_at_or_below(path, &c.path));
    let value = merged.value.as_ref();
    let at = |object: &Option<Value>, path: &FieldPath| {
        object.as_ref().and_then(|o| path.get(o)).cloned()
    };
    changes(base, side).iter().all(|change| {
        let found = value.and_then(|value| change.path.get(value));
        match (change.kind, &change.after) {
            _ if is_in_conflict(&change.path) => true,
            (ChangeKind::Value, None) => found.is_none(),
            (ChangeKind::Value, Some(after)) => {
                contains(found, after, &change.path, &merged.conflicts)
            }
            (ChangeKind::Order, _) => {
                let [base, side, other] =
                    [base, side, other].map(|version| at(version, &change.path));
                match (base, side, other, found) {
                    (_, Some(side), Some(other), Some(found))
                        if agree(&side, &other, &change.path) =>
                    {
                        agree(found, &side, &change.path)
                    }
                    (Some(base), Some(side), Some(other), Some(found))
                        if agree(&base, &other, &change.path)
                            && !agree(&base, &side, &change.path) =>
                    {
                        agree(found, &side, &change.path)
                    }
                    _ => true,
                }
            }
        }
    })
}

/// The same with the items of lists that are told apart in one order.
fn ordered(value: &Value, path: &FieldPath) -> Value {
    let below = |segment: &PathSegment| {
        FieldPath::from([path.segments(), std::slice::from_ref(segment)].concat())
    };
    match value {
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                (name.clone(), ordered(value, &below(&PathSegment::field(name))))
            };
            Value::Object(fields.iter().map(field).collect())
        }
        Value::Array(items) => match names(value, path) {
            Some(names) => {
                let items = items.iter().zip(names);
                let mut items: Vec<_> = items
                    .map(|(item, name)| (format!("{name:?}"), ordered(item, &below(&name))))
                    .collect();
                items.sort_by(|(name, _), (other, _)| name.cmp(other));
                items.into_iter().map(|(_, item)| item).collect()
            }
            None => value.clone(),
        },
        scalar => scalar.clone(),
    }
}

fn ordered_object(object: &Option<Value>) -> Option<Value> {
    object.as_ref().map(|object| ordered(object, &FieldPath::root()))
}

fn overlap(change: &FieldChange, other: &FieldChange) -> bool {
    let below = |a: &FieldChange, b: &FieldChange| is_at_or_below(&a.path, &b.path);
    match (change.kind, other.kind) {
        (ChangeKind::Value, ChangeKind::Value) => below(change, other) || below(other, change),
        (ChangeKind::Order, ChangeKind::Value) => below(change, other),
        (ChangeKind::Value, ChangeKind::Order) => below(other, change),
        (ChangeKind::Order, ChangeKind::Order) => false,
    }
}

fn swapped(conflict: Conflict) -> Conflict {
    let Conflict { path, base, ours, theirs } = conflict;
    Conflict { path, base, ours: theirs, theirs: ours }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..Default::default() })]

    #[test]
    fn what_one_side_changed_or_both_alike_is_taken([base, ours, _] in family()) {
        for prefer in [None, Some(Side::Ours), Some(Side::Theirs)] {
            let taken = Merged { value: ours.clone(), conflicts: Vec::new() };
            prop_assert_eq!(&merged(&[base.clone(), base.clone(), ours.clone()], prefer), &taken);
            prop_assert_eq!(&merged(&[base.clone(), ours.clone(), base.clone()], prefer), &taken);
            prop_assert_eq!(&merged(&[base.clone(), ours.clone(), ours.clone()], prefer), &taken);
        }
    }

    #[test]
    fn nothing_is_lost(family in family()) {
        let merged = merged(&family, None);
        let [base, ours, theirs] = &family;
        prop_assert!(keeps(&merged, base, ours, theirs), "{:#?}", merged);
        prop_assert!(keeps(&merged, base, theirs, ours), "{:#?}", merged);
        for conflict in &merged.conflicts {
            let at = |object: &Option<Value>| object.as_ref().and_then(|o| conflict.path.get(o)).cloned();
            prop_assert_eq!(&at(base), &conflict.base);
            prop_assert_eq!(&at(ours), &conflict.ours);
            prop_assert_eq!(&at(theirs), &conflict.theirs);
            prop_assert_eq!(&at(&merged.value), &conflict.ours);
            prop_assert_ne!(&conflict.base, &conflict.ours);
            prop_assert_ne!(&conflict.base, &conflict.theirs);
            prop_assert_ne!(&conflict.ours, &conflict.theirs);
            let others = merged.conflicts.iter().filter(|other| *other != conflict);
            prop_assert!(others.clone().all(|other| !is_at_or_below(&other.path, &conflict.path)));
        }
    }

    #[test]
    fn the_sides_are_alike(family in family()) {
        let [base, ours, theirs] = family.clone();
        let other_way = [base, theirs, ours];
        let (one, other) = (merged(&family, None), merged(&other_way, None));
        prop_assert_eq!(one.conflicts.len(), other.conflicts.len());
        for conflict in other.conflicts.into_iter().map(swapped) {
            prop_assert!(one.conflicts.contains(&conflict), "{:?}", conflict);
        }
        if one.conflicts.is_empty() {
            prop_assert_eq!(ordered_object(&one.value), ordered_object(&other.value));
        }
        let preferred = merged(&family, Some(Side::Ours));
        prop_assert_eq!(preferred, merged(&other_way, Some(Side::Theirs)));
    }

    #[test]
    fn a_preference_leaves_no_conflict_and_loses_nothing_of_its_side(family in family()) {
        let [base, ours, theirs] = &family;
        let of_theirs = merged(&family, Some(Side::Theirs));
        prop_assert!(of_theirs.conflicts.is_empty());
        prop_assert!(keeps(&of_theirs, base, theirs, ours), "{:#?}", of_theirs);
        let of_ours = merged(&family, Some(Side::Ours));
        prop_assert!(of_ours.conflicts.is_empty());
        prop_assert_eq!(of_ours.value, merged(&family, None).value);
    }

    #[test]
    fn changes_apart_from_each_other_are_both_made(family in family()) {
        let [base, ours, theirs] = &family;
        let (by_ours, by_theirs) = (changes(base, ours), changes(base, theirs));
        // Takes of theirs what is apart from all that ours changed.
        let apart = |change: &&FieldChange| {
            change.kind == ChangeKind::Value && !by_ours.iter().any(|other| overlap(change, other))
        };
        let apart: Vec<_> = by_theirs.iter().filter(apart).cloned().collect();
        let theirs = patch(base.clone(), &apart).expect("its own changes");
        let both = patch(ours.clone(), &apart).expect("changes elsewhere");
        let result = merged(&[base.clone(), ours.clone(), theirs], None);
        prop_assert_eq!(&result.conflicts, &vec![]);
        prop_assert_eq!(ordered_object(&result.value), ordered_object(&both));
    }
}
