//! Targets: bodies and whole requests.

use super::{Target, signature, signed};
use crate::memory_api::server;
use crate::memory_store::MemoryStore;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Uri};
use http_body_util::BodyExt;
use reddwarf_apiserver::patch::{self, PatchType};
use reddwarf_apiserver::registry::{Kind, Registry};
use reddwarf_apiserver::request::{FieldValidation, UserInfo};
use reddwarf_apiserver::schema::{BodyFormat, Expected, decode};
use reddwarf_apiserver::{ApiServer, Caller};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;

pub(super) fn targets() -> Vec<Target> {
    vec![
        Target { name: "json-body", run: |i| body(i, BodyFormat::Json), seeds: json_bodies },
        Target { name: "yaml-body", run: |i| body(i, BodyFormat::Yaml), seeds: yaml_bodies },
        Target { name: "protobuf-body", run: |i| body(i, BodyFormat::Protobuf), seeds: protobuf },
        Target { name: "json-patch", run: |i| patched(i, PatchType::Json), seeds: json_patches },
        Target { name: "merge-patch", run: |i| patched(i, PatchType::Merge), seeds: merges },
        Target {
            name: "strategic-patch",
            run: |i| patched(i, PatchType::Strategic),
            seeds: merges,
        },
        Target { name: "apply", run: apply, seeds: applies },
        Target { name: "request", run: request, seeds: requests },
    ]
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(Registry::builtin);

/// The kind that an input's first byte names, and the rest.
fn kind_of(input: &[u8]) -> (&'static Kind, &[u8]) {
    let (first, rest) = input.split_first().unwrap_or((&0, &[]));
    let all: Vec<&Kind> = REGISTRY.kinds().map(AsRef::as_ref).collect();
    (all[usize::from(*first) % all.len()], rest)
}

/// The byte that names a kind.
fn byte_of(group: &str, kind: &str) -> u8 {
    let at = REGISTRY.kinds().position(|k| k.group == group && k.kind == kind);
    u8::try_from(at.expect("a built-in kind")).expect("fewer than 256 kinds")
}

fn body(input: &[u8], format: BodyFormat) -> u64 {
    let (kind, body) = kind_of(input);
    let decoded = decode(kind, body, format, FieldValidation::Strict);
    if let Ok(decoded) = decode(kind, body, format, FieldValidation::Ignore) {
        let mut object = decoded.object;
        (kind.hooks.default)(&mut object);
        let mut again = object.clone();
        (kind.hooks.default)(&mut again);
        assert_eq!(again, object, "defaults are there already");
        (kind.hooks.validate)(&object);
    }
    signed(decoded.map_err(|status| status.message))
}

fn objects() -> Vec<(u8, Value)> {
    let labels = json!({"app": "web"});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [{
        "name": "c", "image": "i", "ports": [{"containerPort": 80}],
        "env": [{"name": "A", "value": "1"}], "resources": {"limits": {"cpu": "100m"}},
    }], "tolerations": [{"operator": "Exists"}], "volumes": [{"name": "v", "emptyDir": {}}]}});
    vec![
        (
            byte_of("", "ConfigMap"),
            json!({"kind": "ConfigMap", "apiVersion": "v1",
            "metadata": {"name": "m", "labels": labels, "finalizers": ["a.b/c"]}, "data": {"k": "v"}}),
        ),
        (
            byte_of("", "Pod"),
            json!({"kind": "Pod", "apiVersion": "v1",
            "metadata": {"name": "p"}, "spec": template["spec"]}),
        ),
        (
            byte_of("apps", "Deployment"),
            json!({"kind": "Deployment", "apiVersion": "apps/v1",
            "metadata": {"name": "d"}, "spec": {"replicas": 2, "selector": {"matchLabels": labels},
            "template": template, "strategy": {"rollingUpdate": {"maxSurge": "25%"}}}}),
        ),
        (
            byte_of("", "Service"),
            json!({"kind": "Service", "apiVersion": "v1",
            "metadata": {"name": "s"}, "spec": {"selector": labels,
            "ports": [{"port": 80, "targetPort": "http", "protocol": "TCP"}]}}),
        ),
    ]
}

fn json_bodies() -> Vec<Vec<u8>> {
    let bytes =
        |(kind, object): (u8, Value)| [vec![kind], object.to_string().into_bytes()].concat();
    objects().into_iter().map(bytes).collect()
}

fn yaml_bodies() -> Vec<Vec<u8>> {
    let yaml = |(kind, object): (u8, Value)| {
        [vec![kind], reddwarf_apiserver::http::yaml::to_yaml(&object).into_bytes()].concat()
    };
    let mut all: Vec<Vec<u8>> = objects().into_iter().map(yaml).collect();
    let anchors =
        "kind: ConfigMap\napiVersion: v1\nmetadata: &m {name: m}\ndata: {a: &x b, c: *x}\n";
    all.push([vec![byte_of("", "ConfigMap")], anchors.as_bytes().to_vec()].concat());
    all
}

