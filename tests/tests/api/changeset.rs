//! Change sets over a store in memory: many objects as one commit, or none of them.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use reddwarf_apiserver::ApiServer;
use reddwarf_apiserver::authn::PeerIdentity;
use reddwarf_apiserver::request::UserInfo;
use reddwarf_core::limits::PROPOSAL_BYTES_MAX;
use reddwarf_core::{Change, Collection, ObjectKey, Revision, Store};
use reddwarf_tests::meddled_store::MeddledStore;
use reddwarf_tests::memory_api::server;
use serde_json::{Value, json};
use std::sync::Arc;

const SETS: &str = "/apis/history.reddwarf.dev/v1alpha1/changesets";
const PLAN: &str = "/apis/history.reddwarf.dev/v1alpha1/changesets?dryRun=All";
const MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const MERGE: &str = "application/merge-patch+json";

struct World {
    store: Arc<MeddledStore>,
    server: ApiServer,
}

impl World {
    /// A server with the namespace `shop`, in which no background work is done.
    async fn new() -> World {
        let store = MeddledStore::new();
        let server = server(store.clone(), "127.0.0.1:6443".into());
        let world = World { store, server };
        world.ok(Method::POST, "/api/v1/namespaces", namespace("shop")).await;
        world
    }

    async fn send(&self, user: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let mut request = Request::builder().method(&method).uri(path);
        if method == Method::PATCH {
            request = request.header("content-type", MERGE);
        }
        let mut request = request.body(Full::new(body)).expect("a request");
        let group = if user == "nobody" { "system:authenticated" } else { "system:masters" };
        let user = UserInfo::named(user, vec![group.to_owned()]);
        request.extensions_mut().insert(PeerIdentity(Arc::new(user)));
        let response = self.server.handle(request).await;
        let code = response.status().as_u16();
        let body = response.into_body().collect().await.expect("whole").to_bytes();
        (code, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn ok(&self, method: Method, path: &str, body: Value) -> Value {
        let (code, answer) = self.send("ann", method, path, body).await;
        assert!(code < 300, "{path}: {code} {answer}");
        answer
    }

    async fn get(&self, path: &str) -> Value {
        self.ok(Method::GET, path, Value::Null).await
    }

    async fn is_there(&self, path: &str) -> bool {
        self.send("ann", Method::GET, path, Value::Null).await.0 == 200
    }

    /// Applies a set; the status of the answer.
    async fn apply(&self, spec: Value) -> Value {
        self.ok(Method::POST, SETS, body(spec)).await["status"].take()
    }

    async fn plan(&self, spec: Value) -> Value {
        self.ok(Method::POST, PLAN, body(spec)).await["status"].take()
    }

    /// How a set is refused, which changes nothing.
    async fn refused(&self, spec: Value) -> (u16, String) {
        let before = self.revision();
        let (code, answer) = self.send("ann", Method::POST, SETS, body(spec)).await;
        assert!(code >= 400, "{answer}");
        assert_eq!(self.revision(), before, "nothing is written");
        (code, answer["message"].as_str().unwrap_or_default().to_owned())
    }

    /// The fields that the causes of a refusal name.
    async fn causes(&self, spec: Value) -> Vec<String> {
        let (_, answer) = self.send("ann", Method::POST, SETS, body(spec)).await;
        let causes = answer["details"]["causes"].as_array().expect("causes");
        causes.iter().map(|cause| text_of(cause, "field").to_owned()).collect()
    }

    fn revision(&self) -> Revision {
        self.store.view().revision
    }
}

fn body(spec: Value) -> Value {
    json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet", "spec": spec})
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

fn map(name: &str, data: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": "shop", "labels": {"app": "sky"}},
        "data": {"k": data}})
}

fn set(objects: Vec<Value>) -> Value {
    json!({"objects": objects, "fieldManager": "tool"})
}

/// `(name, change)` of the objects of a status.
fn changes(status: &Value) -> Vec<(&str, &str)> {
    let objects = status["objects"].as_array().expect("objects");
    objects.iter().map(|object| (text_of(object, "name"), text_of(object, "change"))).collect()
}

fn text_of<'v>(value: &'v Value, field: &str) -> &'v str {
    value[field].as_str().expect("a text")
}

fn number(status: &Value, field: &str) -> u64 {
    text_of(status, field).parse().expect("a number")
}

