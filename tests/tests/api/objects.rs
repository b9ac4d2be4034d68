//! The verbs over a store in memory: what a client may rely on.

use bytes::Bytes;
use reddwarf_apiserver::bootstrap::{self, BootstrapConfig};
use reddwarf_apiserver::nonresource::Route;
use reddwarf_apiserver::request::UserInfo;
use reddwarf_apiserver::{ApiServer, LocalClient};
use reddwarf_core::api::{ApiClient, ApiWatch};
use reddwarf_core::{Change, Collection, ObjectIndex, Reason, Status, Store};
use reddwarf_tests::meddled_store::MeddledStore;
use reddwarf_tests::memory_api::{server, server_with};
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const MERGE: &str = "application/merge-patch+json";

struct Api {
    server: ApiServer,
    client: LocalClient,
}

impl Api {
    async fn new() -> Self {
        let server = server(MemoryStore::new(), "127.0.0.1:6443".into());
        let client = LocalClient::privileged(server.clone(), "test", "test");
        let api = Api { server, client };
        api.send("POST", "/api/v1/namespaces", json!({"metadata": {"name": "default"}}))
            .await
            .expect("a namespace");
        api
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Result<Value, Box<Status>> {
        let body = (!body.is_null()).then(|| Bytes::from(body.to_string()));
        let kind = (method == "PATCH").then_some(MERGE);
        let answer = self.client.request(method, path, kind, body).await?;
        Ok(serde_json::from_slice(&answer).expect("JSON"))
    }

    async fn get(&self, path: &str) -> Value {
        self.send("GET", path, Value::Null).await.expect("readable")
    }

    async fn map(&self, name: &str, labels: Value) -> Value {
        let body = json!({"metadata": {"name": name, "labels": labels}, "data": {"n": "0"}});
        self.send("POST", MAPS, body).await.expect("created")
    }
}

fn version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().expect("a version")
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items.iter().filter_map(|i| i["metadata"]["name"].as_str()).collect()
}

#[tokio::test]
async fn an_update_names_the_version_that_it_replaces() {
    let api = Api::new().await;
    let made = api.map("a", json!({})).await;
    let path = format!("{MAPS}/a");
    let put = |version: &str, n: &str| json!({"metadata": {"name": "a", "resourceVersion": version}, "data": {"n": n}});
    let changed = api.send("PUT", &path, put(version(&made), "1")).await.expect("replaced");
    assert_eq!(changed["metadata"]["uid"], made["metadata"]["uid"]);
    let stale = api.send("PUT", &path, put(version(&made), "2")).await.expect_err("stale");
    assert!(stale.is(Reason::Conflict));
    assert_eq!(
        stale.message,
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again"
    );
    let same = api.send("PUT", &path, put(version(&changed), "1")).await.expect("no change");
    assert_eq!(version(&same), version(&changed), "what changes nothing is not written");
    assert_eq!(api.get(&path).await["data"]["n"], "1");
}

const APPLY: &str = "application/apply-patch+yaml";

impl Api {
    async fn apply(&self, path: &str, query: &str, body: Value) -> Result<Value, Box<Status>> {
        let (path, body) = (format!("{path}?{query}"), Bytes::from(body.to_string()));
        let answer = self.client.request("PATCH", &path, Some(APPLY), Some(body)).await?;
        Ok(serde_json::from_slice(&answer).expect("JSON"))
    }
}

fn applied_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

