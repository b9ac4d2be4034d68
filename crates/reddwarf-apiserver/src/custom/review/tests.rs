//! Definitions and what is said of them.

use super::*;
use serde_json::json;

fn definition(schema: Value) -> Value {
    json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}],
            "conversion": {"strategy": "None"},
        },
        "status": {"storedVersions": ["v1"]},
    })
}

/// A definition whose objects have a `spec` of this schema.
fn with_spec(spec: Value) -> Value {
    definition(json!({"type": "object", "properties": {"spec": spec}}))
}

fn said(errors: &ErrorList) -> Vec<String> {
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn a_plain_definition_is_valid() {
    let plain = with_spec(json!({"type": "object", "properties": {
        "size": {"type": "integer", "minimum": 0, "default": 1},
        "port": {"x-kubernetes-int-or-string": true},
        "items": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}},
    }}));
    assert_eq!(said(&create(&plain)), Vec::<String>::new());
}

#[test]
fn schemas_that_are_not_structural() {
    let root = "spec.validation.openAPIV3Schema.properties[spec]";
    for (spec, wrong) in [
        (
            json!({"properties": {"a": {"type": "string"}}}),
            "type: Required value: must not be empty for specified object fields",
        ),
        (json!({"type": "array"}), "items: Required value: must be specified"),
        (
            json!({"type": "object", "anyOf": [{"type": "object"}]}),
            "anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "string", "pattern": "("}),
            "pattern: Invalid value: \"(\": must be a valid regular expression, but isn't: error parsing regexp: missing closing ): `(`",
        ),
        (
            json!({"type": "object", "x-kubernetes-embedded-resource": true}),
            "properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ),
        (
            json!({"x-kubernetes-int-or-string": true, "x-kubernetes-preserve-unknown-fields": true}),
            "x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true",
        ),
    ] {
        assert_eq!(said(&create(&with_spec(spec))), [format!("{root}.{wrong}")]);
    }
    let narrowing = json!({"type": "object", "allOf": [{"properties": {"a": {"minimum": 1}}}]});
    assert_eq!(
        said(&create(&definition(narrowing))),
        [
            "spec.validation.openAPIV3Schema.properties[a]: Required value: because it is defined in spec.validation.openAPIV3Schema.allOf[0].properties[a]"
        ]
    );
    let metadata = json!({"type": "object", "properties": {"metadata": {"type": "object",
        "properties": {"labels": {"type": "object"}}}}});
    assert_eq!(
        said(&create(&definition(metadata))),
        [
            "spec.validation.openAPIV3Schema.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified"
        ]
    );
}

#[test]
fn rules_of_every_schema() {
    let root = "spec.validation.openAPIV3Schema.properties[spec]";
    let item = |more: Value| {
        let mut item = json!({"type": "object", "properties": {"name": {"type": "string"}}});
        if let (Value::Object(item), Value::Object(more)) = (&mut item, more) {
            item.extend(more);
        }
        json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": item})
    };
    for (spec, wrong) in [
        (
            json!({"type": "odd"}),
            "type: Unsupported value: \"odd\": supported values: \"array\", \"boolean\", \"integer\", \"number\", \"object\", \"string\"",
        ),
        (
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
            "uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
            "additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (
            json!({"type": "object", "x-kubernetes-list-type": "set"}),
            "type: Invalid value: \"object\": must be array if x-kubernetes-list-type is specified",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}),
            "items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
        ),
        (
            item(json!({})),
            "items.properties[name].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
        (
            item(json!({"required": ["name"], "nullable": true})),
            "items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is map",
        ),
        (
            json!({"type": "object", "x-kubernetes-validations": [{"rule": " "}]}),
            "x-kubernetes-validations[0].rule: Required value: rule is not specified",
        ),
        (
            json!({"type": "object", "x-kubernetes-validations": [{"rule": "true", "fieldPath": ".x"}]}),
            "x-kubernetes-validations[0].fieldPath: Invalid value: \".x\": must be a valid path",
        ),
    ] {
        assert_eq!(said(&create(&with_spec(spec))), [format!("{root}.{wrong}")]);
    }
    let mut unsupported = with_spec(json!({"type": "object"}));
    unsupported["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["$ref"] = json!("x");
    assert_eq!(
        said(&create(&unsupported)),
        ["spec.validation.openAPIV3Schema.$ref: Forbidden: $ref is not supported"]
    );
}

#[test]
fn defaults_are_valid_values() {
    let root = "spec.validation.openAPIV3Schema.properties[spec].default";
    for (spec, wrong) in [
        (
            json!({"type": "string", "default": 1}),
            ": Invalid value: \"integer\": spec.validation.openAPIV3Schema.properties[spec].default in body must be of type string: \"integer\"",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "string"}}, "default": {"b": 1}}),
            ": Invalid value: {\"b\":1}: must not have unknown fields",
        ),
    ] {
        let found = said(&create(&with_spec(spec)));
        let found: Vec<&str> = found.iter().filter_map(|text| text.strip_prefix(root)).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(wrong) || found[0].contains("must be of type"), "{found:?}");
    }
    let of_metadata = json!({"type": "object", "properties": {"metadata": {"type": "object",
        "properties": {"name": {"type": "string", "default": "x"}}}}});
    assert_eq!(
        said(&create(&definition(of_metadata))),
        [
            "spec.validation.openAPIV3Schema.properties[metadata].properties[name].default: Forbidden: must not be set in top-level metadata"
        ]
    );
    let embedded = json!({"type": "object", "x-kubernetes-embedded-resource": true,
        "properties": {"kind": {"type": "string", "default": "a/b"}}});
    let found = said(&create(&with_spec(embedded)));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains(
            "default: Invalid value: \"a/b\": must result in valid metadata: kind: Invalid value"
        ),
        "{found:?}"
    );
}