#[tokio::test]
async fn one_bad_object_keeps_back_all() {
    let world = World::new().await;
    let bad = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "b", "namespace": "shop"}, "data": {"not a key!": "1"}});
    let (code, message) = world.refused(set(vec![map("a", "1"), bad.clone(), map("c", "1")])).await;
    assert_eq!(code, 422, "{message}");
    assert!(message.starts_with("configmaps/b in shop: ConfigMap \"b\" is invalid"), "{message}");
    assert!(!world.is_there(&format!("{MAPS}/a")).await);
    let causes = world.causes(set(vec![map("a", "1"), bad, map("c", "1")])).await;
    assert_eq!(causes, ["spec.objects[1].data[not a key!]"]);

    let elsewhere = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "b", "namespace": "nowhere"}});
    let (code, message) = world.refused(set(vec![map("a", "1"), elsewhere])).await;
    assert_eq!(code, 404, "{message}");
    assert!(message.contains("namespaces \"nowhere\" not found"), "{message}");

    let unknown =
        json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}});
    // Places are those of the request, whatever goes first.
    let causes = world.causes(set(vec![unknown.clone(), namespace("first")])).await;
    assert_eq!(causes, ["spec.objects[0]"]);
    let (code, message) = world.refused(set(vec![map("a", "1"), unknown])).await;
    assert_eq!(
        (code, message.as_str()),
        (404, "no matches for kind \"Gadget\" in version \"example.com/v1\"")
    );
    let (code, message) = world.refused(set(vec![map("a", "1"), map("a", "2")])).await;
    assert_eq!((code, message.as_str()), (400, "configmaps/a in shop stands twice in the set"));
    let nameless = json!({"apiVersion": "v1", "kind": "ConfigMap"});
    let (code, message) = world.refused(set(vec![map("a", "1"), nameless])).await;
    assert_eq!((code, message.as_str()), (400, "spec.objects[1] lacks kind or metadata.name"));
    assert_eq!(world.refused(set(Vec::new())).await.0, 400);
    assert_eq!(world.refused(json!({})).await.0, 400);
}

#[tokio::test]
async fn fields_that_a_kind_does_not_know_are_refused() {
    let world = World::new().await;
    let mut odd = map("a", "1");
    odd["dta"] = json!({"k": "2"});
    let (_, message) = world.refused(set(vec![odd])).await;
    assert!(
        message.starts_with("configmaps/a in shop: ")
            && message.ends_with(".dta: field not declared in schema"),
        "{message}"
    );
    let strict = format!("{SETS}?fieldValidation=Strict");
    let mut spec = set(vec![map("a", "1")]);
    spec["mesage"] = "Open the shop".into();
    let (code, answer) = world.send("ann", Method::POST, &strict, body(spec)).await;
    assert_eq!(code, 400, "{answer}");
    assert!(!world.is_there(&format!("{MAPS}/a")).await);
}

fn definition() -> Value {
    let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "size": {"type": "integer", "default": 3}}}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget",
                "listKind": "WidgetList"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": schema}}]},
    })
}

#[tokio::test]
async fn a_kind_a_namespace_and_their_objects_land_together() {
    let world = World::new().await;
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "namespace": "yard"}, "spec": {}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "p", "namespace": "yard"},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]}});
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "s", "namespace": "yard"}, "spec": {"ports": [{"port": 80}]}});
    let from = world.revision();
    let watch = |group: &str, resource: &str| {
        world.store.watch(&Collection::new(group, resource), from).expect("a watch")
    };
    let mut streams = [
        watch("apiextensions.k8s.io", "customresourcedefinitions"),
        watch("", "namespaces"),
        watch("example.com", "widgets"),
        watch("", "pods"),
    ];
    let mut spec = set(vec![widget, pod, service, namespace("yard"), definition()]);
    spec["message"] = "open the yard".into();
    let status = world.apply(spec).await;
    let created = |name| (name, "Created");
    assert_eq!(
        changes(&status),
        [created("widgets.example.com"), created("yard"), created("w"), created("p"), created("s")]
    );
    let (first, last) = (number(&status, "firstRevision"), number(&status, "lastRevision"));
    assert_eq!((first, Revision(last)), (from.0 + 1, world.revision()), "one range of revisions");
    assert_eq!(status["objects"][0]["after"], first.to_string());
    for stream in &mut streams {
        let batch = stream.next().await.expect("a batch");
        assert_eq!((batch.events.len(), batch.through), (1, Revision(last)));
    }
    let write = world.store.last().expect("a write");
    assert_eq!((write.verb.as_str(), write.message.as_deref()), ("apply", Some("open the yard")));
    assert_eq!((&*write.author.user, &*write.author.field_manager), ("ann", "tool"));

    let widgets = "/apis/example.com/v1/namespaces/yard/widgets";
    let made = world.get(&format!("{widgets}/w")).await;
    assert_eq!(made["spec"], json!({"size": 3}), "it has the defaults of its kind");
    assert_eq!(made["metadata"]["managedFields"][0]["manager"], "tool");
    assert_eq!(made["metadata"]["resourceVersion"], status["objects"][2]["after"]);
    let service = world.get("/api/v1/namespaces/yard/services/s").await;
    assert!(service["spec"]["clusterIP"].as_str().is_some_and(|ip| ip.starts_with("10.")));
    let pod = world.get("/api/v1/namespaces/yard/pods/p").await;
    assert_eq!(pod["spec"]["serviceAccountName"], "default");
    assert!(world.is_there("/api/v1/namespaces/yard/serviceaccounts/default").await);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    let conditions = world.get(path).await["status"]["conditions"].take();
    let holds = |ty: &str| {
        let mut all = conditions.as_array().expect("conditions").iter();
        all.any(|condition| condition["type"] == ty && condition["status"] == "True")
    };
    assert!(holds("Established") && holds("NamesAccepted"), "{conditions}");
}