#[tokio::test]
async fn an_apply_makes_changes_and_removes() {
    let api = Api::new().await;
    let path = format!("{MAPS}/a");
    let dry = api.apply(&path, "fieldManager=m&dryRun=All", applied_map(json!({"x": "1"})));
    assert_eq!(dry.await.expect("made")["data"]["x"], "1");
    let alice = "fieldManager=alice";
    let made = api.apply(&path, alice, applied_map(json!({"x": "1", "y": "1"}))).await;
    let made = made.expect("made");
    assert_eq!(
        made["metadata"]["managedFields"][0]["fieldsV1"],
        json!({"f:data": {"f:x": {}, "f:y": {}}})
    );
    let again = api.apply(&path, alice, applied_map(json!({"x": "1", "y": "1"}))).await;
    assert_eq!(version(&again.expect("applied")), version(&made), "nothing changes");
    let less = api.apply(&path, alice, applied_map(json!({"x": "2"}))).await.expect("applied");
    assert_eq!(less["data"], json!({"x": "2"}));
    let refused = api.apply(&path, "fieldManager=bob", applied_map(json!({"x": "3"}))).await;
    let refused = refused.expect_err("alice owns it");
    assert_eq!((refused.code, refused.reason), (409, Some(Reason::Conflict)));
    let forced = api.apply(&path, "fieldManager=bob&force=true", applied_map(json!({"x": "3"})));
    assert_eq!(forced.await.expect("forced")["data"]["x"], "3");
}

#[tokio::test]
async fn what_an_apply_refuses() {
    let api = Api::new().await;
    let path = format!("{MAPS}/a");
    let refused = async |query: &str, change: &dyn Fn(&mut Value)| {
        let mut body = applied_map(json!({"x": "1"}));
        change(&mut body);
        let status = api.apply(&path, query, body).await.expect_err("refused");
        (status.code, status.message.clone())
    };
    let (manager, nothing): (_, &dyn Fn(&mut Value)) = ("fieldManager=m", &|_| {});
    assert_eq!(
        refused("", nothing).await.1,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"
    );
    for (change, code, message) in [
        (
            (&|o: &mut Value| o["kind"] = "Secret".into()) as &dyn Fn(&mut Value),
            400,
            "invalid object type: /v1, Kind=Secret",
        ),
        (
            &|o| o["metadata"]["managedFields"] = json!([]),
            400,
            "metadata.managedFields must be nil",
        ),
        (
            &|o| o["nothing"] = 1.into(),
            500,
            "failed to create typed patch object (/a; /v1, Kind=ConfigMap): .nothing: field not declared in schema",
        ),
        (
            &|o| o["metadata"]["name"] = "b".into(),
            400,
            "the name of the object (b) does not match the name on the URL (a)",
        ),
        (
            &|o| o["metadata"]["uid"] = "u".into(),
            409,
            "Operation cannot be fulfilled on configmaps \"a\": uid mismatch: the provided object specified uid u, and no existing object was found",
        ),
    ] {
        assert_eq!(refused(manager, change).await, (code, message.to_owned()));
    }
    let twice = Bytes::from_static(
        b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nkind: ConfigMap\n",
    );
    let strict = format!("{path}?{manager}&fieldValidation=Strict");
    let refused = api.client.request("PATCH", &strict, Some(APPLY), Some(twice)).await;
    assert_eq!(refused.expect_err("a key comes twice").code, 400);
    let missing = api.send("GET", &path, Value::Null).await.expect_err("nothing was made");
    assert!(missing.is(Reason::NotFound));
}

#[tokio::test]
async fn applies_that_make_the_same_object_all_land() {
    let api = Api::new().await;
    let path = format!("{MAPS}/a");
    let applies = (0..16).map(|n| {
        let (query, data) = (format!("fieldManager=m{n}"), json!({format!("k{n}"): "1"}));
        let (api, path) = (&api, &path);
        async move { api.apply(path, &query, applied_map(data)).await }
    });
    for outcome in futures::future::join_all(applies).await {
        outcome.expect("applied");
    }
    let map = api.get(&path).await;
    assert_eq!(map["data"].as_object().map(|d| d.len()), Some(16));
    assert_eq!(map["metadata"]["managedFields"].as_array().map(Vec::len), Some(16));
}

