//! Requests that are made to cost much: each gets a clear answer, soon, and takes little memory.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use reddwarf_apiserver::ApiServer;
use reddwarf_apiserver::authn::PeerIdentity;
use reddwarf_apiserver::request::UserInfo;
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// What one of them may take of a processor: a few times what it takes on a slow machine, and far
/// less than what it took while it was a danger. Without optimization all take many times as long.
/// What is stored after all may take more, and so may objects that are refused only when every one
/// of their items has been checked.
const TIME_MAX: Duration = Duration::from_millis(if cfg!(debug_assertions) { 3_000 } else { 250 });
const STORED_TIME_MAX: Duration = TIME_MAX.saturating_mul(20);
/// By how much the process may grow for one of them.
const MEMORY_MIB_MAX: u64 = 256;
/// Just below what a body may have.
const LARGE: usize = 2_900_000;
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const JSON_PATCH: &str = "application/json-patch+json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

struct Api(ApiServer);

impl Api {
    async fn new() -> Self {
        let api = Api(server(MemoryStore::new(), "127.0.0.1:6443".into()));
        let namespace = json!({"metadata": {"name": "default"}}).to_string();
        api.send("POST", "/api/v1/namespaces", JSON, namespace.into()).await;
        let account = json!({"metadata": {"name": "default"}}).to_string();
        let accounts = "/api/v1/namespaces/default/serviceaccounts";
        api.send("POST", accounts, JSON, account.into()).await;
        for name in ["m", "wide"] {
            let data: serde_json::Map<String, Value> = (0..if name == "wide" { 60_000 } else { 1 })
                .map(|n| (format!("k{n}"), "v".into()))
                .collect();
            let map = json!({"metadata": {"name": name}, "data": data}).to_string();
            let (code, body) = api.send("POST", MAPS, JSON, map.into()).await;
            assert_eq!(code, 201, "{body}");
        }
        api
    }