#[tokio::test]
async fn names_are_accepted_once() {
    let world = World::new().await;
    let mut same_kind = definition();
    same_kind["metadata"]["name"] = "gadgets.example.com".into();
    same_kind["spec"]["names"]["plural"] = "gadgets".into();
    same_kind["spec"]["names"]["singular"] = "gadget".into();
    world.apply(set(vec![definition(), same_kind.clone()])).await;
    let accepted = async |name: &str| {
        let path = format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}");
        let conditions = world.get(&path).await["status"]["conditions"].take();
        let mut all = conditions.as_array().expect("conditions").iter();
        let said = all.find(|condition| condition["type"] == "NamesAccepted").expect("said");
        said["status"].clone()
    };
    assert_eq!(accepted("widgets.example.com").await, "True");
    assert_eq!(accepted("gadgets.example.com").await, "False");
    // The same against what was there before.
    same_kind["metadata"]["name"] = "gizmos.example.com".into();
    same_kind["spec"]["names"]["plural"] = "gizmos".into();
    same_kind["spec"]["names"]["singular"] = "gizmo".into();
    world.apply(set(vec![same_kind])).await;
    assert_eq!(accepted("gizmos.example.com").await, "False");
}

#[tokio::test]
async fn watches_end_with_what_lands_only() {
    let world = World::new().await;
    world.apply(set(vec![definition()])).await;
    let serving = || {
        let registry = world.server.registry();
        let kind = registry.resource("example.com", "v1", "widgets").expect("served").clone();
        kind.custom.as_ref().expect("a custom kind").serving.clone()
    };
    let before = serving();
    let mut other = definition();
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size";
    other.pointer_mut(schema).expect("there")["default"] = 4.into();
    let plan = world.plan(set(vec![other.clone()])).await;
    assert_eq!(changes(&plan), [("widgets.example.com", "Configured")]);
    let bad = json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w", "namespace": "shop"}, "spec": {"size": "large"}});
    world.refused(set(vec![other.clone(), bad])).await;
    assert!(!before.has_ended() && serving().is_same(&before), "nothing has changed");
    world.apply(set(vec![other])).await;
    assert!(before.has_ended() && !serving().has_ended());
}

#[tokio::test]
async fn fields_of_others_are_a_conflict() {
    let world = World::new().await;
    world.apply(set(vec![map("a", "1")])).await;
    let mut other = set(vec![map("b", "1"), map("a", "2")]);
    other["fieldManager"] = "other".into();
    let (code, message) = world.refused(other.clone()).await;
    assert_eq!(code, 409);
    assert!(
        message.starts_with("configmaps/a in shop: Apply failed with 1 conflict")
            && message.contains("\"tool\""),
        "{message}"
    );
    other["force"] = true.into();
    let status = world.apply(other).await;
    assert_eq!(changes(&status), [("b", "Created"), ("a", "Configured")]);
    assert_eq!(world.get(&format!("{MAPS}/a")).await["data"]["k"], "2");
}