#[tokio::test]
async fn replicas_change_their_owner_through_scale() {
    let api = Api::new().await;
    let path = "/apis/apps/v1/namespaces/default/deployments/d";
    let scale = format!("{path}/scale");
    let deployment = |replicas: u32| {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {
                "replicas": replicas, "selector": {"matchLabels": {"a": "b"}},
                "template": {
                    "metadata": {"labels": {"a": "b"}},
                    "spec": {"containers": [{"name": "c", "image": "i"}]},
                },
            },
        })
    };
    let to = |replicas: u32| json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "d"}, "spec": {"replicas": replicas}});
    api.apply(path, "fieldManager=alice", deployment(0)).await.expect("made");
    let refused = api.apply(&scale, "fieldManager=bob", to(1)).await.expect_err("alice owns them");
    assert_eq!(
        refused.message,
        "Apply failed with 1 conflict: conflict with \"alice\": .spec.replicas"
    );
    api.apply(&scale, "fieldManager=bob&force=true", to(1)).await.expect("forced");
    let refused = api.apply(path, "fieldManager=alice", deployment(0)).await;
    assert_eq!(
        refused.expect_err("bob owns them").message,
        "Apply failed with 1 conflict: conflict with \"bob\" with subresource \"scale\": .spec.replicas"
    );
    // A scale to nothing removes the field, and nobody owns it.
    api.send("PATCH", &scale, json!({"spec": {"replicas": 0}})).await.expect("scaled");
    let applied = api.apply(path, "fieldManager=alice", deployment(2)).await.expect("applied");
    assert_eq!(applied["spec"]["replicas"], 2);
}

#[tokio::test]
async fn concurrent_patches_all_land() {
    let api = Arc::new(Api::new().await);
    api.map("a", json!({})).await;
    let patches = (0..40).map(|n| {
        let api = api.clone();
        tokio::spawn(async move {
            let body = json!({"data": {format!("k{n}"): "v"}});
            api.send("PATCH", &format!("{MAPS}/a"), body).await.expect("patched");
        })
    });
    for patch in patches.collect::<Vec<_>>() {
        patch.await.expect("no panic");
    }
    let data = &api.get(&format!("{MAPS}/a")).await["data"];
    assert_eq!(data.as_object().expect("data").len(), 41);
}

/// A pod that a node has got is marked and then removed, in two commits, and others may act
/// between them.
#[tokio::test]
async fn a_deletion_that_others_finish_shows_its_own_mark_and_spares_the_next_of_that_name() {
    let store = MeddledStore::new();
    let server = server(store.clone(), "127.0.0.1:6443".into());
    let client = LocalClient::privileged(server.clone(), "test", "test");
    let api = Api { server, client };
    let space = json!({"metadata": {"name": "default"}});
    api.send("POST", "/api/v1/namespaces", space).await.expect("a namespace");
    let accounts = "/api/v1/namespaces/default/serviceaccounts";
    api.send("POST", accounts, json!({"metadata": {"name": "default"}})).await.expect("made");
    let pods = "/api/v1/namespaces/default/pods";
    let pod = json!({"metadata": {"name": "p"}, "spec": {
        "nodeName": "n", "containers": [{"name": "c", "image": "i"}]}});
    let path = format!("{pods}/p?gracePeriodSeconds=0");
    let key = Collection::new("", "pods").key("default", "p");
    let next = Change::Put {
        key: key.clone(),
        body: r#"{"metadata":{"name":"p","namespace":"default","resourceVersion":""}}"#.into(),
        version_offset: 65,
        index: ObjectIndex { uid: "another".into(), ..ObjectIndex::default() },
        salt: None,
    };
    for recreated in [false, true] {
        let created = api.send("POST", pods, pod.clone()).await.expect("created");
        let mut meddling = vec![Change::Delete { key: key.clone() }];
        meddling.extend(recreated.then(|| next.clone()));
        store.meddle(meddling);
        let deleted = api.send("DELETE", &path, Value::Null).await.expect("deleted");
        let (before, mark): (u64, u64) = (
            version(&created).parse().expect("a number"),
            version(&deleted).parse().expect("a number"),
        );
        assert_eq!(mark, before + 1, "{deleted}");
        assert!(deleted["metadata"]["deletionTimestamp"].is_string(), "{deleted}");
        assert_eq!(store.view().get(&key).is_some(), recreated);
    }
}

