//! Custom kinds over a store in memory: from their definitions to their objects.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use reddwarf_apiserver::authn::PeerIdentity;
use reddwarf_apiserver::request::UserInfo;
use reddwarf_core::api::{ApiClient, ApiWatch};
use reddwarf_core::{Reason, Status};
use reddwarf_tests::leader::Leader;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const WIDGETS: &str = "/apis/example.com/v1/namespaces/default/widgets";
pub(super) const MERGE: &str = "application/merge-patch+json";
pub(super) const APPLY: &str = "application/apply-patch+yaml";
/// Longest time that background work may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

pub(super) struct World {
    pub leader: Leader,
}

impl World {
    /// A server with all of a leader's loops that matter here.
    pub async fn new() -> World {
        // What the loops complain of is shown with a test that fails.
        let log = tracing_subscriber::fmt().with_env_filter("warn").with_test_writer();
        let _ = log.try_init();
        let world = World { leader: Leader::over(MemoryStore::new()) };
        for name in ["default", "other"] {
            world.make("/api/v1/namespaces", json!({"metadata": {"name": name}})).await;
        }
        world
    }

    /// The same with widgets.
    pub async fn with_widgets() -> World {
        let world = World::new().await;
        world.define(widgets()).await;
        world
    }

    pub async fn send(&self, method: &str, path: &str, body: Value) -> Result<Value, Box<Status>> {
        let kind = (method == "PATCH").then_some(MERGE);
        self.send_as(method, path, kind, body).await
    }

    pub async fn send_as(
        &self,
        method: &str,
        path: &str,
        kind: Option<&str>,
        body: Value,
    ) -> Result<Value, Box<Status>> {
        let body = (!body.is_null()).then(|| Bytes::from(body.to_string()));
        let answer = self.leader.client.request(method, path, kind, body).await?;
        Ok(serde_json::from_slice(&answer).expect("JSON"))
    }

    pub async fn make(&self, path: &str, object: Value) -> Value {
        self.send("POST", path, object).await.expect("made")
    }

    pub async fn get(&self, path: &str) -> Value {
        self.send("GET", path, Value::Null).await.unwrap_or_else(|e| panic!("{path}: {e}"))
    }

    /// What is refused, and how.
    pub async fn refused(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let status = self.send(method, path, body).await.expect_err("refused");
        (status.code, status.message.to_string())
    }

    /// A GET with an `Accept` header.
    pub async fn accept(&self, path: &str, accept: &str) -> Value {
        let groups = vec!["system:masters".to_owned(), "system:authenticated".to_owned()];
        let user = PeerIdentity(Arc::new(UserInfo::named("admin", groups)));
        let request = http::Request::get(path).header("accept", accept).extension(user);
        let request = request.body(Full::new(Bytes::new())).expect("a request");
        let body = self.leader.server.handle(request).await.into_body();
        let bytes = body.collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&bytes).expect("JSON")
    }

    /// Makes a definition and waits until its kind is served.
    pub async fn define(&self, definition: Value) {
        let made = self.make(DEFINITIONS, definition).await;
        let name = made["metadata"]["name"].as_str().expect("a name");
        self.until(&format!("{DEFINITIONS}/{name}"), |found| holds(found, "Established")).await;
    }

    /// Changes a property in the schemas of both versions of widgets.
    pub async fn change_schemas(&self, op: &str, property: &str, value: Value) {
        let change = |version: usize| {
            let root = format!("/spec/versions/{version}/schema/openAPIV3Schema/properties");
            json!({"op": op, "path": format!("{root}/{property}"), "value": value})
        };
        let (path, patch) =
            (format!("{DEFINITIONS}/widgets.example.com"), json!([change(0), change(1)]));
        let kind = Some("application/json-patch+json");
        self.send_as("PATCH", &path, kind, patch).await.expect("changed");
    }

    /// Waits until the object looks as wanted, or is gone where `None` is.
    pub async fn until(
        &self,
        path: &str,
        wanted: impl Fn(Option<&Value>) -> bool,
    ) -> Option<Value> {
        let begun = Instant::now();
        loop {
            let found = match self.send("GET", path, Value::Null).await {
                Ok(object) => Some(object),
                Err(status) if status.is(Reason::NotFound) || status.code == 404 => None,
                Err(status) => panic!("{path}: {status}"),
            };
            if wanted(found.as_ref()) {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "{path} stays {found:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub async fn gone(&self, path: &str) {
        self.until(path, |found| found.is_none()).await;
    }
}

fn condition<'o>(object: Option<&'o Value>, ty: &str) -> Option<&'o Value> {
    let conditions = object?["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == ty)
}

