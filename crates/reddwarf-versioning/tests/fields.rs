//! Differences of objects, and who set their fields.

mod objects;

use objects::{Named, assert_takes_its_length, long_list, versions};
use proptest::prelude::*;
use reddwarf_core::{Revision, Schemaless, Topology};
use reddwarf_versioning::{BlamedField, ChangeKind, FieldChange, PatchError, blame, diff, patch};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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

/// Fields of an object in the plainest way: those of [`Schemaless`], whose paths are names.
fn flat(value: &Value, at: &str, out: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            fields.iter().for_each(|(name, v)| flat(v, &format!("{at}.{name}"), out));
        }
        leaf => drop(out.insert(if at.is_empty() { "." } else { at }.to_owned(), leaf.clone())),
    }
}

/// All items changed, half of them gone, as many new, and all in the other order.
fn turned(object: &Value) -> Value {
    let items = object["containers"].as_array().expect("a list");
    let kept = items.iter().skip(items.len() / 2).cloned();
    let mut items: Vec<_> =
        kept.chain((0..items.len() / 2).map(|at| json!({"name": at}))).collect();
    items.reverse();
    items.iter_mut().for_each(|item| item["image"] = json!("registry.example/some/image:2"));
    json!({"containers": items})
}

#[test]
fn long_lists_are_patched_in_their_length() {
    let no_items = json!({"containers": []});
    let pairs = |items| {
        let (old, none) = (long_list(items), no_items.clone());
        let turned = turned(&old);
        let pairs = [(&old, &turned), (&turned, &old), (&old, &none), (&none, &old)];
        pairs.map(|(before, after)| {
            (before.clone(), diff(Some(before), Some(after), &Named), after.clone())
        })
    };
    for (before, changes, after) in pairs(20_000) {
        assert_eq!(patch(Some(before), &changes), Ok(Some(after)));
    }
    assert_takes_its_length(pairs, |pairs| {
        pairs.map(|(before, changes, _)| patch(Some(before), &changes))
    });
}

#[test]
fn long_lists_are_blamed_in_their_length() {
    let versions = |items| {
        let old = long_list(items);
        let versions = [(3, old.clone()), (2, turned(&old)), (1, json!({"containers": []}))];
        versions.map(|(revision, object)| (Revision(revision), Some(object)))
    };
    let blamed = blame(versions(20_000), &Named);
    // Half of the items, and the images of the others.
    let newest = blamed.iter().filter(|field| field.revision == Revision(3));
    assert_eq!((blamed.len(), newest.count()), (20_000 * 5, 10_000 * 5 + 10_000));
    assert_takes_its_length(versions, |versions| blame(versions, &Named));
}

#[test]
fn changes_of_lists_with_items_that_cannot_be_told_apart() {
    let changes =
        |after: Value| diff(Some(&json!({"containers": [{"name": "a"}]})), Some(&after), &Named);
    let twice = json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "a", "n": 1}]});
    let without = patch(Some(twice.clone()), &changes(json!({"containers": []})));
    let expected = json!({"containers": [{"name": "b"}, {"name": "a", "n": 1}]});
    assert_eq!(without, Ok(Some(expected)), "the first of the name goes");
    let both = changes(json!({"containers": [{"name": "b"}]}));
    let [removal, addition] = both.try_into().expect("two changes");
    let gone = patch(Some(twice), &[removal.clone(), addition, removal]);
    assert_eq!(gone, Ok(Some(json!({"containers": [{"name": "b"}]}))), "and then the second");
    let strange = json!({"containers": ["a", {"image": "x"}]});
    let changed =
        patch(Some(strange), &changes(json!({"containers": [{"name": "a", "image": "y"}]})));
    assert!(changed.is_err(), "there is no such item to be changed");
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