#[test]
fn what_was_accepted_may_stay() {
    let old = with_spec(
        json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}),
    );
    assert!(!create(&old).is_empty());
    assert_eq!(said(&update(&old, &old)), Vec::<String>::new());
    let mut moved = with_spec(json!({"type": "object"}));
    moved["spec"]["group"] = json!("example.org");
    moved["spec"]["names"]["plural"] = json!("gadgets");
    let old = with_spec(json!({"type": "object"}));
    assert_eq!(
        said(&update(&moved, &old)),
        [
            "spec.group: Invalid value: \"example.org\": field is immutable",
            "spec.names.plural: Invalid value: \"gadgets\": field is immutable"
        ]
    );
}

#[test]
fn versions_that_differ_have_errors_of_their_own() {
    let mut two = with_spec(json!({"type": "object"}));
    two["spec"]["versions"] = json!([
        {"name": "Bad_", "served": true, "storage": true},
        {"name": "v1", "served": false, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "properties": {"a": {"type": "array"}, "c": {}}}},
            "subresources": {"scale": {"specReplicasPath": "x", "statusReplicasPath": ""}},
            "additionalPrinterColumns": [{"name": "", "type": "odd", "jsonPath": "x"}]},
    ]);
    let found = said(&create(&two));
    for expected in [
        "spec.versions[0].schema.openAPIV3Schema: Required value",
        "spec.versions[1].schema.openAPIV3Schema.properties[a].items: Required value: must be specified",
        "spec.versions[1].schema.openAPIV3Schema.properties[c].type: Required value: must not be empty for specified object fields",
        "spec.versions[1].subresources.scale.specReplicasPath: Invalid value: \"x\": must be a simple json path starting with .",
        "spec.versions[1].subresources.scale.statusReplicasPath: Required value",
        "spec.versions[1].additionalPrinterColumns[0].name: Required value",
        "spec.versions[1].additionalPrinterColumns[0].type: Invalid value: \"odd\": must be one of boolean,date,integer,number,string",
        "spec.versions[1].additionalPrinterColumns[0].JSONPath: Invalid value: \"x\": must be a simple json path starting with .",
    ] {
        assert!(found.iter().any(|text| text == expected), "{expected} in {found:#?}");
    }
    assert!(
        found
            .iter()
            .any(|text| text.ends_with("must have exactly one version marked as storage version"))
    );
}

#[test]
fn selectable_fields_lead_to_plain_values() {
    let mut selectable = with_spec(json!({"type": "object", "properties": {
        "color": {"type": "string"}, "list": {"type": "array", "items": {"type": "string"}}}}));
    selectable["spec"]["versions"][0]["selectableFields"] = json!([{"jsonPath": ".spec.color"}, {"jsonPath": ".spec.list"}, {"jsonPath": ".spec.none"}, {"jsonPath": ".spec.color"}]);
    assert_eq!(
        said(&create(&selectable)),
        [
            "spec.selectableFields[1].jsonPath: Invalid value: \".spec.list\": must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.",
            "spec.selectableFields[2].jsonPath: Invalid value: \".spec.none\": is an invalid path: does not refer to a valid field",
            "spec.selectableFields[3].jsonPath: Duplicate value: \".spec.color\"",
        ]
    );
}

#[test]
fn warnings_name_what_does_nothing() {
    let odd = with_spec(json!({"type": "object", "properties": {
        "a": {"type": "string", "format": "odd"}, "b": {"type": "integer", "format": "int32"},
        "c": {"type": "array", "x-kubernetes-list-type": "set",
            "items": {"type": "object", "x-kubernetes-map-type": "atomic"}}}}));
    assert_eq!(
        warnings(&odd, None),
        [
            "unrecognized format \"odd\"",
            "x-kubernetes-list-type: set for items of type \"object\" is not supported by server-side apply or CEL validation rules",
        ]
    );
    assert!(warnings(&odd, Some(&odd)).is_empty());
}