fn holds(object: Option<&Value>, ty: &str) -> bool {
    condition(object, ty).is_some_and(|condition| condition["status"] == "True")
}

fn widgets() -> Value {
    let schema = json!({"type": "object", "required": ["spec"], "properties": {
        "spec": {"type": "object", "properties": {
            "replicas": {"type": "integer", "minimum": 0, "default": 1},
            "color": {"type": "string", "enum": ["red", "green"]},
            "port": {"x-kubernetes-int-or-string": true},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {
                    "name": {"type": "string"}, "size": {"type": "integer"}}}},
        }},
        "status": {"type": "object", "properties": {
            "replicas": {"type": "integer"}, "selector": {"type": "string"}}},
    }});
    let version = |name: &str, storage: bool| {
        json!({"name": name, "served": true, "storage": storage,
            "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                "statusReplicasPath": ".status.replicas", "labelSelectorPath": ".status.selector"}},
            "selectableFields": [{"jsonPath": ".spec.color"}],
            "additionalPrinterColumns": [
                {"name": "Color", "type": "string", "jsonPath": ".spec.color"},
                {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]})
    };
    json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget", "shortNames": ["wg"], "categories": ["all"]},
            "versions": [version("v1", true), version("v1beta1", false)]},
    })
}

fn widget(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": spec})
}

#[tokio::test]
async fn objects_are_pruned_defaulted_and_checked() {
    let world = World::with_widgets().await;
    let made = world
        .make(
            WIDGETS,
            widget("a", json!({"color": "red", "zz": 1, "port": "http", "free": {"x": 1}})),
        )
        .await;
    assert_eq!(
        made["spec"],
        json!({"color": "red", "port": "http", "free": {"x": 1}, "replicas": 1})
    );
    assert_eq!(made["metadata"]["generation"], 1);
    let wrong = widget("b", json!({"replicas": -1, "color": "blue"}));
    let (code, message) = world.refused("POST", WIDGETS, wrong).await;
    assert_eq!(code, 422);
    assert_eq!(
        message,
        "Widget.example.com \"b\" is invalid: [spec.color: Unsupported value: \"blue\": supported values: \"red\", \"green\", spec.replicas: Invalid value: -1: spec.replicas in body should be greater than or equal to 0, .spec.replicas: Invalid value: -1: should be a non-negative integer]"
    );
    let strict = format!("{WIDGETS}?fieldValidation=Strict");
    let (code, message) = world.refused("POST", &strict, widget("b", json!({"zz": 1}))).await;
    assert_eq!(code, 400);
    assert!(message.contains("strict decoding error: unknown field \"spec.zz\""), "{message}");
    let (_, message) = world
        .refused(
            "POST",
            WIDGETS,
            json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "c"}}),
        )
        .await;
    assert_eq!(message, "Widget.example.com \"c\" is invalid: spec: Required value");
    // What was valid stays so when the schema narrows, as long as it does not change.
    world.change_schemas("replace", "spec/properties/color/enum", json!(["green"])).await;
    let kept = world.send("PATCH", &format!("{WIDGETS}/a"), json!({"spec": {"replicas": 2}})).await;
    assert_eq!(kept.expect("its color was valid")["spec"]["color"], "red");
    let (code, _) = world.refused("POST", WIDGETS, widget("d", json!({"color": "red"}))).await;
    assert_eq!(code, 422);
}