#[tokio::test]
async fn pages_show_one_state() {
    let api = Api::new().await;
    for name in ["a", "b", "c", "d"] {
        api.map(name, json!({})).await;
    }
    let first = api.get(&format!("{MAPS}?limit=2")).await;
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first["metadata"]["remainingItemCount"], 2);
    assert!(first["items"][0].get("kind").is_none(), "items of built-in lists have no kind");
    api.map("bb", json!({})).await;
    api.send("DELETE", &format!("{MAPS}/d"), Value::Null).await.expect("deleted");
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let second = api.get(&format!("{MAPS}?limit=5&continue={token}")).await;
    assert_eq!(names(&second), ["c", "d"]);
    assert_eq!(version(&second), version(&first));
    assert_eq!(names(&api.get(MAPS).await), ["a", "b", "bb", "c"]);
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let api = Api::new().await;
    let body = json!({"metadata": {"generateName": "x-"}});
    let made = api.send("POST", &format!("{MAPS}?dryRun=All"), body).await.expect("accepted");
    assert_eq!(made["metadata"]["name"].as_str().map(str::len), Some(7));
    assert!(names(&api.get(MAPS).await).is_empty());
}

#[tokio::test]
async fn a_finalizer_holds_a_deletion() {
    let api = Api::new().await;
    let path = format!("{MAPS}/a");
    let body = json!({"metadata": {"name": "a", "finalizers": ["example.com/hold"]}});
    api.send("POST", MAPS, body).await.expect("created");
    let marked = api.send("DELETE", &path, Value::Null).await.expect("marked");
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let again = json!({"metadata": {"name": "a"}});
    let exists = api.send("POST", MAPS, again).await.expect_err("still there");
    assert_eq!(exists.message, "object is being deleted: configmaps \"a\" already exists");
    let release = json!({"metadata": {"finalizers": null}});
    api.send("PATCH", &path, release).await.expect("released");
    let gone = api.send("GET", &path, Value::Null).await.expect_err("gone");
    assert!(gone.is(Reason::NotFound));
}

async fn next(watch: &mut Box<dyn ApiWatch>) -> (String, String) {
    let frame = tokio::time::timeout(Duration::from_secs(5), watch.next()).await;
    let frame = frame.expect("an event in time").expect("an open watch");
    let event: Value = serde_json::from_slice(&frame).expect("JSON");
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    (text(&event["type"]), text(&event["object"]["metadata"]["name"]))
}

#[tokio::test]
async fn a_watch_sees_objects_enter_and_leave_its_selector_and_ends_with_the_server() {
    let api = Api::new().await;
    api.map("a", json!({"s": "y"})).await;
    let mut watch =
        api.client.watch(&format!("{MAPS}?watch=true&labelSelector=s%3Dy")).await.expect("open");
    assert_eq!(next(&mut watch).await, ("ADDED".into(), "a".into()));
    for (label, seen) in [("y2", "DELETED"), ("y", "ADDED")] {
        let body = json!({"metadata": {"labels": {"s": label}}});
        api.send("PATCH", &format!("{MAPS}/a"), body).await.expect("patched");
        assert_eq!(next(&mut watch).await, (seen.into(), "a".into()));
    }
    api.server.stop();
    let end = tokio::time::timeout(Duration::from_secs(5), watch.next()).await;
    assert_eq!(end.expect("ends in time"), None);
}

#[tokio::test]
async fn only_masters_and_nodes_get_in() {
    let api = Api::new().await;
    let bob = UserInfo::named("bob", vec!["system:authenticated".into()]);
    let client = LocalClient::new(api.server.clone(), bob, "test");
    let refused = client.request("GET", MAPS, None, None).await.expect_err("refused");
    assert_eq!(refused.code, 403);
    assert_eq!(
        refused.message,
        "configmaps is forbidden: User \"bob\" cannot list resource \"configmaps\" in API group \"\" in the namespace \"default\""
    );
    let request = http::Request::get(MAPS).body(http_body_util::Empty::<Bytes>::new());
    let anonymous = api.server.handle(request.expect("a request")).await;
    assert_eq!(anonymous.status(), 403);
    let request = http::Request::get("/readyz").body(http_body_util::Empty::<Bytes>::new());
    assert_eq!(api.server.handle(request.expect("a request")).await.status(), 200);
}

