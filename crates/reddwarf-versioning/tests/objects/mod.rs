//! Objects of any shape, and what their lists and maps are.

#![allow(dead_code, reason = "each test takes what it needs")]

use proptest::prelude::*;
use reddwarf_core::{FieldPath, PathSegment, Relation, Topology};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// Tells relations by the name of the field: `containers` and `ports` are keyed lists, `finalizers`
/// is a set, `selector` an atomic map; other maps are granular and other lists atomic.
#[derive(Clone, Copy)]
pub struct Named;

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

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        "[ab]{0,2}".prop_map(Value::from),
    ]
}

/// Any JSON, with lists of whose items some have key fields, in fields that make them keyed.
pub fn value() -> impl Strategy<Value = Value> {
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
pub fn edited(value: &Value, edits: &mut impl Iterator<Item = (u8, Value)>) -> Value {
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

pub fn versions() -> impl Strategy<Value = Vec<Value>> {
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

/// An object of some 3 MiB, most of it a list of this many items.
pub fn long_list(items: usize) -> Value {
    let item = |at: usize| {
        let name = format!("container-{at}");
        let ports = json!([{"port": at, "protocol": "TCP"}]);
        json!({"name": name, "image": "registry.example/some/image:1", "ports": ports, "a": {"b": at}})
    };
    json!({"containers": (0..items).map(item).collect::<Vec<_>>()})
}

/// Checks that a list of ten times the items takes some ten times as long, not a hundred times.
pub fn assert_takes_its_length<I: Clone, T>(prepare: impl Fn(usize) -> I, run: impl Fn(I) -> T) {
    let time = |items: usize| {
        let input = prepare(items);
        // The machine may do other things meanwhile.
        let times = (0..3).map(|_| {
            let input = input.clone();
            let start = Instant::now();
            let result = run(input);
            let took = start.elapsed();
            drop(result);
            took
        });
        times.min().expect("some times")
    };
    let (short, long) = (time(2_000), time(20_000));
    println!("{long:?} for 20,000 items, {short:?} for 2,000");
    assert!(long < 40 * short, "{long:?} for 20,000 items, {short:?} for 2,000");
}