#[tokio::test]
async fn status_scale_and_generation() {
    let world = World::with_widgets().await;
    let path = format!("{WIDGETS}/a");
    let mut object = widget("a", json!({}));
    object["status"] = json!({"replicas": 9});
    let made = world.make(WIDGETS, object).await;
    assert!(made.get("status").is_none(), "a new object has none: {made}");
    let status = format!("{path}/status");
    let patch = json!({"spec": {"replicas": 5}, "status": {"replicas": 1, "selector": "a=b"}});
    let patched = world.send("PATCH", &status, patch).await.expect("patched");
    assert_eq!(
        (&patched["spec"]["replicas"], &patched["metadata"]["generation"]),
        (&json!(1), &json!(1))
    );
    let patched =
        world.send("PATCH", &path, json!({"spec": {"replicas": 3}, "status": {"replicas": 7}}));
    let patched = patched.await.expect("patched");
    assert_eq!(patched["status"]["replicas"], 1);
    assert_eq!(patched["metadata"]["generation"], 2);
    let scale = world.get(&format!("{path}/scale")).await;
    assert_eq!(scale["kind"], "Scale");
    assert_eq!(scale["spec"]["replicas"], 3);
    assert_eq!(scale["status"], json!({"replicas": 1, "selector": "a=b"}));
    let scaled =
        world.send("PATCH", &format!("{path}/scale"), json!({"spec": {"replicas": 4}})).await;
    assert_eq!(scaled.expect("scaled")["spec"]["replicas"], 4);
    assert_eq!(world.get(&path).await["spec"]["replicas"], 4);
}

#[tokio::test]
async fn lists_tables_selectors_and_watches() {
    let world = World::with_widgets().await;
    let version =
        world.get(WIDGETS).await["metadata"]["resourceVersion"].as_str().expect("one").to_owned();
    for (name, color) in [("a", "red"), ("b", "green")] {
        world.make(WIDGETS, widget(name, json!({"color": color}))).await;
    }
    let list = world.get(&format!("{WIDGETS}?fieldSelector=spec.color=green")).await;
    assert_eq!(
        (&list["kind"], &list["items"][0]["kind"]),
        (&json!("WidgetList"), &json!("Widget"))
    );
    let names: Vec<_> =
        list["items"].as_array().expect("items").iter().map(|i| &i["metadata"]["name"]).collect();
    assert_eq!(names, ["b"]);
    let (code, message) =
        world.refused("GET", &format!("{WIDGETS}?fieldSelector=spec.none=x"), Value::Null).await;
    assert_eq!((code, message.as_str()), (400, "field label not supported: spec.none"));
    let table = world.accept(WIDGETS, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    let columns: Vec<_> = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|c| &c["name"])
        .collect();
    assert_eq!(columns, ["Name", "Color", "Age"]);
    assert_eq!(table["rows"][1]["cells"][1], "green");
    let beta = world.get("/apis/example.com/v1beta1/widgets").await;
    assert_eq!(beta["apiVersion"], "example.com/v1beta1");
    assert_eq!(beta["items"][0]["apiVersion"], "example.com/v1beta1");
    let path = format!("{WIDGETS}?watch=1&resourceVersion={version}");
    let mut watch = world.leader.client.watch(&path).await.expect("a watch");
    let event = tokio::time::timeout(PATIENCE, next(&mut *watch)).await.expect("in time");
    assert_eq!(
        (&event["type"], &event["object"]["metadata"]["name"]),
        (&json!("ADDED"), &json!("a"))
    );
}

pub(super) async fn next(watch: &mut dyn ApiWatch) -> Value {
    let event = watch.next().await.expect("an event");
    serde_json::from_slice(&event).expect("JSON")
}