/// The stored form of an object, as somebody else puts it.
fn put(world: &World, name: &str, from: &str, to: &str) -> Change {
    let key = ObjectKey::new("", "configmaps", "shop", name);
    let stored = world.store.view().get(&key).cloned().expect("stored");
    let (at, digits) = (stored.version_at.0 as usize, stored.version_at.1 as usize);
    let text = String::from_utf8(stored.bytes.to_vec()).expect("text");
    let body = format!("{}{}", &text[..at], &text[at + digits..]).replace(from, to);
    let (version_offset, index) = (stored.version_at.0, stored.index.clone());
    Change::Put { key, body: body.into(), version_offset, index, salt: None }
}

#[tokio::test]
async fn what_moves_meanwhile_is_computed_anew() {
    let world = World::new().await;
    world.apply(set(vec![map("a", "1"), map("b", "1")])).await;
    // The set relies on `b`, too, which it leaves as it is.
    world.store.outrun(vec![put(&world, "b", r#""k":"1""#, r#""k":"9""#)]);
    let status = world.apply(set(vec![map("a", "2"), map("b", "1")])).await;
    assert_eq!(changes(&status), [("a", "Configured"), ("b", "Configured")]);
    assert_eq!(world.get(&format!("{MAPS}/b")).await["data"]["k"], "1");
    // Others' changes elsewhere stay.
    world.store.outrun(vec![put(&world, "a", r#""k":"2""#, r#""k":"2","other":"x""#)]);
    world.apply(set(vec![map("a", "3")])).await;
    assert_eq!(world.get(&format!("{MAPS}/a")).await["data"], json!({"k": "3", "other": "x"}));
    // A set that has become impossible is refused as a whole.
    let key = ObjectKey::new("", "namespaces", "", "shop");
    world.store.outrun(vec![Change::Delete { key }]);
    let spec = body(set(vec![namespace("new"), map("c", "1")]));
    let (code, answer) = world.send("ann", Method::POST, SETS, spec).await;
    assert_eq!(code, 404, "{answer}");
    assert!(!world.is_there("/api/v1/namespaces/new").await);
}

#[tokio::test]
async fn what_is_so_already_makes_no_commit() {
    let world = World::new().await;
    let mut new = namespace("new");
    new["metadata"]["labels"] = json!({"team": "sky"});
    let objects = || set(vec![new.clone(), map("a", "1"), definition()]);
    world.apply(objects()).await;
    let before = world.revision();
    let status = world.apply(objects()).await;
    let unchanged = |name| (name, "Unchanged");
    assert_eq!(
        changes(&status),
        [unchanged("widgets.example.com"), unchanged("new"), unchanged("a")]
    );
    assert_eq!((world.revision(), &status["commit"]), (before, &Value::Null));
}

#[tokio::test]
async fn sets_have_limits() {
    let world = World::new().await;
    let many = |count: usize| set((0..count).map(|n| map(&format!("m{n}"), "1")).collect());
    let (code, message) = world.refused(many(1_001)).await;
    assert_eq!(
        (code, message.as_str()),
        (413, "Request entity too large: limit is 1000 objects, the set has 1001")
    );
    // A service takes an address, so that more objects change than the set has.
    let mut most = many(999);
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "s", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}});
    most["objects"].as_array_mut().expect("objects").push(service);
    let (code, message) = world.refused(most).await;
    assert_eq!(code, 413);
    assert!(
        message.ends_with(
            "services/s in shop: Request entity too large: limit is 1000 objects in one commit"
        ),
        "{message}"
    );
    assert_eq!(changes(&world.apply(many(1_000)).await).len(), 1_000);

    let large = |name: &str| map(name, &"x".repeat(900_000));
    let status = world.apply(set((0..5).map(|n| large(&format!("l{n}"))).collect())).await;
    assert_eq!(changes(&status).len(), 5, "a body may be larger than that of a single request");
    let (code, message) =
        world.refused(set((0..19).map(|n| large(&format!("l{n}"))).collect())).await;
    let limit = format!("Request entity too large: limit is {PROPOSAL_BYTES_MAX}");
    assert_eq!((code, message), (413, limit));
}

#[tokio::test]
async fn a_plan_changes_nothing_and_lands_while_it_holds() {
    let world = World::new().await;
    world.apply(set(vec![map("a", "1"), map("b", "1")])).await;
    let before = world.revision();
    let service = json!({"apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "s", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}});
    let objects = vec![map("a", "2"), map("b", "1"), map("c", "1"), service];
    let plan = world.plan(set(objects.clone())).await;
    assert_eq!(
        changes(&plan),
        [("a", "Configured"), ("b", "Unchanged"), ("c", "Created"), ("s", "Created")]
    );
    let fields = json!([{"path": ".data.k", "before": "1", "after": "2"}]);
    assert_eq!((&plan["objects"][0]["fields"], &plan["commit"]), (&fields, &Value::Null));
    assert_eq!(world.revision(), before);
    assert!(!world.is_there(&format!("{MAPS}/c")).await);

    let mut planned = set(objects);
    planned["basedOn"] = plan["basedOn"].clone();
    // What the plan does not rely on may change.
    world.ok(Method::POST, MAPS, map("z", "1")).await;
    let landed = world.apply(planned.clone()).await;
    assert_eq!(changes(&landed), changes(&plan));
    // It cannot land twice.
    let (code, message) = world.refused(planned).await;
    assert_eq!(code, 409);
    assert!(message.starts_with("the plan no longer holds: configmaps/"), "{message}");

    // An object that the plan left as it is counts as well, up to the very end.
    let spec = || set(vec![map("a", "5"), map("b", "1")]);
    let mut planned = spec();
    planned["basedOn"] = world.plan(spec()).await["basedOn"].take();
    world.store.outrun(vec![put(&world, "b", r#""k":"1""#, r#""k":"9""#)]);
    let (code, answer) = world.send("ann", Method::POST, SETS, body(planned)).await;
    assert_eq!(
        (code, &answer["message"]),
        (409, &json!("the plan no longer holds: configmaps/b in shop has changed since"))
    );
    assert_eq!(world.get(&format!("{MAPS}/a")).await["data"]["k"], "2");
}

#[tokio::test]
async fn what_left_the_set_is_pruned() {
    let world = World::new().await;
    world.ok(Method::POST, "/api/v1/namespaces", namespace("other")).await;
    let mut elsewhere = map("a", "1");
    elsewhere["metadata"]["namespace"] = "other".into();
    world.apply(set(vec![map("a", "1"), map("b", "1"), map("c", "1"), elsewhere])).await;
    // Made by somebody else, with the same labels.
    world.ok(Method::POST, MAPS, map("d", "1")).await;
    let mut spec = set(vec![map("a", "1")]);
    assert_eq!(changes(&world.apply(spec.clone()).await), [("a", "Unchanged")]);
    spec["prune"] = json!({"labelSelector": "app=sky"});
    let plan = world.plan(spec.clone()).await;
    assert_eq!(changes(&plan), [("a", "Unchanged"), ("b", "Pruned"), ("c", "Pruned")]);
    assert!(world.is_there(&format!("{MAPS}/b")).await);

    // What was to be pruned only after the plan was made is not pruned by it.
    let mut planned = spec.clone();
    planned["basedOn"] = plan["basedOn"].clone();
    world.apply(set(vec![map("e", "1")])).await;
    let (code, message) = world.refused(planned).await;
    assert_eq!(
        (code, message.as_str()),
        (409, "the plan no longer holds: it did not have configmaps/e in shop to prune")
    );

    let status = world.apply(spec).await;
    assert_eq!(
        changes(&status),
        [("a", "Unchanged"), ("b", "Pruned"), ("c", "Pruned"), ("e", "Pruned")]
    );
    assert!(!world.is_there(&format!("{MAPS}/b")).await);
    assert!(world.is_there(&format!("{MAPS}/d")).await);
    assert!(world.is_there("/api/v1/namespaces/other/configmaps/a").await);
}

#[tokio::test]
async fn sets_are_only_posted_and_only_by_who_may() {
    let world = World::new().await;
    for method in [Method::GET, Method::DELETE] {
        assert_eq!(world.send("ann", method, SETS, Value::Null).await.0, 405);
    }
    let spec = body(set(vec![map("a", "1")]));
    assert_eq!(world.send("nobody", Method::POST, SETS, spec.clone()).await.0, 403);
    let answer = world.ok(Method::POST, SETS, spec).await;
    let commit = answer["status"]["commit"].as_str().expect("a commit");
    assert_eq!(answer["metadata"]["name"], commit[..16]);
    assert_eq!(answer["spec"], json!({"fieldManager": "tool"}));
    // A set within a set is none of the kinds that are stored.
    let nested = json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet",
        "metadata": {"name": "n"}, "spec": {"objects": []}});
    assert_eq!(world.refused(set(vec![nested])).await.0, 404);
}