/// Sends a request as a connection of a member of `system:masters` does.
async fn over_http(server: &ApiServer, request: http::Request<String>) -> http::Response<Bytes> {
    use http_body_util::BodyExt;
    let (mut parts, body) = request.into_parts();
    let user = UserInfo::named("admin", vec!["system:masters".into()]);
    parts.extensions.insert(reddwarf_apiserver::authn::PeerIdentity(Arc::new(user)));
    let request = http::Request::from_parts(parts, http_body_util::Full::new(Bytes::from(body)));
    let (parts, body) = server.handle(request).await.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    http::Response::from_parts(parts, body)
}

#[tokio::test]
async fn a_panic_costs_one_request_and_is_counted() {
    let route = Route::new("/defect", |_| Box::pin(async { panic!("a defect") }));
    let server = server_with(MemoryStore::new(), "127.0.0.1:6443".into(), vec![route]);
    let request = http::Request::get("/defect").body(String::new()).expect("a request");
    let answer = over_http(&server, request).await;
    assert_eq!(answer.status(), 500);
    let status: Value = serde_json::from_slice(answer.body()).expect("a status");
    assert_eq!(status["reason"], "InternalError");
    let mut registry = prometheus_client::registry::Registry::default();
    server.metrics().register(&mut registry);
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).expect("metrics");
    assert!(text.contains("apiserver_request_panics_total 1"), "{text}");
    assert!(text.contains("apiserver_requests_in_flight 0"), "{text}");
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let api = Api::new().await;
    let request = |id: Option<&str>| {
        let mut builder = http::Request::get("/version");
        if let Some(id) = id {
            builder = builder.header("Audit-Id", id);
        }
        builder.body(String::new()).expect("a request")
    };
    let echoed = over_http(&api.server, request(Some("mine"))).await;
    assert_eq!(echoed.headers()["audit-id"], "mine");
    let made = over_http(&api.server, request(None)).await;
    assert_eq!(made.headers()["audit-id"].len(), 36);
}

#[tokio::test]
async fn ephemeral_containers_are_added_through_their_subresource_only() {
    let api = Api::new().await;
    let pods = "/api/v1/namespaces/default/pods";
    let account = json!({"metadata": {"name": "default"}});
    api.send("POST", "/api/v1/namespaces/default/serviceaccounts", account).await.expect("made");
    let pod = json!({
        "metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]},
    });
    api.send("POST", pods, pod).await.expect("created");
    let add = json!({"spec": {"ephemeralContainers": [{"name": "e", "image": "i"}]}});
    let refused = api.send("PATCH", &format!("{pods}/p"), add.clone()).await;
    assert!(refused.expect_err("not here").is(Reason::Invalid));
    let path = format!("{pods}/p/ephemeralcontainers");
    let added = api.send("PATCH", &path, add).await.expect("added");
    assert_eq!(added["spec"]["ephemeralContainers"][0]["name"], "e");
    assert_eq!(added["metadata"]["generation"], 2);
}