/// What else a watch tells until it ends.
async fn rest(watch: &mut dyn ApiWatch) -> Vec<Value> {
    let mut events = Vec::new();
    let all = async {
        while let Some(event) = watch.next().await {
            events.push(serde_json::from_slice(&event).expect("JSON"));
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("the watch ends");
    events
}

#[tokio::test]
async fn a_watch_ends_when_its_kind_is_served_in_another_way() {
    let world = World::with_widgets().await;
    let watch = async |version: &str| {
        let path = format!("/apis/example.com/{version}/widgets?watch=1");
        world.leader.client.watch(&path).await.expect("a watch")
    };
    let (mut preferred, mut older) = (watch("v1").await, watch("v1beta1").await);
    let definition = format!("{DEFINITIONS}/widgets.example.com");
    let label = json!({"metadata": {"labels": {"a": "b"}}});
    world.send("PATCH", &definition, label).await.expect("labelled");
    world.make(WIDGETS, widget("a", json!({}))).await;
    for watch in [&mut preferred, &mut older] {
        assert_eq!(next(&mut **watch).await["type"], "ADDED", "a label changes no kind");
    }
    let unserved = json!([{"op": "replace", "path": "/spec/versions/1/served", "value": false}]);
    let json_patch = Some("application/json-patch+json");
    world.send_as("PATCH", &definition, json_patch, unserved).await.expect("not served");
    assert_eq!(rest(&mut *older).await, Vec::<Value>::new());
    world.make(WIDGETS, widget("b", json!({}))).await;
    let event = next(&mut *preferred).await;
    assert_eq!(event["object"]["metadata"]["name"], "b", "another version is not its concern");
    world.change_schemas("add", "more", json!({"type": "string", "default": "x"})).await;
    assert_eq!(rest(&mut *preferred).await, Vec::<Value>::new());
    let seen = event["object"]["metadata"]["resourceVersion"].as_str().expect("one");
    world.make(WIDGETS, widget("c", json!({}))).await;
    let path = format!("{WIDGETS}?watch=1&resourceVersion={seen}");
    let mut again = world.leader.client.watch(&path).await.expect("a watch");
    let event = next(&mut *again).await;
    assert_eq!(event["object"]["metadata"]["name"], "c", "it goes on where it ended");
    assert_eq!(event["object"]["more"], "x");
}

#[tokio::test]
async fn a_watch_ends_with_its_definition() {
    let world = World::with_widgets().await;
    let path = format!("{WIDGETS}?watch=1");
    world.make(WIDGETS, widget("a", json!({}))).await;
    let mut watch = world.leader.client.watch(&path).await.expect("a watch");
    let definition = format!("{DEFINITIONS}/widgets.example.com");
    world.send("DELETE", &definition, Value::Null).await.expect("marked");
    let events = rest(&mut *watch).await;
    let types: Vec<_> = events.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, ["ADDED", "DELETED"]);
    assert!(world.leader.client.watch(&path).await.is_err(), "the kind is gone");
}

#[tokio::test]
async fn a_patch_makes_no_object_of_another_kind() {
    let world = World::with_widgets().await;
    world.make(WIDGETS, widget("a", json!({}))).await;
    let path = format!("{WIDGETS}/a");
    let refused = async |patch: Value| world.refused("PATCH", &path, patch).await;
    assert_eq!(
        refused(json!({"kind": "Gadget"})).await,
        (
            422,
            "Gadget.example.com \"a\" is invalid: kind: Invalid value: \"Gadget\": must be Widget"
                .to_owned()
        )
    );
    assert_eq!(
        refused(json!({"apiVersion": "example.com/v1beta1"})).await,
        (
            422,
            "Widget.example.com \"a\" is invalid: apiVersion: Invalid value: \"example.com/v1beta1\": must be example.com/v1"
                .to_owned()
        )
    );
    let (code, message) = refused(json!({"kind": null})).await;
    assert!(code == 422 && message.contains("Object 'Kind' is missing in"), "{message}");
    let (code, message) = refused(json!({"apiVersion": "a/b/c"})).await;
    assert!(message.ends_with("unexpected GroupVersion string: a/b/c"), "{code} {message}");
    let apply =
        json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "a"}});
    let managed = format!("{path}?fieldManager=m");
    let applied = world.send_as("PATCH", &managed, Some(APPLY), apply).await;
    let status = applied.expect_err("refused");
    assert_eq!(
        (status.code, status.message.as_str()),
        (400, "invalid object type: example.com/v1, Kind=Gadget")
    );
    let status = json!({"kind": "Gadget", "status": {"replicas": 1}});
    let patched = world.send("PATCH", &format!("{path}/status"), status).await.expect("patched");
    assert_eq!((&patched["kind"], &patched["status"]["replicas"]), (&json!("Widget"), &json!(1)));
}

