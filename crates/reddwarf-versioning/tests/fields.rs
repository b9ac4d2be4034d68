//! Differences of objects, and who set their fields.

use proptest::prelude::*;
use reddwarf_core::{FieldPath, PathSegment, Relation, Revision, Schemaless, Topology};
use reddwarf_versioning::{BlamedField, ChangeKind, FieldChange, PatchError, blame, diff, patch};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Tells relations by the name of the field: `containers` and `ports` are keyed lists, `finalizers`
/// is a set, `selector` an atomic map; other maps are granular and other lists atomic.
struct Named;

impl Topology for Named {
    fn relation(&self, path: &FieldPath, value: &Value) -> Relation {
        let keyed = |keys: &[&str]| Relation::Keyed(keys.iter().map(|key| (*key).into()).collect());
        match (path.segments().last(), value) {
            (Some(PathSegment::Field(name)), Value::Array(_)) => match &**name {
                "containers" => keyed(&["name"]),
                "ports" => keyed(&["port", "protocol"]),
                "finalizers" => Relation::Set,
                _ => Relation::Atomic,
            },
            (Some(PathSegment::Field(name)), Value::Object(_)) if &**name == "selector" => {
                Relation::Atomic
            }
            (_, Value::Object(_)) => Relation::Granular,
            _ => Relation::Atomic,
        }
    }
}

/// The changes, a line each.
fn shown(before: &Value, after: &Value) -> Vec<String> {
    let side = |value: &Option<Value>| value.as_ref().map_or("-".into(), Value::to_string);
    let line = |change: &FieldChange| {
        let order = if change.kind == ChangeKind::Order { "order " } else { "" };
        let (path, before, after) = (&change.path, side(&change.before), side(&change.after));
        format!("{order}{path}: {before} -> {after}")
    };
    diff(Some(before), Some(after), &Named).iter().map(line).collect()
}

fn assert_diff(before: Value, after: Value, expected: &[&str]) {
    assert_eq!(shown(&before, &after), expected);
    let changes = diff(Some(&before), Some(&after), &Named);
    assert_eq!(patch(Some(before), &changes), Ok(Some(after)));
}

