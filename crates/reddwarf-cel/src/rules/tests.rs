use super::*;
use crate::schema::Schema;
use serde_json::{Value as Json, json};
use std::time::Instant;

fn widget() -> Json {
    json!({"type": "object", "properties": {"spec": {"type": "object",
    "x-kubernetes-validations": [
        {"rule": "self.min <= self.max", "message": "min must not exceed max"},
        {"rule": "!has(self.name) || self.name.startsWith(\"w-\")",
         "messageExpression": "\"name \" + self.name + \" must start with w-\"",
         "fieldPath": ".name", "reason": "FieldValueForbidden"},
        {"rule": "self.max >= oldSelf.max", "message": "max may not shrink"}
    ],
    "properties": {
        "min": {"type": "integer"}, "max": {"type": "integer"}, "name": {"type": "string"},
        "fixed": {"type": "string", "x-kubernetes-validations": [
            {"rule": "self == oldSelf", "message": "fixed is immutable"}]},
        "list": {"type": "array", "maxItems": 5, "items": {"type": "object",
            "properties": {"k": {"type": "string", "maxLength": 5}, "v": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": "self.v > 0"}]}},
        "keyed": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "integer"}},
                "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v"}]}},
        "once": {"type": "string", "x-kubernetes-validations": [
            {"rule": "oldSelf.hasValue() ? self == oldSelf.value() : self.startsWith(\"a\")",
             "message": "starts with a, then fixed", "optionalOldSelf": true}]},
        "email": {"type": "string", "maxLength": 30, "x-kubernetes-validations": [
            {"rule": "self.matches(\"^[^@]+@example.com$\")", "reason": "FieldValueInvalid"}]}
    }}}})
}

/// The findings on an object, each as `path: kind: value: detail`.
fn told(findings: &[Finding]) -> Vec<String> {
    let line = |finding: &Finding| {
        let value = finding.value.as_ref().map(|value| format!("{value}: ")).unwrap_or_default();
        format!("{}: {:?}: {value}{}", finding.path, finding.kind, finding.detail)
    };
    findings.iter().map(line).collect()
}

fn evaluated(spec: Json, old: Option<Json>) -> Verdict {
    let rules = Rules::new(Schema::read(&widget()), true).expect("rules");
    let object = |spec: Json| json!({"kind": "Widget", "metadata": {"name": "a"}, "spec": spec});
    let old = old.map(object);
    rules.evaluate(&object(spec), old.as_ref(), "")
}

#[test]
fn a_new_object() {
    for (spec, expected) in [
        (json!({"min": 1, "max": 5, "fixed": "f", "name": "w-1"}), vec![]),
        (json!({"min": 6, "max": 5}), vec!["spec: Invalid: min must not exceed max"]),
        (
            json!({"min": 1, "max": 5, "name": "x"}),
            vec!["spec.name: Forbidden: name x must start with w-"],
        ),
        (
            json!({"min": 1, "max": 5, "list": [{"k": "a", "v": 1}, {"k": "b", "v": 0}]}),
            vec!["spec.list[1]: Invalid: failed rule: self.v > 0"],
        ),
        (
            json!({"min": 1, "max": 5, "once": "b"}),
            vec!["spec.once: Invalid: \"b\": starts with a, then fixed"],
        ),
        (
            json!({"min": 1, "max": 5, "email": "x"}),
            vec!["spec.email: Invalid: \"x\": failed rule: self.matches(\"^[^@]+@example.com$\")"],
        ),
        (
            json!({"max": 5}),
            vec![
                "spec: Invalid: \"object\": no such key: min evaluating rule: min must not exceed max",
            ],
        ),
    ] {
        assert_eq!(told(&evaluated(spec.clone(), None).findings), expected, "{spec}");
    }
}

#[test]
fn an_update() {
    let old = json!({"min": 1, "max": 5, "fixed": "f", "keyed": [{"k": "a", "v": 1}, {"k": "b", "v": 9}]});
    for (spec, expected) in [
        (json!({"min": 1, "max": 4}), vec!["spec: Invalid: max may not shrink"]),
        (
            json!({"min": 1, "max": 5, "fixed": "g"}),
            vec!["spec.fixed: Invalid: \"g\": fixed is immutable"],
        ),
        (json!({"min": 1, "max": 5}), vec![]),
        (
            json!({"min": 1, "max": 5, "keyed": [{"k": "b", "v": 8}, {"k": "c", "v": 0}]}),
            vec!["spec.keyed[0]: Invalid: failed rule: self.v >= oldSelf.v"],
        ),
        (json!({"min": 1, "max": 5, "once": "abc"}), vec![]),
    ] {
        assert_eq!(told(&evaluated(spec.clone(), Some(old.clone())).findings), expected, "{spec}");
    }
    let verdict = evaluated(
        json!({"min": 1, "max": 5, "once": "b"}),
        Some(json!({"min": 1, "max": 5, "once": "a"})),
    );
    assert_eq!(told(&verdict.findings), ["spec.once: Invalid: \"b\": starts with a, then fixed"]);
}