#[tokio::test]
async fn applies_merge_lists_by_their_keys() {
    let world = World::with_widgets().await;
    let apply = async |manager: &str, parts: Value| {
        let path = format!("{WIDGETS}/a?fieldManager={manager}");
        world.send_as("PATCH", &path, Some(APPLY), widget("a", json!({"parts": parts}))).await
    };
    apply("one", json!([{"name": "x", "size": 1}])).await.expect("applied");
    let both = apply("two", json!([{"name": "y", "size": 2}])).await.expect("applied");
    assert_eq!(both["spec"]["parts"], json!([{"name": "x", "size": 1}, {"name": "y", "size": 2}]));
    let fields = both["metadata"]["managedFields"].as_array().expect("managers");
    assert_eq!(
        fields.iter().find(|f| f["manager"] == "two").expect("two")["fieldsV1"],
        json!({"f:spec": {"f:parts": {"k:{\"name\":\"y\"}": {".": {}, "f:name": {}, "f:size": {}}}}})
    );
    let refused = apply("two", json!([{"name": "x", "size": 2}])).await.expect_err("one owns it");
    assert_eq!(refused.code, 409);
    let twice = apply("two", json!([{"name": "y"}, {"name": "y"}])).await.expect_err("no set");
    assert!(matches!(twice.code, 400 | 422 | 500), "{twice}");
}