#[test]
fn fields_of_maps() {
    assert_diff(
        json!({"spec": {"replicas": 1, "paused": true, "same": {"a": []}}, "gone": null}),
        json!({"spec": {"same": {"a": []}, "replicas": 2, "labels": {"a/b": "c"}}}),
        &[
            ".gone: null -> -",
            r#".spec.labels: - -> {"a/b":"c"}"#,
            ".spec.paused: true -> -",
            ".spec.replicas: 1 -> 2",
        ],
    );
    assert_diff(
        json!({"selector": {"a": "1", "b": "2"}, "labels": {"a": "1", "b.c/d": "2"}}),
        json!({"selector": {"a": "1", "b": "3"}, "labels": {"a": "1", "b.c/d": "3"}}),
        &[r#".labels[b.c/d]: "2" -> "3""#, r#".selector: {"a":"1","b":"2"} -> {"a":"1","b":"3"}"#],
    );
    assert_diff(json!({"a": {}}), json!({"a": []}), &[".a: {} -> []"]);
}

#[test]
fn items_of_lists() {
    assert_diff(
        json!({"containers": [{"name": "web", "image": "a"}, {"name": "log", "image": "b"}]}),
        json!({"containers": [{"name": "web", "image": "c"}, {"name": "new"}]}),
        &[
            r#".containers[name=web].image: "a" -> "c""#,
            r#".containers[name=log]: {"name":"log","image":"b"} -> -"#,
            r#".containers[name=new]: - -> {"name":"new"}"#,
        ],
    );
    assert_diff(
        json!({"ports": [{"port": 80, "protocol": "TCP"}, {"port": 80, "protocol": "UDP"}]}),
        json!({"ports": [{"port": 80, "protocol": "TCP", "x": 1}, {"port": 80}]}),
        &[
            ".ports[port=80,protocol=TCP].x: - -> 1",
            r#".ports[port=80,protocol=UDP]: {"port":80,"protocol":"UDP"} -> -"#,
            r#".ports[port=80]: - -> {"port":80}"#,
        ],
    );
    assert_diff(
        json!({"finalizers": ["a", "b/c"], "args": ["x", "y"]}),
        json!({"finalizers": ["b/c", "d e"], "args": ["x", "z"]}),
        &[
            r#".args: ["x","y"] -> ["x","z"]"#,
            r#".finalizers[=a]: "a" -> -"#,
            r#".finalizers[="d e"]: - -> "d e""#,
        ],
    );
}

#[test]
fn the_order_of_items() {
    assert_diff(
        json!({"containers": [{"name": "a"}, {"name": "b"}]}),
        json!({"containers": [{"name": "b"}, {"name": "a", "image": "x"}]}),
        &[
            r#".containers[name=a].image: - -> "x""#,
            r#"order .containers: [{"name":"a"},{"name":"b"}] -> [{"name":"b"},{"name":"a"}]"#,
        ],
    );
    assert_diff(
        json!({"finalizers": ["b"]}),
        json!({"finalizers": ["a", "b"]}),
        &[r#".finalizers[=a]: - -> "a""#, r#"order .finalizers: ["b"] -> ["a","b"]"#],
    );
}

#[test]
fn items_that_cannot_be_told_apart_are_one_value() {
    for (list, why) in [
        (json!([{"name": "a"}, {"name": "a"}]), "twice the same"),
        (json!([{"image": "a"}]), "without a key"),
        (json!(["a"]), "no map"),
        (json!([{"name": {"a": 1}}]), "a key that is no scalar"),
    ] {
        let before = json!({"containers": [{"name": "a"}]});
        let after = json!({"containers": list});
        let changes = diff(Some(&before), Some(&after), &Named);
        assert_eq!(changes.len(), 1, "{why}");
        assert_eq!(changes[0].path.to_string(), ".containers", "{why}");
    }
}

#[test]
fn objects_that_come_and_go() {
    let object = json!({"a": 1});
    let created = diff(None, Some(&object), &Named);
    assert_eq!((created.len(), created[0].path.to_string()), (1, ".".to_owned()));
    assert_eq!(patch(None, &created), Ok(Some(object.clone())));
    let deleted = diff(Some(&object), None, &Named);
    assert_eq!(patch(Some(object), &deleted), Ok(None));
    assert!(diff(None, None, &Named).is_empty());
}

#[test]
fn a_patch_keeps_what_differs_elsewhere() {
    let before = json!({"containers": [{"name": "a", "image": "1"}], "replicas": 1});
    let after = json!({"containers": [{"name": "a", "image": "2"}]});
    let changes = diff(Some(&before), Some(&after), &Named);
    let other = json!({"containers": [{"name": "z"}, {"name": "a", "image": "1", "env": []}]});
    let expected = json!({"containers": [{"name": "z"}, {"name": "a", "image": "2", "env": []}]});
    assert_eq!(patch(Some(other), &changes), Ok(Some(expected)));
    let without = patch(Some(json!({"containers": [{"name": "b"}]})), &changes);
    assert_eq!(without, Err(PatchError(changes[0].path.clone())));
}

fn line(field: &BlamedField) -> String {
    format!("{} {} {}", field.revision, field.path, field.value)
}

#[test]
fn who_set_each_field() {
    let versions = [
        (
            9,
            Some(json!({"containers": [{"name": "b"}, {"name": "a", "image": "3"}], "n": {},
            "finalizers": ["x", "y"], "args": [1, 2]})),
        ),
        (
            7,
            Some(json!({"containers": [{"name": "a", "image": "3"}, {"name": "b"}], "n": {"o": 1},
            "finalizers": ["y", "x"], "args": [1, 2]})),
        ),
        (
            5,
            Some(json!({"containers": [{"name": "a", "image": "2"}], "n": {},
            "finalizers": ["x"], "args": [1]})),
        ),
        (3, None),
        (2, Some(json!({"containers": [{"name": "a", "image": "3"}]}))),
    ];
    let versions = versions.map(|(revision, object)| (Revision(revision), object));
    let lines: Vec<_> = blame(versions.clone(), &Named).iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "7 .args [1,2]",
            r#"7 .containers[name=a].image "3""#,
            r#"5 .containers[name=a].name "a""#,
            r#"7 .containers[name=b].name "b""#,
            r#"5 .finalizers[=x] "x""#,
            r#"7 .finalizers[=y] "y""#,
            "9 .n {}",
        ]
    );
    assert_eq!(blame(versions[3..].to_vec(), &Named), vec![]);
    let told = std::cell::Cell::new(0);
    let counted = versions.into_iter().inspect(|_| told.set(told.get() + 1));
    blame(counted, &Named);
    assert_eq!(told.get(), 4, "nothing is read beyond the object's creation");
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ]
}