    async fn send(&self, method: &str, path: &str, kind: &str, body: Bytes) -> (u16, Value) {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method.parse::<Method>().expect("a method");
        *request.uri_mut() = path.parse().expect("a path");
        let kind = kind.parse().expect("a header");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let groups = vec!["system:masters".to_owned()];
        let user = UserInfo::named("root", groups);
        request.extensions_mut().insert(PeerIdentity(Arc::new(user)));
        let response = self.0.handle(request).await;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.expect("whole").to_bytes();
        (code, serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// A request that is made to cost much.
struct Hostile {
    name: &'static str,
    method: &'static str,
    path: String,
    kind: &'static str,
    body: Bytes,
    /// Codes that answer it well.
    codes: &'static [u16],
}

fn hostile(
    name: &'static str,
    (method, path): (&'static str, &str),
    kind: &'static str,
    body: impl Into<Bytes>,
    codes: &'static [u16],
) -> Hostile {
    Hostile { name, method, path: path.to_owned(), kind, body: body.into(), codes }
}

fn patches() -> Vec<Hostile> {
    let map = ("PATCH", "/api/v1/namespaces/default/configmaps/m");
    let wide = ("PATCH", "/api/v1/namespaces/default/configmaps/wide");
    let repeated = |operation: Value, count: usize| json!(vec![operation; count]).to_string();
    let copy = json!({"op": "copy", "from": "/data", "path": "/data/copy"});
    let shift = json!({"op": "add", "path": "/metadata/finalizers/0", "value": "a.b/c"});
    let mut shifts = vec![json!({"op": "add", "path": "/metadata/finalizers",
        "value": vec!["a.b/c"; 100_000]})];
    shifts.extend(vec![shift; 9_000]);
    let test = json!({"op": "test", "path": "/data", "value": {}});
    let removals = (0..9_000).map(|n| json!({"op": "remove", "path": format!("/data/k{n}")}));
    let nulls: serde_json::Map<String, Value> =
        (0..60_000).map(|n| (format!("k{n}"), Value::Null)).collect();
    let finalizers: Vec<String> = (0..60_000).map(|n| format!("example.com/f{n}")).collect();
    let owners: Vec<Value> = (0..15_000)
        .map(|n| json!({"apiVersion": "v1", "kind": "Pod", "name": "a", "uid": format!("u{n}")}))
        .collect();
    let removed: Vec<Value> =
        (0..40_000).map(|n| json!({"$patch": "delete", "uid": format!("u{n}")})).collect();
    vec![
        hostile("copies that double", map, JSON_PATCH, repeated(copy, 60), &[422]),
        hostile("too many operations", map, JSON_PATCH, repeated(test.clone(), 10_001), &[413]),
        hostile("tests of much", wide, JSON_PATCH, repeated(test, 10_000), &[422]),
        hostile(
            "insertions before a long list",
            map,
            JSON_PATCH,
            json!(shifts).to_string(),
            &[422],
        ),
        hostile(
            "removals from a long map",
            wide,
            JSON_PATCH,
            Value::from_iter(removals).to_string(),
            &[200, 422],
        ),
        hostile(
            "a path of many steps",
            map,
            JSON_PATCH,
            json!([{"op": "add", "path": "/a".repeat(LARGE / 2), "value": 1}]).to_string(),
            &[422],
        ),
        hostile(
            "a merge that empties a long map",
            wide,
            MERGE_PATCH,
            json!({"data": nulls}).to_string(),
            &[200],
        ),
        hostile(
            "the same as a strategic merge",
            wide,
            STRATEGIC,
            json!({"data": nulls}).to_string(),
            &[200],
        ),
        hostile(
            "many finalizers",
            map,
            STRATEGIC,
            json!({"metadata": {"finalizers": finalizers}}).to_string(),
            &[200, 422],
        ),
        hostile(
            "many finalizers, ordered",
            map,
            STRATEGIC,
            json!({"metadata": {"$setElementOrder/finalizers": finalizers,
                "finalizers": finalizers}})
            .to_string(),
            &[200, 422],
        ),
        hostile(
            "many owners",
            map,
            STRATEGIC,
            json!({"metadata": {"ownerReferences": owners}}).to_string(),
            &[200, 422],
        ),
        hostile(
            "many deletions in a list",
            map,
            STRATEGIC,
            json!({"metadata": {"ownerReferences": removed}}).to_string(),
            &[200, 422],
        ),
        hostile(
            "keys to retain",
            map,
            STRATEGIC,
            json!({"data": {"$retainKeys": finalizers}}).to_string(),
            &[200, 400],
        ),
        hostile("nesting in a merge", map, MERGE_PATCH, "{\"a\":".repeat(LARGE / 5), &[400]),
        hostile(
            "nesting in a strategic merge",
            map,
            STRATEGIC,
            "{\"a\":".repeat(LARGE / 5),
            &[400],
        ),
    ]
}

fn bodies() -> Vec<Hostile> {
    let post = ("POST", MAPS);
    let mut doubling = "a0: &a0 [x, x]\n".to_owned();
    for n in 1..60 {
        let _ = writeln!(doubling, "a{n}: &a{n} [*a{0}, *a{0}]", n - 1);
    }
    let long = format!("a: &x \"{}\"\nb: [{}]", "x".repeat(1_000_000), "*x, ".repeat(9_000));
    let steps: String = (0..2_000).map(|n| " ".repeat(n) + "a:\n").collect();
    let mut nested: Vec<u8> = Vec::new();
    while nested.len() < 100_000 {
        let length = nested.len();
        let mut outer = vec![0x0a];
        let mut rest = length;
        while rest >= 0x80 {
            outer.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        outer.push(rest as u8);
        if length > 4_000 {
            break;
        }
        outer.extend_from_slice(&nested);
        nested = outer;
    }
    let mut protobuf = b"k8s\0".to_vec();
    protobuf.extend_from_slice(&nested);
    vec![
        hostile("10 MB of brackets", post, JSON, vec![b'['; 10_000_000], &[413]),
        hostile("brackets", post, JSON, vec![b'['; LARGE], &[400]),
        hostile("objects in objects", post, JSON, "{\"data\":".repeat(LARGE / 8), &[400]),
        hostile("brackets in YAML", post, YAML, vec![b'['; LARGE], &[400]),
        hostile("braces in YAML", post, YAML, vec![b'{'; LARGE], &[400]),
        hostile("dashes in YAML", post, YAML, "- ".repeat(LARGE / 2), &[400]),
        hostile("questions in YAML", post, YAML, "? ".repeat(LARGE / 2), &[400]),
        hostile("anchors in YAML", post, YAML, "&a ".repeat(LARGE / 3), &[400, 422]),
        hostile("steps in YAML", post, YAML, steps, &[400]),
        hostile("aliases that double", post, YAML, doubling, &[400]),
        hostile("aliases of a long text", post, YAML, long, &[400]),
        hostile("one long line", post, YAML, "a".repeat(LARGE), &[400]),
        hostile("quotes in YAML", post, YAML, "\"\\n".repeat(LARGE / 3), &[400]),
        hostile("messages in messages", post, PROTOBUF, protobuf, &[400]),
        hostile(
            "zeros as protobuf",
            post,
            PROTOBUF,
            [b"k8s\0".to_vec(), vec![0; LARGE]].concat(),
            &[400, 422],
        ),
        hostile("a number of many digits", post, JSON, "9".repeat(LARGE), &[400]),
        hostile("CBOR", post, "application/cbor", vec![0x9f; LARGE], &[415]),
        hostile(
            "nesting in an apply",
            ("PATCH", "/api/v1/namespaces/default/configmaps/n?fieldManager=m"),
            APPLY,
            vec![b'['; LARGE],
            &[400],
        ),
    ]
}

fn objects() -> Vec<Hostile> {
    let pods = ("POST", "/api/v1/namespaces/default/pods");
    let pod = |spec: Value| json!({"metadata": {"generateName": "p-"}, "spec": spec}).to_string();
    let containers: Vec<Value> =
        (0..40_000).map(|n| json!({"name": format!("c{n}"), "image": "i"})).collect();
    let ports: Vec<Value> = (0..60_000)
        .map(|n| json!({"containerPort": n % 65_535 + 1, "name": format!("p{n}")}))
        .collect();
    let env: Vec<Value> =
        (0..80_000).map(|n| json!({"name": format!("E{n}"), "value": "v"})).collect();
    let volumes: Vec<Value> =
        (0..50_000).map(|n| json!({"name": format!("v{n}"), "emptyDir": {}})).collect();
    let labels: serde_json::Map<String, Value> =
        (0..100_000).map(|n| (format!("l{n}"), "v".into())).collect();
    let tolerations: Vec<Value> =
        (0..50_000).map(|n| json!({"key": format!("t{n}"), "operator": "Exists"})).collect();
    let managed: Vec<Value> = (0..20_000)
        .map(|n| {
            json!({"manager": format!("m{n}"), "operation": "Update", "apiVersion": "v1",
            "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}})
        })
        .collect();
    let slices: Vec<Value> = (0..30_000)
        .map(|n| json!({"addresses": [format!("10.{}.{}.{}", n / 65_536, n / 256 % 256, n % 256)]}))
        .collect();
    let rules: Vec<Value> = (0..50_000)
        .map(|n| json!({"apiGroups": [""], "resources": [format!("r{n}")], "verbs": ["get"]}))
        .collect();
    let service_ports: Vec<Value> =
        (0..40_000).map(|n| json!({"name": format!("p{n}"), "port": n % 65_535 + 1})).collect();
    vec![
        hostile("many containers", pods, JSON, pod(json!({"containers": containers})), &[201, 413, 422]),
        hostile("many ports", pods, JSON,
            pod(json!({"containers": [{"name": "c", "image": "i", "ports": ports}]})), &[201, 413, 422]),
        hostile("much environment", pods, JSON,
            pod(json!({"containers": [{"name": "c", "image": "i", "env": env}]})), &[201, 413, 422]),
        hostile("many volumes", pods, JSON,
            pod(json!({"containers": [{"name": "c", "image": "i"}], "volumes": volumes})), &[201, 413, 422]),
        hostile("many tolerations", pods, JSON,
            pod(json!({"containers": [{"name": "c", "image": "i"}], "tolerations": tolerations})),
            &[201, 413, 422]),
        hostile("many labels", ("POST", MAPS), JSON,
            json!({"metadata": {"name": "l", "labels": labels}}).to_string(), &[201, 413, 422]),
        hostile("many managers", ("POST", MAPS), JSON,
            json!({"metadata": {"name": "f", "managedFields": managed}}).to_string(), &[201, 413, 422]),
        hostile("many endpoints", ("POST", "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"),
            JSON, json!({"metadata": {"name": "e"}, "addressType": "IPv4", "endpoints": slices}).to_string(),
            &[201, 413, 422]),
        hostile("many rules", ("POST", "/apis/rbac.authorization.k8s.io/v1/clusterroles"), JSON,
            json!({"metadata": {"name": "r"}, "rules": rules}).to_string(), &[201, 413, 422]),
        hostile("many service ports", ("POST", "/api/v1/namespaces/default/services"), JSON,
            json!({"metadata": {"name": "s"}, "spec": {"ports": service_ports}}).to_string(), &[201, 413, 422]),
        hostile("a long expression",
            ("POST", "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"), JSON,
            json!({"metadata": {"name": "v"}, "spec": {"validations": [{"expression": "(".repeat(1_000_000)}],
                "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
                    "operations": ["CREATE"], "resources": ["pods"]}]}}}).to_string(), &[422]),
    ]
}

fn parameters() -> Vec<Hostile> {
    let get = |parameter: &str| format!("{MAPS}?{parameter}");
    let many = |item: &str, count: usize| vec![item; count].join(",");
    [
        (
            "values of a label",
            get(&format!("labelSelector=a%20in%20({})", many("b", 15_000))),
            &[200_u16][..],
        ),
        ("labels", get(&format!("labelSelector={}", many("a", 15_000))), &[200]),
        ("brackets of labels", get(&format!("labelSelector={}", "(".repeat(30_000))), &[400]),
        ("fields", get(&format!("fieldSelector={}", many("metadata.name!%3Da", 2_000))), &[200]),
        (
            "escapes",
            get(&format!("fieldSelector=metadata.name%3D{}", "%5C".repeat(10_000))),
            &[200, 400],
        ),
        ("a token", get(&format!("continue={}", "W1tb".repeat(7_000))), &[400]),
        ("a version", get(&format!("resourceVersion={}", "9".repeat(30_000))), &[400]),
        ("a timeout", get(&format!("timeout={}", "1h".repeat(15_000))), &[200, 400]),
        ("parameters", get(&"a=b&".repeat(10_000)), &[200]),
    ]
    .into_iter()
    .map(|(name, path, codes)| hostile(name, ("GET", &path), JSON, "", codes))
    .collect()
}

/// For how long this thread, on which everything runs, has had a processor: others may have been
/// busy in the meantime.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let nanos = text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number");
    Duration::from_nanos(nanos)
}

/// The highest memory of the process since it was last asked, in MiB.
fn highest_mib() -> u64 {
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return 0 };
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).unwrap_or_default();
    // From here on it is counted anew.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}

#[tokio::test]
async fn what_is_made_to_cost_much_costs_little() {
    let api = Api::new().await;
    let mut failures = Vec::new();
    let refused = [patches(), bodies(), parameters()].into_iter().flatten();
    let all = refused.map(|one| (one, TIME_MAX));
    let all = all.chain(objects().into_iter().map(|one| (one, STORED_TIME_MAX)));
    for (Hostile { name, method, path, kind, body, codes }, refused_max) in all {
        let bytes = body.len();
        highest_mib();
        let before = highest_mib();
        let began = on_processor();
        let (code, answer) = api.send(method, &path, kind, body).await;
        let took = on_processor() - began;
        let grown = highest_mib().saturating_sub(before);
        let message = answer["message"].as_str().unwrap_or_default();
        let shown: String = message.chars().take(100).collect();
        println!("{name}: {bytes} bytes, {code} in {took:.1?}, {grown} MiB: {shown}");
        let time_max = if code < 400 { STORED_TIME_MAX } else { refused_max };
        if !codes.contains(&code) || took > time_max || grown > MEMORY_MIB_MAX {
            failures.push(format!("{name}: {code} in {took:.1?}, {grown} MiB: {shown}"));
        }
        if code >= 400 && message.is_empty() {
            failures.push(format!("{name}: no message"));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