#[tokio::test]
async fn documents_show_the_kind_at_once() {
    let world = World::new().await;
    let index = async || world.get("/openapi/v3").await;
    let url = |index: &Value| index["paths"]["apis/example.com/v1"]["serverRelativeURL"].clone();
    assert!(url(&index().await).is_null());
    world.define(widgets()).await;
    let resources = world.get("/apis/example.com/v1").await;
    let names: Vec<_> =
        resources["resources"].as_array().expect("a list").iter().map(|r| &r["name"]).collect();
    assert_eq!(names, ["widgets", "widgets/status", "widgets/scale"]);
    let group = world.get("/apis/example.com").await;
    assert_eq!(group["preferredVersion"]["version"], "v1");
    let aggregated = world
        .accept("/apis", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
        .await;
    let groups = aggregated["items"].as_array().expect("groups");
    assert!(groups.iter().any(|group| group["metadata"]["name"] == "example.com"));
    let before = url(&index().await);
    let document = world.get("/openapi/v3/apis/example.com/v1").await;
    let schema = &document["components"]["schemas"]["com.example.v1.Widget"];
    assert_eq!(schema["properties"]["spec"]["properties"]["replicas"]["minimum"], 0);
    assert!(
        document["paths"]
            .get("/apis/example.com/v1/namespaces/{namespace}/widgets/{name}/scale")
            .is_some()
    );
    assert!(
        world.get("/openapi/v2").await["definitions"].get("com.example.v1.WidgetList").is_some()
    );
    world.change_schemas("add", "more", json!({"type": "string"})).await;
    assert_ne!(url(&index().await), before, "the hash follows the schema");
    let document = world.get("/openapi/v3/apis/example.com/v1").await;
    assert!(
        document["components"]["schemas"]["com.example.v1.Widget"]["properties"]
            .get("more")
            .is_some()
    );
}

#[tokio::test]
async fn a_deleted_definition_takes_its_objects_with_it() {
    let world = World::with_widgets().await;
    let path = format!("{DEFINITIONS}/widgets.example.com");
    world.make(WIDGETS, widget("a", json!({}))).await;
    let mut held = widget("held", json!({}));
    held["metadata"]["finalizers"] = json!(["example.com/held"]);
    world.make(WIDGETS, held).await;
    let deleted = world.send("DELETE", &path, Value::Null).await.expect("marked");
    assert_eq!(
        deleted["metadata"]["finalizers"],
        json!(["customresourcecleanup.apiextensions.k8s.io"])
    );
    world.gone(&format!("{WIDGETS}/a")).await;
    let found = world.until(&path, |found| holds(found, "Terminating")).await;
    assert!(found.is_some(), "an object is held");
    let (code, _) = world.refused("POST", WIDGETS, widget("b", json!({}))).await;
    assert!(code == 405 || code == 403, "{code}");
    let release = json!({"metadata": {"finalizers": null}});
    world.send("PATCH", &format!("{WIDGETS}/held"), release).await.expect("released");
    world.gone(&path).await;
    world.gone(WIDGETS).await;
    world.define(widgets()).await;
    assert_eq!(world.get(WIDGETS).await["items"], json!([]));
}

#[tokio::test]
async fn custom_objects_are_collected() {
    let world = World::with_widgets().await;
    let maps = "/api/v1/namespaces/default/configmaps";
    let owner = |object: &Value, api_version: &str, kind: &str| {
        json!([{"apiVersion": api_version, "kind": kind, "name": object["metadata"]["name"],
            "uid": object["metadata"]["uid"]}])
    };
    let map = world.make(maps, json!({"metadata": {"name": "root"}})).await;
    let mut dependent = widget("middle", json!({}));
    dependent["metadata"]["ownerReferences"] = owner(&map, "v1", "ConfigMap");
    let middle = world.make(WIDGETS, dependent).await;
    let references = owner(&middle, "example.com/v1", "Widget");
    world.make(maps, json!({"metadata": {"name": "leaf", "ownerReferences": references}})).await;
    world.send("DELETE", &format!("{maps}/root"), Value::Null).await.expect("deleted");
    world.gone(&format!("{WIDGETS}/middle")).await;
    world.gone(&format!("{maps}/leaf")).await;
}

#[tokio::test]
async fn a_namespace_takes_custom_objects_with_it() {
    let world = World::with_widgets().await;
    let there = "/apis/example.com/v1/namespaces/other/widgets";
    world.make(there, widget("a", json!({}))).await;
    world.send("DELETE", "/api/v1/namespaces/other", Value::Null).await.expect("deleted");
    world.gone("/api/v1/namespaces/other").await;
    assert_eq!(world.get("/apis/example.com/v1/widgets").await["items"], json!([]));
}

#[tokio::test]
async fn names_that_are_taken_are_refused_until_they_are_free() {
    let world = World::with_widgets().await;
    let mut second = widgets();
    second["metadata"]["name"] = json!("gadgets.example.com");
    second["spec"]["names"] = json!({"plural": "gadgets", "kind": "Widget", "shortNames": ["wg"]});
    world.make(DEFINITIONS, second).await;
    let path = format!("{DEFINITIONS}/gadgets.example.com");
    let found = world.until(&path, |found| condition(found, "NamesAccepted").is_some()).await;
    assert!(!holds(found.as_ref(), "NamesAccepted") && !holds(found.as_ref(), "Established"));
    let (code, _) = world.refused("GET", "/apis/example.com/v1/gadgets", Value::Null).await;
    assert_eq!(code, 404);
    let first = format!("{DEFINITIONS}/widgets.example.com");
    world.send("DELETE", &first, Value::Null).await.expect("deleted");
    world.until(&path, |found| holds(found, "Established")).await;
    world.get("/apis/example.com/v1/gadgets").await;
}
