//! Patches as upstream answers them.

use super::*;
use crate::registry::Scope;
use serde_json::json;

fn template() -> Kind {
    Kind::new(Scope::Namespaced, "", "v1", "PodTemplate", "podtemplates")
}

fn smp(current: Value, patch: Value) -> Result<Value, Box<Status>> {
    apply(&template(), PatchType::Strategic, &current, patch.to_string().as_bytes())
}

fn spec(spec: Value) -> Value {
    json!({"template": {"spec": spec}})
}

#[test]
fn strategic_directives() {
    let names = |names: &[&str]| -> Value {
        names.iter().map(|n| json!({"name": n, "image": format!("i{n}")})).collect()
    };
    let abc = spec(
        json!({"containers": names(&["a", "b", "c"]), "nodeSelector": {"n1": "1", "n2": "2"}}),
    );
    for (patch, expected) in [
        (
            json!({"containers": [{"name": "b", "$patch": "delete"}]}),
            json!({"containers": names(&["a", "c"])}),
        ),
        (
            json!({"containers": [{"name": "zz", "$patch": "delete"}]}),
            json!({"containers": names(&["a", "b", "c"])}),
        ),
        (
            json!({"containers": [{"$patch": "replace"}, {"name": "x"}]}),
            json!({"containers": [{"name": "x"}]}),
        ),
        (
            json!({"nodeSelector": {"$patch": "replace", "n3": "3"}}),
            json!({"nodeSelector": {"n3": "3"}}),
        ),
        (json!({"nodeSelector": {"$patch": "delete"}}), json!({"nodeSelector": {}})),
        (json!({"nodeSelector": {"n1": null}}), json!({"nodeSelector": {"n2": "2"}})),
        (
            json!({"$setElementOrder/containers": [{"name": "c"}, {"name": "b"}, {"name": "a"}]}),
            json!({"containers": names(&["c", "b", "a"])}),
        ),
        (
            json!({"$setElementOrder/containers": [{"name": "n"}, {"name": "a"}, {"name": "b"}, {"name": "c"}], "containers": [{"name": "n"}]}),
            json!({"containers": [{"name": "n"}, {"name": "a", "image": "ia"}, {"name": "b", "image": "ib"}, {"name": "c", "image": "ic"}]}),
        ),
        (
            json!({"containers": [{"name": "b", "image": "new"}, {"name": "d"}]}),
            json!({"containers": [{"name": "a", "image": "ia"}, {"name": "b", "image": "new"}, {"name": "c", "image": "ic"}, {"name": "d"}]}),
        ),
    ] {
        let got = smp(abc.clone(), spec(patch.clone())).expect("applies");
        for (name, value) in expected.as_object().expect("an object") {
            let mut sorted = got["template"]["spec"][name].clone();
            // Where an item that only the patch has stands beside the server's is upstream's
            // own rule; only $setElementOrder promises a place.
            let mut value = value.clone();
            if name == "containers" && patch.get("$setElementOrder/containers").is_none() {
                for list in [&mut sorted, &mut value] {
                    list.as_array_mut().expect("a list").sort_by_key(|c| c["name"].to_string());
                }
            }
            assert_eq!(sorted, value, "{patch}");
        }
    }
}

#[test]
fn strategic_primitive_lists_and_retained_keys() {
    let current = json!({"metadata": {"finalizers": ["a", "b", "c"]}, "template": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}});
    let got = smp(
        current.clone(),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b", "zz"]}}),
    )
    .expect("applies");
    assert_eq!(got["metadata"]["finalizers"], json!(["a", "c"]));
    let got = smp(
        current.clone(),
        json!({"metadata": {"$setElementOrder/finalizers": ["c", "d", "a"], "finalizers": ["d"]}}),
    )
    .expect("applies");
    assert_eq!(got["metadata"]["finalizers"], json!(["b", "c", "d", "a"]));
    let volume = |keys: Value| {
        spec(json!({"volumes": [{"name": "v", "$retainKeys": keys, "configMap": {"name": "c"}}]}))
    };
    let got = smp(current.clone(), volume(json!(["name", "configMap"]))).expect("applies");
    assert_eq!(
        got["template"]["spec"]["volumes"],
        json!([{"name": "v", "configMap": {"name": "c"}}])
    );
    let error = smp(current, volume(json!(["name"]))).expect_err("is refused");
    assert_eq!((error.code, error.message.as_str()), (400, "invalid patch format of retainKeys"));
}

#[test]
fn strategic_errors() {
    let current = spec(json!({"containers": [{"name": "x", "image": "ix"}]}));
    for (patch, message) in [
        (
            json!({"containers": [{"image": "nameless"}]}),
            "map: map[image:nameless] does not contain declared merge key: name",
        ),
        (
            json!({"containers": [{"name": "x", "$patch": "grow"}]}),
            "unknown patch type: grow in map: map[$patch:grow name:x]",
        ),
        (
            json!({"$setElementOrder/containers": [{"name": "x"}], "containers": [{"image": "in2", "name": "new"}]}),
            "The order in patch list:\n[map[image:in2 name:new]]\n doesn't match $setElementOrder list:\n[map[name:x]]\n",
        ),
    ] {
        let error = smp(current.clone(), spec(patch)).expect_err("is refused");
        assert_eq!((error.code, error.reason, error.message.as_str()), (500, None, message));
    }
    let patch = spec(json!({"containers": {"name": "x"}}));
    let error = apply_checked(
        Expected::of(&template()),
        PatchType::Strategic,
        &current,
        patch.to_string().as_bytes(),
        FieldValidation::Warn,
    )
    .expect_err("is refused");
    assert_eq!(
        (error.code, error.message.as_str()),
        (
            422,
            " \"\" is invalid: patch: Invalid value: \"map[template:map[spec:map[containers:map[name:x]]]]\": cannot restore slice from map"
        )
    );
    let patch = spec(json!({"nothing": 1}));
    let error = apply_checked(
        Expected::of(&template()),
        PatchType::Strategic,
        &current,
        patch.to_string().as_bytes(),
        FieldValidation::Strict,
    )
    .expect_err("is refused");
    assert_eq!(
        error.message,
        " \"\" is invalid: patch: Invalid value: \"map[template:map[spec:map[nothing:1]]]\": strict decoding error: unknown field \"template.spec.nothing\""
    );
}