/// Any JSON, with lists of whose items some have key fields, in fields that make them keyed.
fn value() -> impl Strategy<Value = Value> {
    let field = || {
        prop::sample::select(vec![
            "containers",
            "ports",
            "finalizers",
            "selector",
            "args",
            "name",
            "port",
            "protocol",
            "a",
        ])
    };
    scalar().prop_recursive(4, 40, 5, move |inner| {
        let map = prop::collection::vec((field(), inner.clone()), 0..5);
        let object = map.prop_map(|fields| {
            Value::Object(fields.into_iter().map(|(name, v)| (name.to_owned(), v)).collect())
        });
        let item = (scalar(), scalar(), inner.clone())
            .prop_map(|(name, port, a)| json!({"name": name, "port": port, "a": a}));
        prop_oneof![
            3 => object,
            1 => prop::collection::vec(inner, 0..4).prop_map(Value::from),
            2 => prop::collection::vec(item, 0..4).prop_map(Value::from),
            1 => prop::collection::vec(scalar(), 0..4).prop_map(Value::from),
        ]
    })
}

/// The object with other contents in places, so that versions are alike as they are in life.
fn edited(value: &Value, edits: &mut impl Iterator<Item = (u8, Value)>) -> Value {
    match (value, edits.next()) {
        (_, Some((0, other))) => other,
        (Value::Object(fields), _) => {
            let fields = fields.iter().map(|(name, v)| (name.clone(), edited(v, edits)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        (Value::Array(items), edit) => {
            let mut items: Vec<_> = items.iter().map(|item| edited(item, edits)).collect();
            match edit {
                Some((1, _)) => items.reverse(),
                Some((2, added)) => items.insert(0, added),
                Some((3, _)) => drop(items.pop()),
                _ => {}
            }
            Value::from(items)
        }
        (scalar, _) => scalar.clone(),
    }
}

fn versions() -> impl Strategy<Value = Vec<Value>> {
    let edit = prop::collection::vec((0..12u8, value()), 0..40);
    (value(), prop::collection::vec(edit, 1..6)).prop_map(|(first, edits)| {
        let mut versions = vec![first];
        for edit in edits {
            let next = edited(&versions[versions.len() - 1], &mut edit.into_iter());
            versions.push(next);
        }
        versions
    })
}

/// Fields of an object in the plainest way: those of [`Schemaless`], whose paths are names.
fn flat(value: &Value, at: &str, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, v)| flat(v, &format!("{at}.{name}"), out));
        }
        leaf => drop(out.insert(if at.is_empty() { "." } else { at }.to_owned(), leaf.clone())),
    }
}

proptest! {
    #[test]
    fn a_patch_undoes_a_diff(versions in versions()) {
        for pair in versions.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            for topology in [&Named as &dyn Topology, &Schemaless] {
                let changes = diff(Some(before), Some(after), topology);
                prop_assert_eq!(changes.is_empty(), before == after);
                let patched = patch(Some(before.clone()), &changes);
                prop_assert_eq!(patched, Ok(Some(after.clone())), "{:#?}", changes);
                for change in &changes {
                    prop_assert_ne!(&change.before, &change.after);
                    if change.kind == ChangeKind::Value {
                        prop_assert_eq!(change.path.get(before), change.before.as_ref());
                        prop_assert_eq!(change.path.get(after), change.after.as_ref());
                    }
                    if let Some(pointer) = change.path.pointer_in(after) {
                        prop_assert_eq!(after.pointer(&pointer), change.path.get(after));
                    }
                }
            }
        }
    }

    #[test]
    fn fields_are_blamed_for_their_last_change(versions in versions()) {
        let newest = versions.len() - 1;
        let flats: Vec<_> = versions.iter().map(|version| {
            let mut fields = BTreeMap::new();
            flat(version, "", &mut fields);
            fields
        }).collect();
        let told = (0..=newest).rev().map(|at| (Revision(at as u64), Some(versions[at].clone())));
        let blamed = blame(told, &Schemaless);
        prop_assert_eq!(blamed.len(), flats[newest].len());
        for field in &blamed {
            let name = field.path.to_string();
            let value = flats[newest].get(&name);
            prop_assert_eq!(value, Some(&field.value));
            let same = (0..=newest).rev().take_while(|at| flats[*at].get(&name) == value).last();
            prop_assert_eq!(same.map(|at| Revision(at as u64)), Some(field.revision), "{}", name);
        }
    }

    #[test]
    fn every_field_of_a_keyed_object_is_blamed_once(versions in versions()) {
        let newest = versions.len() - 1;
        let told = (0..=newest).rev().map(|at| (Revision(at as u64), Some(versions[at].clone())));
        for field in blame(told, &Named) {
            prop_assert_eq!(field.path.get(&versions[newest]), Some(&field.value));
            let at = field.revision.0 as usize;
            prop_assert_eq!(field.path.get(&versions[at]), Some(&field.value), "{}", field.path);
            if at > 0 {
                prop_assert_ne!(field.path.get(&versions[at - 1]), Some(&field.value), "{}", field.path);
            }
        }
    }
}