#[test]
fn what_did_not_change_is_a_warning() {
    let spec = json!({"min": 6, "max": 5, "email": "x"});
    let verdict = evaluated(spec.clone(), Some(spec));
    assert_eq!(told(&verdict.findings), Vec::<String>::new());
    assert_eq!(verdict.warnings.len(), 2);
    let changed = evaluated(
        json!({"min": 6, "max": 5, "email": "x", "name": "w-"}),
        Some(json!({"min": 6, "max": 5, "email": "x"})),
    );
    assert_eq!(told(&changed.findings), ["spec: Invalid: min must not exceed max"]);
    assert_eq!(changed.warnings.len(), 1);
}

#[test]
fn metadata_and_embedded_objects() {
    let schema = json!({"type": "object",
        "x-kubernetes-validations": [{"rule": "self.metadata.name.size() < 3 && self.kind == 'Widget'", "message": "m"}],
        "properties": {"metadata": {"type": "object"}, "e": {"type": "object", "x-kubernetes-embedded-resource": true,
            "x-kubernetes-preserve-unknown-fields": true,
            "x-kubernetes-validations": [{"rule": "self.apiVersion == 'v1'"}]}}});
    let rules = Rules::new(Schema::read(&schema), true).expect("rules");
    let object = json!({"kind": "Widget", "metadata": {"name": "abc"}, "e": {"apiVersion": "v2", "kind": "X"}});
    assert_eq!(
        told(&rules.evaluate(&object, None, "").findings),
        [": Invalid: m", "e: Invalid: failed rule: self.apiVersion == 'v1'"]
    );
}

#[test]
fn rules_in_all_of() {
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}},
        "allOf": [{"properties": {"a": {"x-kubernetes-validations": [{"rule": "self > 0"}]}}}]});
    let rules = Rules::new(Schema::read(&schema), false).expect("rules");
    let findings = rules.evaluate(&json!({"a": 0}), None, "x").findings;
    assert_eq!(told(&findings), ["x.a: Invalid: 0: failed rule: self > 0"]);
}

#[test]
fn an_object_cannot_cost_too_much() {
    let schema = json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "integer",
        "x-kubernetes-validations": [{"rule": "lists.range(5000).all(x, x >= 0)"}]}}}});
    let rules = Rules::new(Schema::read(&schema), false).expect("rules");
    let many: Vec<u32> = (0..2000).collect();
    let findings = rules.evaluate(&json!({"l": many}), None, "").findings;
    assert_eq!(findings.len(), 1);
    assert!(findings[0].detail.contains("running out of cost budget"), "{findings:?}");
    let heavy = json!({"type": "object", "x-kubernetes-validations": [
        {"rule": "lists.range(500000).all(x, x >= 0)"}, {"rule": "false"}]});
    let rules = Rules::new(Schema::read(&heavy), false).expect("rules");
    assert_eq!(
        told(&rules.evaluate(&json!({}), None, "").findings),
        [
            ": Invalid: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: lists.range(500000).all(x, x >= 0)"
        ]
    );
}

/// What is wrong with a rule of an object with these properties.
fn reviewed(rule: Json) -> Vec<String> {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object",
        "properties": {"a": {"type": "string"}, "n": {"type": "integer"},
            "l": {"type": "array", "items": {"type": "string"}},
            "big": {"type": "array", "items": {"type": "object", "properties": {"s": {"type": "string"}}}},
            "m": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 10}}},
        "x-kubernetes-validations": [rule]}}});
    told(&review(&Schema::read(&schema), false, "s", &|_| false))
}