fn protobuf() -> Vec<Vec<u8>> {
    let field = |number: u8, body: &[u8]| {
        [&[number << 3 | 2, u8::try_from(body.len()).expect("short")], body].concat()
    };
    let kind = [field(1, b"v1"), field(2, b"ConfigMap")].concat();
    let entry = [field(1, b"k"), field(2, b"v")].concat();
    let object = [field(1, &field(1, b"m")), field(2, &entry)].concat();
    let unknown = [b"k8s\0".to_vec(), field(1, &kind), field(2, &object)].concat();
    vec![[vec![byte_of("", "ConfigMap")], unknown].concat()]
}

fn patched(input: &[u8], patch_type: PatchType) -> u64 {
    let (first, patch) = input.split_first().unwrap_or((&0, &[]));
    let all = objects();
    let (kind, current) = &all[usize::from(*first) % all.len()];
    let (kind, _) = kind_of(std::slice::from_ref(kind));
    let result = patch::apply_checked(
        Expected::of(kind),
        patch_type,
        current,
        patch,
        FieldValidation::Strict,
    );
    signed(result.map_err(|status| status.message))
}

fn each_object(patches: &[Value]) -> Vec<Vec<u8>> {
    let bytes = patches.iter().flat_map(|patch| {
        let text = patch.to_string();
        (0..4).map(move |n| [vec![n], text.clone().into_bytes()].concat())
    });
    bytes.collect()
}

fn json_patches() -> Vec<Vec<u8>> {
    each_object(&[
        json!([{"op": "add", "path": "/metadata/labels", "value": {"a": "b"}},
            {"op": "copy", "from": "/metadata/labels", "path": "/metadata/annotations"},
            {"op": "move", "from": "/metadata/labels/a", "path": "/metadata/labels/c"}]),
        json!([{"op": "test", "path": "/metadata/name", "value": "m"},
            {"op": "replace", "path": "/data", "value": {}}, {"op": "remove", "path": "/data"}]),
        json!([{"op": "add", "path": "/spec/containers/0/env/-", "value": {"name": "B"}},
            {"op": "remove", "path": "/spec/containers/-1"}]),
    ])
}

fn merges() -> Vec<Vec<u8>> {
    each_object(&[
        json!({"metadata": {"labels": {"app": null, "b": "c"}, "finalizers": ["x.y/z"]}}),
        json!({"spec": {"containers": [{"name": "c", "image": "j"}, {"name": "d", "$patch": "delete"}],
            "$setElementOrder/containers": [{"name": "c"}]}}),
        json!({"spec": {"$retainKeys": ["type"], "type": "Recreate"}, "data": {"$patch": "replace"}}),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a.b/c"],
            "$setElementOrder/finalizers": ["x.y/z"]}}),
        json!({"spec": {"template": {"spec": {"volumes": [{"name": "v", "$retainKeys": ["name"]}]}}}}),
    ])
}

struct Member {
    server: ApiServer,
    caller: Caller,
    served: usize,
}

/// A member keeps what it was sent, so another one takes over now and then.
const SERVED_MAX: usize = 2_000;

thread_local! {
    static RUNTIME: Runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    static MEMBER: RefCell<Option<Member>> = const { RefCell::new(None) };
}

fn member() -> Member {
    let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
    let user = UserInfo::named("fuzz", groups);
    let caller = Caller { user: Some(Arc::new(user)), ..Caller::default() };
    let server = server(MemoryStore::new(), "127.0.0.1:6443".into());
    let member = Member { server, caller, served: 0 };
    let namespace = json!({"metadata": {"name": "default"}}).to_string();
    member.send(&Method::POST, "/api/v1/namespaces", "application/json", namespace.into());
    for (path, (_, object)) in
        ["/api/v1/", "/api/v1/", "/apis/apps/v1/", "/api/v1/"].into_iter().zip(objects())
    {
        let plural = format!("{}s", object["kind"].as_str().unwrap_or_default().to_lowercase());
        let path = format!("{path}namespaces/default/{plural}");
        member.send(&Method::POST, &path, "application/json", object.to_string().into());
    }
    member
}