#[tokio::test]
async fn the_body_of_a_subresource_is_decoded_as_strictly_as_any() {
    let api = Api::new().await;
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let deployment = json!({"metadata": {"name": "d"}, "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {
            "containers": [{"name": "c", "image": "i"}]}}}});
    api.send("POST", deployments, deployment).await.expect("created");
    let path = format!("{deployments}/d/scale");
    let scale =
        |meta: Value, replicas: Value| json!({"metadata": meta, "spec": {"replicas": replicas}});
    let refused = api.send("PUT", &path, scale(json!({"name": "d"}), json!("2"))).await;
    assert!(refused.expect_err("not a number").is(Reason::BadRequest));
    let other = scale(json!({"name": "d", "uid": "another"}), json!(2));
    assert!(api.send("PUT", &path, other).await.expect_err("another").is(Reason::Conflict));
    let strict = format!("{path}?fieldValidation=Strict");
    let odd = json!({"metadata": {"name": "d"}, "spec": {"replicas": 2, "odd": 1}});
    assert!(api.send("PUT", &strict, odd).await.expect_err("unknown").is(Reason::BadRequest));
    let older = json!({"apiVersion": "extensions/v1beta1", "kind": "Scale",
        "metadata": {"name": "d"}, "spec": {"replicas": 2}});
    let scaled = api.send("PUT", &path, older).await.expect("still taken");
    assert_eq!(
        (&scaled["apiVersion"], &scaled["spec"]["replicas"]),
        (&json!("autoscaling/v1"), &json!(2))
    );
}

#[tokio::test]
async fn the_first_objects_of_a_next_leader_are_those_of_the_first() {
    let server = server(MemoryStore::new(), "127.0.0.1:6443".into());
    let client = LocalClient::privileged(server, "test", "test");
    let config = BootstrapConfig::default();
    bootstrap::run(&client, &config).await.expect("the first leader makes them");
    let path = "/api/v1/namespaces/default/services/kubernetes";
    let read = async || client.request("GET", path, None, None).await.expect("made");
    let made = read().await;
    bootstrap::run(&client, &config).await.expect("the next one finds them");
    assert_eq!(read().await, made, "nothing changes");
}

#[tokio::test]
async fn what_every_cluster_keeps_is_made_again() {
    let api = Api::new().await;
    let config = BootstrapConfig::default();
    bootstrap::run(&api.client, &config).await.expect("first objects");
    let service = "/api/v1/namespaces/default/services/kubernetes";
    let first = api.get(service).await;
    bootstrap::restore(&api.client, &config).await.expect("nothing is missing");
    assert_eq!(api.get(service).await, first);
    api.send("DELETE", service, Value::Null).await.expect("deleted");
    bootstrap::restore(&api.client, &config).await.expect("made again");
    let again = api.get(service).await;
    assert_eq!(again["spec"]["clusterIP"], first["spec"]["clusterIP"]);
    assert_ne!(again["metadata"]["uid"], first["metadata"]["uid"]);
}

#[tokio::test]
async fn a_deletion_takes_options_that_are_a_kind_of_the_objects_own_group() {
    let api = Api::new().await;
    let revisions = "/apis/apps/v1/namespaces/default/controllerrevisions";
    let body = json!({"metadata": {"name": "a"}, "revision": 1, "data": {"k": "v"}});
    api.send("POST", revisions, body).await.expect("created");
    let path = format!("{revisions}/a");
    let delete = async |kind: &str, body: &'static [u8]| {
        api.client.request("DELETE", &path, Some(kind), Some(Bytes::from_static(body))).await
    };
    for (kind, body) in [
        (
            "application/json",
            &br#"{"apiVersion":"apps/v1","kind":"DeleteOptions","dryRun":["All"]}"#[..],
        ),
        ("application/yaml", &b"apiVersion: apps/v1\nkind: DeleteOptions\ndryRun: [All]\n"[..]),
        (
            "application/vnd.kubernetes.protobuf",
            &b"k8s\0\x0a\x18\x0a\x07apps/v1\x12\x0dDeleteOptions\x12\x05\x2a\x03All"[..],
        ),
    ] {
        delete(kind, body).await.expect("a dry run");
        api.get(&path).await;
    }
    let core = b"k8s\0\x0a\x13\x0a\x02v1\x12\x0dDeleteOptions\x12\x00";
    delete("application/vnd.kubernetes.protobuf", core).await.expect("deleted");
    let gone = api.send("GET", &path, Value::Null).await.expect_err("gone");
    assert!(gone.is(Reason::NotFound));
    let foreign = b"apiVersion: batch/v1\nkind: DeleteOptions\n";
    let refused = delete("application/yaml", foreign).await.expect_err("another group's");
    assert_eq!(refused.code, 400);
}