#[test]
fn rules_that_are_refused() {
    let at = "s.properties[spec].x-kubernetes-validations[0]";
    let shown = |rule: &str, rest: &str| {
        format!(
            "{{\"Rule\":{},\"Message\":\"\",\"MessageExpression\":{rest},\"Reason\":null,\"FieldPath\":\"\",\"OptionalOldSelf\":null}}",
            json!(rule)
        )
    };
    for (rule, detail) in [
        (
            "self.zz > 0",
            "compilation failed: ERROR: <input>:1:5: undefined field 'zz'\n | self.zz > 0\n | ....^",
        ),
        ("self.n", "cel expression must evaluate to a bool"),
        (
            "self.a.find('[') == ''",
            "program instantiation failed: error parsing regexp: missing closing ]: `[`",
        ),
    ] {
        let expected = format!("{at}.rule: Invalid: {}: {detail}", shown(rule, "\"\""));
        assert_eq!(reviewed(json!({"rule": rule})), [expected]);
    }
    let message = reviewed(json!({"rule": "true", "messageExpression": "1"}));
    let expected = format!(
        "{at}.messageExpression: Invalid: {}: messageExpression must evaluate to a string",
        shown("true", "\"1\"")
    );
    assert_eq!(message, [expected]);
    assert_eq!(
        reviewed(json!({"rule": "true", "optionalOldSelf": true})),
        [format!(
            "{at}.optionalOldSelf: Invalid: true: may not be set if oldSelf is not used in rule"
        )]
    );
    assert_eq!(
        reviewed(
            json!({"rule": "oldSelf.hasValue() && self.m.all(x, x.size() > 1)", "optionalOldSelf": true})
        ),
        Vec::<String>::new()
    );
}

#[test]
fn rules_that_cost_too_much() {
    let at = "s.properties[spec].x-kubernetes-validations[0].rule";
    let advice = "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)";
    let found = reviewed(json!({"rule": "self.big.all(x, self.big.all(y, x.s == y.s))"}));
    assert_eq!(
        found,
        [
            format!(
                "{at}: Forbidden: estimated rule cost exceeds budget by factor of more than 100x {advice}"
            ),
            format!(
                "{at}: Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
            ),
            format!(
                "s: Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by factor of more than 100x {advice}"
            ),
        ]
    );
    assert_eq!(
        reviewed(json!({"rule": "self.m.all(x, self.m.all(y, x == y || x != y))"})),
        Vec::<String>::new()
    );
}

#[test]
fn old_values_where_items_cannot_be_told() {
    let schema = json!({"type": "object", "properties": {"l": {"type": "array", "maxItems": 3, "items": {"type": "string",
        "maxLength": 3, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}}}});
    assert_eq!(
        told(&review(&Schema::read(&schema), false, "s", &|_| false)),
        [
            "s.properties[l].items.x-kubernetes-validations[0].rule: Invalid: \"self == oldSelf\": oldSelf cannot be used on the uncorrelatable portion of the schema within s.properties[l]"
        ]
    );
}

#[test]
fn paths_of_fields() {
    let schema = Schema::read(
        &json!({"type": "object", "properties": {"a": {"type": "object", "properties": {"b.c": {"type": "string"}}},
        "m": {"type": "object", "additionalProperties": {"type": "string"}}}}),
    );
    for (path, expected) in [
        (".a['b.c']", Ok("a.b.c")),
        (".m.x", Ok("m[x]")),
        (".a.zz", Err("does not refer to a valid field")),
        ("a", Err("expected [ or . but got: a")),
        (".", Err("unexpected end of JSON path")),
        (".a[0]", Err("expected single quoted string but got 0")),
    ] {
        let found = field_path(path, &schema);
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{path}");
    }
}

#[test]
#[ignore = "a measurement"]
fn the_time_it_takes() {
    let rounds: u32 = 500;
    let per_round = |started: Instant| started.elapsed() / rounds;
    let started = Instant::now();
    for _ in 0..rounds {
        assert!(review(&Schema::read(&widget()), false, "", &|_| false).is_empty());
    }
    println!("compile and review the rules of a schema: {:?}", per_round(started));
    let rules = Rules::new(Schema::read(&widget()), true).expect("rules");
    let spec = json!({"min": 1, "max": 5, "fixed": "f", "name": "w-1", "email": "a@example.com",
        "list": [{"k": "a", "v": 1}, {"k": "b", "v": 2}], "keyed": [{"k": "a", "v": 1}]});
    let object = json!({"kind": "Widget", "metadata": {"name": "a"}, "spec": spec});
    let started = Instant::now();
    for _ in 0..rounds {
        assert!(rules.evaluate(&object, None, "").findings.is_empty());
    }
    println!("evaluate them on a new object: {:?}", per_round(started));
    let started = Instant::now();
    for _ in 0..rounds {
        assert!(rules.evaluate(&object, Some(&object), "").findings.is_empty());
    }
    println!("evaluate them on an update: {:?}", per_round(started));
}
