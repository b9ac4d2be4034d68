//! Values and what is said of them.

use super::*;
use serde_json::json;

fn schema() -> Schema {
    Schema::compile(&json!({"type": "object", "properties": {"spec": {"type": "object",
    "required": ["size"], "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "even": {"type": "integer", "multipleOf": 2},
        "name": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$"},
        "kind": {"type": "string", "enum": ["a", "b"]},
        "list": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "string"}},
        "map": {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "integer"}},
        "when": {"type": "string", "format": "date-time"},
        "ratio": {"type": "number", "exclusiveMinimum": true, "minimum": 0},
        "flag": {"type": "boolean"},
        "one": {"type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "string"}},
            "oneOf": [{"required": ["x"]}, {"required": ["y"]}]},
        "not": {"type": "string", "not": {"enum": ["x"]}},
        "all": {"type": "string", "allOf": [{"minLength": 2}, {"pattern": "b"}]},
        "any": {"type": "string", "anyOf": [{"minLength": 3}, {"pattern": "b"}]},
        "int32": {"type": "integer", "format": "int32"},
        "ios": {"x-kubernetes-int-or-string": true},
        "nul": {"type": "string", "nullable": true},
        "keyed": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
            "items": {"type": "object", "properties": {"n": {"type": "string"}, "v": {"type": "integer", "maximum": 3}}}},
    }}}}))
}

fn said(spec: Value) -> Vec<String> {
    let errors = errors(&json!({"spec": spec}), &schema(), None, &FieldPath::new(""));
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn single_errors() {
    for (name, value, message) in [
        (
            "size",
            json!(0),
            "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1",
        ),
        (
            "size",
            json!(11),
            "spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10",
        ),
        (
            "size",
            json!("1"),
            "spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
        ),
        (
            "size",
            json!(null),
            "spec.size: Invalid value: \"null\": spec.size in body must be of type integer: \"null\"",
        ),
        (
            "even",
            json!(3),
            "spec.even: Invalid value: 3: spec.even in body should be a multiple of 2",
        ),
        (
            "name",
            json!("a"),
            "spec.name: Invalid value: \"a\": spec.name in body should be at least 2 chars long",
        ),
        ("name", json!("abcdef"), "spec.name: Too long: may not be more than 5 bytes"),
        (
            "name",
            json!("AB"),
            "spec.name: Invalid value: \"AB\": spec.name in body should match '^[a-z]+$'",
        ),
        ("kind", json!("c"), "spec.kind: Unsupported value: \"c\": supported values: \"a\", \"b\""),
        (
            "list",
            json!([]),
            "spec.list: Invalid value: 0: spec.list in body should have at least 1 items",
        ),
        ("list", json!(["a", "b", "c"]), "spec.list: Too many: 3: must have at most 2 items"),
        (
            "list",
            json!([1]),
            "spec.list[0]: Invalid value: \"integer\": spec.list[0] in body must be of type string: \"integer\"",
        ),
        ("map", json!({"a": 1, "b": 2}), "spec.map: Too many: 2: must have at most 1 items"),
        (
            "map",
            json!({"a": "x"}),
            "spec.map.a: Invalid value: \"string\": spec.map.a in body must be of type integer: \"string\"",
        ),
        (
            "when",
            json!("yesterday"),
            "spec.when: Invalid value: \"yesterday\": spec.when in body must be of type date-time: \"yesterday\"",
        ),
        (
            "ratio",
            json!(0),
            "spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0",
        ),
        (
            "flag",
            json!("true"),
            "spec.flag: Invalid value: \"string\": spec.flag in body must be of type boolean: \"string\"",
        ),
        (
            "int32",
            json!(1_099_511_627_776i64),
            "<nil>: Invalid value: \"\": Checked value must be of type integer with format int32 in spec.int32",
        ),
        (
            "ios",
            json!(true),
            "spec.ios: Invalid value: \"boolean\": spec.ios in body must be of type integer,string: \"boolean\"",
        ),
        (
            "not",
            json!("x"),
            "<nil>: Invalid value: \"\": \"spec.not\" must not validate the schema (not)",
        ),
        (
            "one",
            json!({"x": "1", "y": "2"}),
            "<nil>: Invalid value: \"\": \"spec.one\" must validate one and only one schema (oneOf). Found 2 valid alternatives",
        ),
    ] {
        let mut spec = json!({"size": 1});
        spec[name] = value;
        assert_eq!(said(spec), [message]);
    }
    assert_eq!(said(json!({})), ["spec.size: Required value"]);
    let whole = errors(&json!({"spec": "x"}), &schema(), None, &FieldPath::new(""));
    assert_eq!(
        whole[0].to_string(),
        "spec: Invalid value: \"string\": spec in body must be of type object: \"string\""
    );
}

#[test]
fn combinations_tell_what_they_tried() {
    assert_eq!(
        said(json!({"size": 1, "one": {}})),
        [
            "<nil>: Invalid value: \"\": \"spec.one\" must validate one and only one schema (oneOf). Found none valid",
            "spec.one.x: Required value",
        ]
    );
    assert_eq!(
        said(json!({"size": 1, "all": "a"})),
        [
            "spec.all: Invalid value: \"a\": spec.all in body should be at least 2 chars long",
            "spec.all: Invalid value: \"a\": spec.all in body should match 'b'",
            "<nil>: Invalid value: \"\": \"spec.all\" must validate all the schemas (allOf). None validated",
        ]
    );
    assert_eq!(said(json!({"size": 1, "any": "a"})).len(), 2);
}

#[test]
fn valid_values() {
    assert_eq!(
        said(
            json!({"size": 1, "even": 2, "name": "abc", "kind": "a", "list": ["x"], "map": {"a": 1},
            "when": "2020-01-01T00:00:00Z", "ratio": 0.5, "flag": true, "one": {"x": "1"}, "int32": 5,
            "ios": "50%", "nul": null, "all": "ab", "any": "b", "not": "y"})
        ),
        Vec::<String>::new()
    );
}

#[test]
fn what_does_not_change_is_tolerated() {
    let tolerated = |new: Value, old: Value| -> Vec<String> {
        let (new, old) = (json!({"spec": new}), json!({"spec": old}));
        let correlated = Some(Correlated::root(&old));
        let errors = errors(&new, &schema(), correlated, &FieldPath::new(""));
        errors.iter().map(ToString::to_string).collect()
    };
    assert!(
        tolerated(json!({"size": 50, "kind": "b"}), json!({"size": 50, "kind": "a"})).is_empty()
    );
    assert_eq!(tolerated(json!({"size": 60}), json!({"size": 50})).len(), 1);
    let keyed = |v: i64, more: i64| json!({"size": 1, "keyed": [{"n": "b", "v": more}, {"n": "a", "v": v}]});
    let old = json!({"size": 1, "keyed": [{"n": "a", "v": 9}]});
    assert!(tolerated(keyed(9, 1), old.clone()).is_empty(), "an item is known by its key");
    assert_eq!(tolerated(keyed(9, 9), old).len(), 1);
}