#[test]
fn json_patch_as_upstream_applies_it() {
    let kind = Kind::new(Scope::Namespaced, "", "v1", "ConfigMap", "configmaps");
    let current = json!({"data": {"a": "1"}, "metadata": {"finalizers": ["x", "y", "z"]}});
    let run = |patch: Value| apply(&kind, PatchType::Json, &current, patch.to_string().as_bytes());
    for (patch, path, expected) in [
        (json!([{"op": "replace", "path": "/data/zz", "value": "1"}]), "/data/zz", json!("1")),
        (json!([{"op": "test", "path": "/data/ww", "value": null}]), "/data/a", json!("1")),
        (
            json!([{"op": "remove", "path": "/metadata/finalizers/-1"}]),
            "/metadata/finalizers",
            json!(["x", "y"]),
        ),
        (
            json!([{"op": "add", "path": "/metadata/finalizers/1", "value": "n"}]),
            "/metadata/finalizers",
            json!(["x", "n", "y", "z"]),
        ),
        (
            json!([{"op": "add", "path": "/metadata/finalizers/-", "value": "n"}]),
            "/metadata/finalizers/3",
            json!("n"),
        ),
        (json!([{"op": "move", "from": "/data/a", "path": "/data/b"}]), "/data", json!({"b": "1"})),
        (json!([{"op": "copy", "from": "/data", "path": "/other"}]), "/other/a", json!("1")),
        (json!([{"op": "add", "path": "/data/k~1w~0", "value": "v"}]), "/data/k~1w~0", json!("v")),
        (json!([{"op": "replace", "path": "", "value": {"data": {}}}]), "", json!({"data": {}})),
    ] {
        assert_eq!(run(patch.clone()).expect("applies").pointer(path), Some(&expected), "{patch}");
    }
    for patch in [
        json!([{"op": "remove", "path": "/data/zz"}]),
        json!([{"op": "add", "path": "/metadata/labels/x", "value": "1"}]),
        json!([{"op": "test", "path": "/data/ww", "value": "1"}]),
        json!([{"op": "grow", "path": "/data/a"}]),
        json!([{"op": "remove"}]),
        json!([{"op": "add", "path": "/metadata/finalizers/9", "value": "n"}]),
    ] {
        let error = run(patch.clone()).expect_err("is refused");
        assert_eq!((error.code, error.details.is_some()), (422, true), "{patch}");
    }
    let error = run(json!({"op": "remove"})).expect_err("is refused");
    assert_eq!(
        error.message,
        "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
    );
    let many: Vec<Value> =
        vec![json!({"op": "test", "path": "/data/a", "value": "1"}); json::OPERATIONS_MAX + 1];
    assert_eq!(run(Value::Array(many)).expect_err("is refused").code, 413);
}

#[test]
fn bodies_that_are_no_patch() {
    for (patch_type, body, message) in [
        (PatchType::Json, "[{\"op\":", "error decoding patch: unexpected end of JSON input"),
        (PatchType::Merge, "", "error decoding patch: unexpected end of JSON input"),
        (PatchType::Merge, "null", "Invalid JSON Patch"),
        (
            PatchType::Merge,
            "\"text\"",
            "error decoding patch: json: cannot unmarshal string into Go value of type map[string]interface {}",
        ),
        (
            PatchType::Strategic,
            "[]",
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
    ] {
        let error =
            apply(&template(), patch_type, &json!({}), body.as_bytes()).expect_err("is refused");
        assert_eq!((error.code, error.message.as_str()), (400, message));
    }
}

fn any_json() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[ab$/~]{0,3}".prop_map(Value::from),
        Just(Value::from("delete")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let key = prop_oneof![
            "[abc]",
            Just("name".to_owned()),
            Just("$patch".to_owned()),
            Just("containers".to_owned()),
            Just("template".to_owned()),
            Just("spec".to_owned()),
            Just("$setElementOrder/containers".to_owned()),
            Just("$retainKeys".to_owned())
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

proptest::proptest! {
    #[test]
    fn merge_patch_agrees_with_the_crate(current in any_json(), patch in any_json()) {
        let mut expected = current.clone();
        json_patch::merge(&mut expected, &patch);
        let mut got = current;
        merge::apply(&mut got, &patch);
        proptest::prop_assert_eq!(got, expected);
    }

    #[test]
    fn no_patch_panics(current in any_json(), patch in any_json()) {
        for patch_type in [PatchType::Json, PatchType::Merge, PatchType::Strategic] {
            let _ = apply_checked(Expected::of(&template()), patch_type, &current,
                patch.to_string().as_bytes(), FieldValidation::Strict);
        }
    }
}

#[test]
fn a_strategic_patch_makes_nothing_of_another_kind() {
    let current = json!({"kind": "PodTemplate", "apiVersion": "v1", "metadata": {"name": "t"}});
    let patch = json!({"kind": "Pod", "apiVersion": "v2", "metadata": {"labels": {"a": "b"}}});
    let patched = smp(current, patch).expect("patched");
    assert_eq!(
        patched,
        json!({"kind": "PodTemplate", "apiVersion": "v1",
            "metadata": {"name": "t", "labels": {"a": "b"}}})
    );
}