impl Member {
    /// Status code and body of the answer; of one without end the beginning.
    fn send(&self, method: &Method, path: &str, kind: &str, body: Bytes) -> (u16, Bytes) {
        let Ok(uri) = path.parse::<Uri>() else { return (0, Bytes::new()) };
        let mut headers = HeaderMap::new();
        if let Ok(kind) = HeaderValue::from_str(kind) {
            headers.insert(CONTENT_TYPE, kind);
        }
        let served = async {
            let answer = self.server.serve(method, &uri, &headers, Ok(body), &self.caller).await;
            let code = answer.status().as_u16();
            let body = answer.into_body().collect();
            let whole = tokio::time::timeout(std::time::Duration::from_millis(2), body).await;
            let bytes = whole.ok().and_then(Result::ok).map(|c| c.to_bytes()).unwrap_or_default();
            assert!(self.server.metrics().panics() == 0, "the server panicked");
            (code, bytes)
        };
        RUNTIME.with(|runtime| runtime.block_on(served))
    }
}

fn sent(method: &Method, path: &str, kind: &str, body: Bytes) -> u64 {
    MEMBER.with_borrow_mut(|kept| {
        let member = kept.get_or_insert_with(member);
        let (code, answer) = member.send(method, path, kind, body);
        member.served += 1;
        if member.served > SERVED_MAX {
            *kept = None;
        }
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let message = answer["message"].as_str().unwrap_or_default();
        signature(message) ^ u64::from(code)
    })
}

/// Server-side applies: a line with what is applied to, then the body.
fn apply(input: &[u8]) -> u64 {
    const PLACES: [&str; 4] = [
        "/api/v1/namespaces/default/configmaps/m",
        "/api/v1/namespaces/default/pods/p",
        "/apis/apps/v1/namespaces/default/deployments/d",
        "/api/v1/namespaces/default/services/s",
    ];
    let (first, body) = input.split_first().unwrap_or((&0, &[]));
    let place = PLACES[usize::from(*first) % PLACES.len()];
    let force = if first & 0x80 == 0 { "" } else { "&force=true" };
    let path = format!("{place}?fieldManager=m{}{force}", first & 7);
    sent(&Method::PATCH, &path, "application/apply-patch+yaml", Bytes::copy_from_slice(body))
}

fn applies() -> Vec<Vec<u8>> {
    let plain = objects()
        .into_iter()
        .enumerate()
        .map(|(n, (_, object))| [vec![n as u8 | 0x80], object.to_string().into_bytes()].concat());
    plain.collect()
}

/// Whole requests: method and path, media type, body, each in a line.
fn request(input: &[u8]) -> u64 {
    let mut parts = input.splitn(3, |b| *b == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (line, kind) = (text(), text());
    let body = Bytes::copy_from_slice(parts.next().unwrap_or_default());
    let (method, path) = line.split_once(' ').unwrap_or(("GET", &line));
    let Ok(method) = method.parse::<Method>() else { return 1 };
    // A watch of this kind ends at once.
    let path =
        if path.contains("watch") { format!("{path}&timeoutSeconds=1") } else { path.into() };
    sent(&method, &path, &kind, body)
}

fn requests() -> Vec<Vec<u8>> {
    let pod = objects().swap_remove(1).1;
    let merge = "application/merge-patch+json";
    [
        ("POST /api/v1/namespaces/default/pods", "application/json", pod.clone()),
        ("POST /api/v1/namespaces/default/pods?dryRun=All", "application/json", pod),
        ("GET /api/v1/namespaces/default/pods?limit=1&labelSelector=a", "", json!(null)),
        ("DELETE /api/v1/namespaces/default/configmaps/m", "application/json",
            json!({"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan",
                "preconditions": {"uid": "x"}})),
        ("PATCH /api/v1/namespaces/default/configmaps/m", merge, json!({"data": {"x": "y"}})),
        ("PATCH /apis/apps/v1/namespaces/default/deployments/d/scale", merge,
            json!({"spec": {"replicas": 3}})),
        ("POST /api/v1/namespaces/default/pods/p/binding", "application/json",
            json!({"target": {"kind": "Node", "name": "n"}})),
        ("POST /api/v1/namespaces/default/pods/p/eviction", "application/json",
            json!({"kind": "Eviction", "apiVersion": "policy/v1", "metadata": {"name": "p"}})),
        ("PUT /api/v1/namespaces/default/configmaps/m", "application/json",
            json!({"metadata": {"name": "m", "resourceVersion": "1"}})),
        ("POST /apis/apiextensions.k8s.io/v1/customresourcedefinitions", "application/json",
            json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com",
                "names": {"plural": "widgets", "kind": "Widget"}, "scope": "Namespaced",
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object"}}}]}})),
        ("POST /apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies", "application/json",
            json!({"metadata": {"name": "v"}, "spec": {"validations": [{"expression": "object.x > 1"}],
                "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
                    "operations": ["CREATE"], "resources": ["pods"]}]}}})),
    ]
    .into_iter()
    .map(|(line, kind, body)| format!("{line}\n{kind}\n{body}").into_bytes())
    .collect()
}
