//! Differences of objects as JSON patches.

mod objects;

use json_patch::{Patch, PatchOperation};
use objects::{Named, assert_takes_its_length, long_list, versions};
use proptest::prelude::*;
use reddwarf_core::{Schemaless, Topology};
use reddwarf_versioning::{diff, json_patch};
use serde_json::{Value, json};

fn operations(before: &Value, after: &Value, topology: &dyn Topology) -> Vec<PatchOperation> {
    let changes = diff(Some(before), Some(after), topology);
    json_patch(&changes, before).expect("these are its changes")
}

fn applied(mut object: Value, operations: Vec<PatchOperation>) -> Value {
    json_patch::patch(&mut object, &Patch(operations)).expect("an object that it is of");
    object
}

fn assert_operations(before: Value, after: Value, expected: Value) {
    let operations = operations(&before, &after, &Named);
    assert_eq!(serde_json::to_value(&operations).expect("JSON"), expected);
    assert_eq!(applied(before, operations), after);
}

#[test]
fn fields() {
    assert_operations(
        json!({"a": 1, "labels": {"x/y": "1", "a~b": "2", "gone": "3"}, "args": [1, 2]}),
        json!({"a": null, "labels": {"x/y": "2", "a~b": "3"}, "args": [2], "b": {}}),
        json!([
            {"op": "replace", "path": "/a", "value": null},
            {"op": "replace", "path": "/args", "value": [2]},
            {"op": "add", "path": "/b", "value": {}},
            {"op": "replace", "path": "/labels/a~0b", "value": "3"},
            {"op": "remove", "path": "/labels/gone"},
            {"op": "replace", "path": "/labels/x~1y", "value": "2"},
        ]),
    );
    assert_operations(json!({}), json!([]), json!([{"op": "replace", "path": "", "value": []}]));
}

#[test]
fn items_by_their_index() {
    assert_operations(
        json!({"containers": [{"name": "a"}, {"name": "b", "image": "1"}, {"name": "c"}]}),
        json!({"containers": [{"name": "b", "image": "2"}, {"name": "d"}, {"name": "e"}]}),
        json!([
            {"op": "replace", "path": "/containers/1/image", "value": "2"},
            {"op": "remove", "path": "/containers/2"},
            {"op": "remove", "path": "/containers/0"},
            {"op": "add", "path": "/containers/-", "value": {"name": "d"}},
            {"op": "add", "path": "/containers/-", "value": {"name": "e"}},
        ]),
    );
    assert_operations(
        json!({"finalizers": ["a", "b"]}),
        json!({"finalizers": ["c", "b"]}),
        json!([{"op": "replace", "path": "/finalizers", "value": ["c", "b"]}]),
    );
}

#[test]
fn an_object_cannot_be_removed() {
    let object = json!({"a": 1});
    let removal = json_patch(&diff(Some(&object), None, &Named), &object);
    assert_eq!(removal.expect_err("none").to_string(), "nothing at . takes this change");
}

#[test]
fn long_lists_take_their_length() {
    let pair = |items| {
        let before = long_list(items);
        let mut after = before.clone();
        let items = after["containers"].as_array_mut().expect("a list");
        items.retain(|item| item["a"]["b"].as_u64().is_some_and(|at| at % 2 == 0));
        items.iter_mut().for_each(|item| item["image"] = json!("new"));
        (before, after)
    };
    let (before, after) = pair(20_000);
    let made = operations(&before, &after, &Named);
    assert_eq!(made.len(), 20_000);
    assert_eq!(applied(before, made), after);
    assert_takes_its_length(pair, |(before, after)| operations(&before, &after, &Named));
}

proptest! {
    #[test]
    fn a_patch_makes_the_other_version(versions in versions()) {
        for pair in versions.windows(2) {
            for topology in [&Named as &dyn Topology, &Schemaless] {
                let operations = operations(&pair[0], &pair[1], topology);
                prop_assert_eq!(applied(pair[0].clone(), operations), pair[1].clone());
            }
        }
    }
}
