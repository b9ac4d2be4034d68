//! Decoding against upstream's recorded answers.

use super::*;
use crate::registry::Scope;
use serde_json::json;

fn configmap() -> Kind {
    Kind::new(Scope::Namespaced, "", "v1", "ConfigMap", "configmaps")
}

fn run(kind: &Kind, body: &str, validation: FieldValidation) -> Result<Decoded, String> {
    decode(kind, body.as_bytes(), BodyFormat::Json, validation).map_err(|s| s.message)
}

fn object(kind: &Kind, body: Value) -> Value {
    run(kind, &body.to_string(), FieldValidation::Strict).expect("decodes").object
}

fn message(kind: &Kind, body: &str) -> String {
    run(kind, body, FieldValidation::Strict).expect_err("is refused")
}

#[test]
fn the_graph_knows_every_kind() {
    let graph = builtin();
    let pod = graph.kind("", "v1", "Pod").and_then(|id| graph.as_struct(id)).expect("Pod");
    assert_eq!(pod.schema_name.as_ref(), "io.k8s.api.core.v1.Pod");
    for (group, version, kind) in [
        ("apps", "v1", "Deployment"),
        ("networking.k8s.io", "v1", "Ingress"),
        ("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        ("apiregistration.k8s.io", "v1", "APIService"),
        ("autoscaling", "v2", "HorizontalPodAutoscaler"),
        ("policy", "v1", "Eviction"),
        ("apps", "v1", "DeleteOptions"),
    ] {
        assert!(graph.kind(group, version, kind).is_some(), "{group}/{version} {kind}");
    }
}

#[test]
fn what_was_sent_empty_can_be_seen() {
    let roles = Kind::new(Scope::Namespaced, "rbac.authorization.k8s.io", "v1", "Role", "roles");
    let body = r#"{"metadata": {"name": "a", "labels": {}, "managedFields": []}, "rules": []}"#;
    let mut decoded = run(&roles, body, FieldValidation::Strict).expect("decodes");
    assert_eq!(decoded.object["rules"], Value::Null);
    decoded.as_sent(|sent| assert_eq!(sent["rules"], json!([])));
    assert_eq!(decoded.object["rules"], Value::Null);
    assert_eq!(
        decoded.object["metadata"],
        json!({"name": "a", "managedFields": []}),
        "an empty list of managedFields is an instruction"
    );
}

#[test]
fn an_empty_list_of_scaling_policies_is_kept_for_validation() {
    let kind = Kind::new(
        Scope::Namespaced,
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
    );
    let rules = json!({"behavior": {"scaleUp": {"policies": []}}, "metrics": []});
    let got = object(&kind, json!({ "spec": rules }));
    assert_eq!(got["spec"]["behavior"]["scaleUp"], json!({"policies": []}));
    assert!(got["spec"].get("metrics").is_none());
}

#[test]
fn drops_what_is_empty_and_writes_what_is_always_there() {
    let pod = Kind::new(Scope::Namespaced, "", "v1", "Pod", "pods");
    let got = object(
        &pod,
        json!({
            "metadata": {"name": "p", "labels": null, "annotations": {}, "generateName": "", "creationTimestamp": null},
            "spec": {"containers": [{"name": "a", "command": [], "resources": {"limits": {"cpu": "1000m"}}, "stdin": false,
                "livenessProbe": {"httpGet": {"port": 0}}}, null],
                "terminationGracePeriodSeconds": 0, "hostNetwork": false},
        }),
    );
    assert_eq!(
        got,
        json!({
            "kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "p"},
            "spec": {"containers": [
                {"name": "a", "resources": {"limits": {"cpu": "1"}}, "livenessProbe": {"httpGet": {"port": 0}}},
                {"name": "", "resources": {}}],
                "terminationGracePeriodSeconds": 0},
            "status": {},
        })
    );
}

#[test]
fn nil_lists_without_omitempty_are_null() {
    let role = Kind::new(Scope::Namespaced, "rbac.authorization.k8s.io", "v1", "Role", "roles");
    let got = object(&role, json!({"metadata": {"name": "r"}, "rules": []}));
    assert_eq!(got["rules"], Value::Null);
    assert!(got.as_object().is_some_and(|o| o.contains_key("rules")));
}

#[test]
fn unknown_and_duplicate_fields() {
    let body = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","nope":1,"ownerReferences":[{"x":1}]},"data":{"k":"1","k":"2"},"other":{"deep":1}}"#;
    let warned = run(&configmap(), body, FieldValidation::Warn).expect("decodes");
    assert_eq!(
        warned.warnings,
        [
            "unknown field \"metadata.nope\"",
            "unknown field \"metadata.ownerReferences[0].x\"",
            "duplicate field \"data.k\"",
            "unknown field \"other\"",
        ]
    );
    assert_eq!(warned.object["data"], json!({"k": "2"}));
    assert!(run(&configmap(), body, FieldValidation::Ignore).expect("decodes").warnings.is_empty());
    let strict = message(&configmap(), body);
    assert!(strict.starts_with("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"metadata.nope\", "), "{strict}");
}

/// Bodies and messages as recorded from upstream.
#[test]
fn errors_in_upstreams_words() {
    let handled = |rest: &str| {
        format!("ConfigMap in version \"v1\" cannot be handled as a ConfigMap: {rest}")
    };
    let unrecognized = |rest: &str| {
        format!("the object provided is unrecognized (must be of type ConfigMap): {rest}")
    };
    let syntax =
        |rest: &str| unrecognized(&format!("couldn't get version/kind; json parse error: {rest}"));
    for (body, expected) in [
        ("", syntax("unexpected end of JSON input (<empty>)")),
        (r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a""#, syntax("unexpected end of JSON input ({\"apiVersion\":\"v1\",\"kind\":\"Con ...)")),
        ("not json at all", syntax("invalid character 'o' in literal null (expecting 'u') (6e6f74206a736f6e20617420616c6c)")),
        ("[]", syntax("json: cannot unmarshal array into Go value of type struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" } (5b5d)")),
        (r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"trail"}} trailing"#, syntax("invalid character 't' after top-level value ({\"apiVersion\":\"v1\",\"kind\":\"Con ...)")),
        (r#"{"data":{"x":5}}"#, handled("json: cannot unmarshal number into Go struct field ConfigMap.data of type string")),
        (r#"{"data":["x"]}"#, handled("json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string")),
        (r#"{"metadata":[]}"#, handled("json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta")),
        (r#"{"metadata":{"labels":"x=y"}}"#, handled("json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string")),
        (r#"{"metadata":{"creationTimestamp":"yesterday"}}"#, handled("parsing time \"yesterday\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"yesterday\" as \"2006\"")),
        (r#"{"binaryData":{"x":"***"}}"#, handled("illegal base64 data at input byte 0")),
        (r#"{"apiVersion":"v1","kind":7}"#, syntax("json: cannot unmarshal number into Go struct field .kind of type string ({\"apiVersion\":\"v1\",\"kind\":7})")),
        (r#"{"immutable":"true"}"#, handled("json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool")),
        (r#"{"apiVersion":"v1","kind":"Secret"}"#, "Secret in version \"v1\" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion".to_owned()),
        (r#"{"apiVersion":"apps/v1","kind":"ConfigMap"}"#, handled("no kind \"ConfigMap\" is registered for version \"apps/v1\" in scheme \"pkg/api/legacyscheme/scheme.go:30\"")),
        (r#"{"apiVersion":"v1","kind":"List"}"#, "List in version \"v1\" cannot be handled as a ConfigMap: converting (v1.List) to (core.ConfigMap): unknown conversion".to_owned()),
        (r#"{"apiVersion":"a/b/c","kind":"ConfigMap"}"#, unrecognized("unexpected GroupVersion string: a/b/c ({\"apiVersion\":\"a/b/c\",\"kind\":\" ...)")),
    ] {
        assert_eq!(message(&configmap(), body), expected, "{body}");
    }
    let deployment = Kind::new(Scope::Namespaced, "apps", "v1", "Deployment", "deployments");
    for (replicas, found) in
        [("\"2\"", "string"), ("1.5", "number 1.5"), ("99999999999", "number 99999999999")]
    {
        assert_eq!(
            message(&deployment, &format!(r#"{{"spec":{{"replicas":{replicas}}}}}"#)),
            format!(
                "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal {found} into Go struct field DeploymentSpec.spec.replicas of type int32"
            )
        );
    }
    assert_eq!(
        message(&deployment, r#"{"apiVersion":"extensions/v1beta1","kind":"Deployment"}"#),
        "the API version in the data (extensions/v1beta1) does not match the expected API version (apps/v1)"
    );
    let service = Kind::new(Scope::Namespaced, "", "v1", "Service", "services");
    assert_eq!(
        message(&service, r#"{"spec":{"ports":[{"port":80,"targetPort":true}]}}"#),
        "Service in version \"v1\" cannot be handled as a Service: json: cannot unmarshal bool into Go struct field ServicePort.spec.ports.targetPort of type int32"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let body = format!("{{\"data\":{}", "[".repeat(100_000));
    assert!(run(&configmap(), &body, FieldValidation::Warn).is_err());
    let yaml = "[".repeat(100_000);
    assert!(
        decode(&configmap(), yaml.as_bytes(), BodyFormat::Yaml, FieldValidation::Warn).is_err()
    );
}

#[test]
fn yaml_is_version_1_1_and_one_document() {
    let read = |text: &str| {
        decode(&configmap(), text.as_bytes(), BodyFormat::Yaml, FieldValidation::Strict)
    };
    let got = read("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d1}\ndata:\n  yes: &x \"yes\"\n  b: *x\n  m: |\n    one\n---\nkind: Other\n").expect("decodes");
    assert_eq!(
        got.object,
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d1"}, "data": {"true": "yes", "b": "yes", "m": "one\n"}})
    );
    let error = read("metadata: {name: y}\n").expect_err("is refused").message;
    assert!(
        error.ends_with(
            "cannot unmarshal bool into Go struct field ObjectMeta.metadata.name of type string"
        ),
        "{error}"
    );
    let error = read("apiVersion: v1\n kind: ConfigMap\n").expect_err("is refused").message;
    assert!(error.contains("yaml: line 2: "), "{error}");
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n";
    assert!(read(bomb).expect_err("is refused").message.contains("excessive aliasing"));
}

#[test]
fn protobuf_bodies() {
    let meta = b"\x0a\x02v1\x12\x09ConfigMap";
    let raw = b"\x0a\x03\x0a\x01a\x12\x06\x0a\x01k\x12\x01v";
    let mut body = b"k8s\0\x0a\x0f".to_vec();
    body.extend(meta);
    body.extend(b"\x12\x0d");
    body.extend(raw);
    let read =
        |body: &[u8]| decode(&configmap(), body, BodyFormat::Protobuf, FieldValidation::Strict);
    assert_eq!(
        read(&body).expect("decodes").object,
        json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"k": "v"}})
    );
    for cut in 5..body.len() {
        let _ = read(&body[..cut]);
    }
    assert!(read(b"{}").is_err());
}

#[test]
fn times_are_utc_in_seconds() {
    assert_eq!(
        scalar::time("2026-01-02T03:04:05.678+02:00").as_deref(),
        Ok("2026-01-02T01:04:05Z")
    );
    assert_eq!(scalar::time("2026-01-31T03:04:05Z").as_deref(), Ok("2026-01-31T03:04:05Z"));
    assert!(scalar::time("2026-02-30T03:04:05Z").is_err());
    assert_eq!(
        scalar::micro_time("2026-01-02T03:04:05.000000Z").as_deref(),
        Ok("2026-01-02T03:04:05.000000Z")
    );
    assert!(scalar::micro_time("2026-01-02T03:04:05Z").is_err());
}

#[test]
fn files_hold_many_documents() {
    let read = |text: &str| super::parse_documents(text.as_bytes());
    let three = json!([{"a": 1}, null, {"b": true}]);
    assert_eq!(read("---\na: 1\n---\n# nothing\n---\nb: yes\n").map(Value::from), Ok(three));
    assert_eq!(read("{\"a\": 1}\n{\"b\": 2}").map(|all| all.len()), Ok(2));
    assert_eq!(read("").map(|all| all.len()), Ok(0));
    assert!(read("a: 1\na: 2\n").is_err_and(|why| why.contains("already set")));
    assert!(read("a: [").is_err());
}

proptest::proptest! {
    #[test]
    fn decoding_twice_changes_nothing(data: std::collections::BTreeMap<String, String>, labels: std::collections::BTreeMap<String, String>) {
        let once = object(&configmap(), json!({"metadata": {"labels": labels}, "data": data}));
        let twice = object(&configmap(), once.clone());
        proptest::prop_assert_eq!(once, twice);
    }

    #[test]
    fn garbage_never_panics(body: Vec<u8>) {
        for format in [BodyFormat::Json, BodyFormat::Yaml, BodyFormat::Protobuf] {
            let _ = decode(&configmap(), &body, format, FieldValidation::Strict);
        }
    }
}
