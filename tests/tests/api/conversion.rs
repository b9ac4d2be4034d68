//! Custom kinds whose versions a webhook converts.

use super::custom::{APPLY, DEFINITIONS, PATIENCE, World, next};
use super::hook::{Hook, honest};
use bytes::Bytes;
use http::StatusCode;
use reddwarf_apiserver::webhook::{ClientConfig, Webhooks};
use reddwarf_core::ObjectKey;
use reddwarf_core::api::{ApiClient, ApiWatch};
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpListener;

const V1: &str = "/apis/example.com/v1/namespaces/default/gadgets";
const V2: &str = "/apis/example.com/v2/namespaces/default/gadgets";
const DEFINITION: &str = "/gadgets.example.com";

fn version(name: &str, properties: Value, replicas: &str) -> Value {
    let schema = json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": properties},
        "status": {"type": "object", "properties": {"ready": {"type": "integer"}}}}});
    json!({"name": name, "served": true, "storage": name == "v1",
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}, "scale": {
            "specReplicasPath": replicas, "statusReplicasPath": ".status.ready"}}})
}

/// Gadgets, stored in version 1 and shown in version 2 as the client's webhook says.
fn gadgets(client: Value, reviews: Value) -> Value {
    let mut one = version(
        "v1",
        json!({"hostPort": {"type": "string"}, "replicas": {"type": "integer", "default": 1}}),
        ".spec.replicas",
    );
    let mut two = version(
        "v2",
        json!({"host": {"type": "string"}, "port": {"type": "string"},
            "count": {"type": "integer"}}),
        ".spec.count",
    );
    one["additionalPrinterColumns"] =
        json!([{"name": "At", "type": "string", "jsonPath": ".spec.hostPort"}]);
    two["additionalPrinterColumns"] =
        json!([{"name": "Host", "type": "string", "jsonPath": ".spec.host"}]);
    two["selectableFields"] = json!([{"jsonPath": ".spec.host"}]);
    json!({
        "metadata": {"name": "gadgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "gadgets", "kind": "Gadget"},
            "conversion": {"strategy": "Webhook", "webhook": {
                "clientConfig": client, "conversionReviewVersions": reviews}},
            "versions": [one, two]},
    })
}

fn gadget(version: &str, name: &str, spec: Value) -> Value {
    let api_version = format!("example.com/{version}");
    json!({"apiVersion": api_version, "kind": "Gadget", "metadata": {"name": name}, "spec": spec})
}

async fn world() -> (World, Hook) {
    let (world, hook) = (World::new().await, Hook::new().await);
    world.define(gadgets(hook.by_url(), json!(["v1"]))).await;
    (world, hook)
}

async fn change_definition(world: &World, patch: Value) {
    let path = format!("{DEFINITIONS}{DEFINITION}");
    let kind = Some("application/json-patch+json");
    world.send_as("PATCH", &path, kind, patch).await.expect("changed");
}

/// The version and the spec in which an object is stored.
fn stored(world: &World, name: &str) -> (Value, Value) {
    let key = ObjectKey::new("example.com", "gadgets", "default", name);
    let view = world.leader.server.store().view();
    let object: Value =
        serde_json::from_slice(&view.get(&key).expect("stored").bytes).expect("JSON");
    (object["apiVersion"].clone(), object["spec"].clone())
}

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("items");
    items.iter().filter_map(|item| item["metadata"]["name"].as_str()).collect()
}

async fn event(watch: &mut dyn ApiWatch) -> Value {
    tokio::time::timeout(PATIENCE, next(watch)).await.expect("in time")
}

#[tokio::test]
async fn every_version_shows_the_same_objects() {
    let (world, hook) = world().await;
    let made = world.make(V2, gadget("v2", "a", json!({"host": "h", "port": "1"}))).await;
    assert_eq!(made["apiVersion"], "example.com/v2");
    assert_eq!(made["spec"], json!({"host": "h", "port": "1", "count": 1}));
    assert_eq!(stored(&world, "a"), (json!("example.com/v1"), json!({"hostPort": "h:1"})));
    world.make(V1, gadget("v1", "b", json!({"hostPort": "i:2", "replicas": 3}))).await;
    let path = "/spec/versions/1/schema/openAPIV3Schema/properties/spec/properties/note";
    let note = json!({"type": "string", "default": "new"});
    change_definition(&world, json!([{"op": "add", "path": path, "value": note}])).await;
    let (one, two) = (world.get(&format!("{V1}/a")).await, world.get(&format!("{V2}/b")).await);
    assert_eq!(one["spec"], json!({"hostPort": "h:1", "replicas": 1}));
    // What a webhook gives is pruned; it is not defaulted, as upstream does not either.
    assert_eq!(two["spec"], json!({"host": "i", "port": "2", "count": 3}));
    assert_eq!(two["metadata"]["labels"], json!({"shown": "v2"}));
    assert_eq!(two["metadata"]["uid"], world.get(&format!("{V1}/b")).await["metadata"]["uid"]);
    hook.reviews();
    let list = world.get(V2).await;
    assert_eq!(list["apiVersion"], "example.com/v2");
    assert_eq!(names(&list), ["a", "b"]);
    assert_eq!(list["items"][1]["spec"]["host"], "i");
    let reviews = hook.reviews();
    assert_eq!(reviews.len(), 1, "a list is one review");
    let request = &reviews[0]["request"];
    assert_eq!(reviews[0]["apiVersion"], "apiextensions.k8s.io/v1");
    assert_eq!(request["desiredAPIVersion"], "example.com/v2");
    assert_eq!(request["objects"].as_array().expect("objects").len(), 2);
    assert!(request["objects"][0]["metadata"].get("resourceVersion").is_none());
    assert_eq!(request["objects"][0]["spec"]["replicas"], 1, "defaulted in its own version");
    let table = world.accept(V2, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    assert_eq!(table["rows"][1]["cells"], json!(["b", "i"]));
    let form = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let partial = world.accept(V2, form).await;
    assert_eq!(partial["items"][0]["metadata"]["labels"]["shown"], "v2");
    assert!(hook.connections() <= 2, "connections are used again");
    world.get(V1).await;
    assert_eq!(hook.reviews().len(), 2, "the storage version needs no webhook");
}

#[tokio::test]
async fn selectors_look_at_what_is_shown() {
    let (world, _hook) = world().await;
    for name in ["a", "b", "c"] {
        let spec = json!({"hostPort": format!("{name}:1")});
        world.make(V1, gadget("v1", name, spec)).await;
    }
    let shown = async |query: &str| world.get(&format!("{V2}?{query}")).await;
    assert_eq!(names(&shown("fieldSelector=spec.host=b").await), ["b"]);
    assert_eq!(names(&shown("labelSelector=shown=v1").await), Vec::<&str>::new());
    let page = shown("labelSelector=shown=v2&limit=2").await;
    assert_eq!(names(&page), ["a", "b"]);
    let token = page["metadata"]["continue"].as_str().expect("more");
    let rest = shown(&format!("labelSelector=shown=v2&limit=2&continue={token}")).await;
    assert_eq!(names(&rest), ["c"]);
    assert_eq!(names(&world.get(&format!("{V1}?labelSelector=shown=v2")).await), [""; 0]);
}

#[tokio::test]
async fn changes_in_the_other_version() {
    let (world, _hook) = world().await;
    let path = format!("{V2}/a");
    world.make(V1, gadget("v1", "a", json!({"hostPort": "h:1"}))).await;
    let mut read = world.get(&path).await;
    read["spec"]["port"] = "2".into();
    let put = world.send("PUT", &path, read).await.expect("updated");
    assert_eq!(put["spec"], json!({"host": "h", "port": "2", "count": 1}));
    assert_eq!(put["metadata"]["generation"], 2);
    assert_eq!(stored(&world, "a").1["hostPort"], "h:2");
    let patch = json!({"spec": {"host": "i"}});
    let patched = world.send("PATCH", &path, patch).await.expect("patched");
    assert_eq!(patched["spec"]["host"], "i");
    let before = world.get(&format!("{V1}/a")).await;
    assert_eq!(before["spec"], json!({"hostPort": "i:2", "replicas": 1}));
    let same = world.send("PATCH", &path, json!({"spec": {"host": "i"}})).await.expect("patched");
    assert_eq!(same["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    let dry = format!("{path}?dryRun=All");
    let dry = world.send("PATCH", &dry, json!({"spec": {"host": "j"}})).await.expect("patched");
    assert_eq!((&dry["apiVersion"], &dry["spec"]["host"]), (&json!("example.com/v2"), &json!("j")));
    let status = format!("{path}/status");
    let status = world.send("PATCH", &status, json!({"status": {"ready": 4}})).await;
    assert_eq!(status.expect("patched")["spec"]["host"], "i");
    let scale = format!("{path}/scale");
    assert_eq!(world.get(&scale).await["status"], json!({"replicas": 4}));
    let scaled = world.send("PATCH", &scale, json!({"spec": {"replicas": 7}})).await;
    assert_eq!(scaled.expect("scaled")["spec"]["replicas"], 7);
    assert_eq!(world.get(&format!("{V1}/a")).await["spec"]["replicas"], 7);
    world.send("DELETE", &path, Value::Null).await.expect("deleted");
    world.gone(&path).await;
}

#[tokio::test]
async fn watches_show_their_version() {
    let (world, hook) = world().await;
    world.make(V1, gadget("v1", "a", json!({"hostPort": "h:1"}))).await;
    let mut watch = world.leader.client.watch(&format!("{V2}?watch=1")).await.expect("a watch");
    let selected = format!("{V2}?watch=1&fieldSelector=spec.host=i");
    let mut selected = world.leader.client.watch(&selected).await.expect("a watch");
    let added = event(&mut *watch).await;
    assert_eq!((&added["type"], &added["object"]["spec"]["host"]), (&json!("ADDED"), &json!("h")));
    let patch = |host: &str| json!({"spec": {"hostPort": format!("{host}:1")}});
    for (host, seen) in [("i", "ADDED"), ("j", "DELETED")] {
        let patched = world.send("PATCH", &format!("{V1}/a"), patch(host)).await.expect("patched");
        let version = &patched["metadata"]["resourceVersion"];
        let modified = event(&mut *watch).await;
        assert_eq!(modified["type"], "MODIFIED");
        assert_eq!(modified["object"]["apiVersion"], "example.com/v2");
        assert_eq!(modified["object"]["spec"]["host"], host);
        assert_eq!(&modified["object"]["metadata"]["resourceVersion"], version);
        let change = event(&mut *selected).await;
        assert_eq!(change["type"], seen);
        assert_eq!(change["object"]["spec"]["host"], "i");
        assert_eq!(&change["object"]["metadata"]["resourceVersion"], version);
    }
    hook.answer(|_| (StatusCode::BAD_GATEWAY, json!("away")));
    world.send("DELETE", &format!("{V1}/a"), Value::Null).await.expect("deleted");
    let failed = event(&mut *watch).await;
    assert_eq!(failed["type"], "ERROR");
    assert_eq!(
        (&failed["object"]["code"], &failed["object"]["reason"]),
        (&json!(500), &json!("InternalError"))
    );
    assert_eq!(
        failed["object"]["message"],
        "conversion webhook for example.com/v1, Kind=Gadget failed: an error on the server (\"\\\"away\\\"\") has prevented the request from succeeding"
    );
    assert!(watch.next().await.is_none(), "the watch has ended");
}

#[tokio::test]
async fn managers_own_fields_of_their_versions() {
    let (world, _hook) = world().await;
    let apply = async |manager: &str, version: &str, spec: Value, force: bool| {
        let collection = if version == "v1" { V1 } else { V2 };
        let path = format!("{collection}/a?fieldManager={manager}&force={force}");
        world.send_as("PATCH", &path, Some(APPLY), gadget(version, "a", spec)).await
    };
    apply("one", "v1", json!({"hostPort": "h:1"}), false).await.expect("applied");
    let conflict = apply("two", "v2", json!({"host": "i", "port": "1"}), false).await;
    let conflict = conflict.expect_err("one owns the host");
    assert_eq!(conflict.code, 409);
    assert!(conflict.message.contains("conflict with \"one\": .spec.hostPort"), "{conflict}");
    let taken = apply("two", "v2", json!({"host": "i", "port": "1"}), true).await.expect("forced");
    assert_eq!(taken["spec"]["host"], "i");
    let entries = taken["metadata"]["managedFields"].as_array().expect("managers");
    let of = |manager: &str| entries.iter().find(|entry| entry["manager"] == manager);
    assert!(of("one").is_none(), "it has nothing left: {entries:?}");
    let two = of("two").expect("the new owner");
    assert_eq!(two["apiVersion"], "example.com/v2");
    assert_eq!(two["fieldsV1"], json!({"f:spec": {"f:host": {}, "f:port": {}}}));
    let counted = apply("two", "v2", json!({"count": 2}), false).await.expect("applied");
    assert_eq!(counted["spec"].get("host"), None, "nobody owns it any more");
    assert_eq!(stored(&world, "a").1, json!({"replicas": 2}));
}

#[tokio::test]
async fn answers_that_are_refused() {
    let (world, hook) = world().await;
    for name in ["a", "b"] {
        world.make(V1, gadget("v1", name, json!({"hostPort": "h:1"}))).await;
    }
    let one = format!("{V2}/a");
    let refused = async |path: &str| {
        let status = world.send("GET", path, Value::Null).await.expect_err("refused");
        assert_eq!((status.code, &status.reason), (500, &None), "as upstream answers it");
        let message = status.message.to_string();
        let rest = message.strip_prefix("conversion webhook for example.com/v1, Kind=Gadget ");
        rest.unwrap_or_else(|| panic!("{message}")).to_owned()
    };
    hook.spoil(|response| response["result"] = json!({"status": "Failure", "message": "no"}));
    assert_eq!(refused(&one).await, "failed: no");
    assert_eq!(refused(V2).await, "failed: no");
    let spec = json!({"host": "h", "port": "1"});
    let (code, message) = world.refused("POST", V2, gadget("v2", "c", spec)).await;
    assert_eq!(code, 500);
    assert_eq!(message, "conversion webhook for example.com/v2, Kind=Gadget failed: no");
    hook.spoil(|response| response["uid"] = "other".into());
    assert!(refused(&one).await.ends_with(", got \"other\""));
    hook.spoil(|response| {
        response["convertedObjects"].as_array_mut().expect("objects").pop();
    });
    assert_eq!(refused(V2).await, "returned 1 objects, expected 2");
    hook.spoil(|response| response["convertedObjects"][0]["metadata"]["name"] = "z".into());
    assert_eq!(refused(&one).await, "returned invalid object: must have the same name: a != z");
    hook.spoil(|response| response["convertedObjects"][0]["apiVersion"] = "example.com/v1".into());
    assert_eq!(
        refused(&one).await,
        "returned invalid object at index 0: invalid groupVersion (expected example.com/v2, received example.com/v1)"
    );
    hook.answer(|review| (StatusCode::SERVICE_UNAVAILABLE, honest(review).1));
    assert_eq!(refused(&one).await, "failed: the server is currently unable to handle the request");
    hook.mend();
    assert_eq!(world.get(&one).await["spec"]["host"], "h");
}

#[tokio::test]
async fn what_needs_no_conversion_does_not_wait_for_the_webhook() {
    let (world, hook) = world().await;
    let other = "/apis/example.com/v1/namespaces/other/gadgets";
    for collection in [V1, other] {
        world.make(collection, gadget("v1", "a", json!({"hostPort": "h:1"}))).await;
    }
    let map = "/api/v1/namespaces/default/configmaps";
    let owner = world.make(map, json!({"metadata": {"name": "root"}})).await;
    let mut owned = gadget("v1", "owned", json!({}));
    owned["metadata"]["ownerReferences"] = json!([{"apiVersion": "v1", "kind": "ConfigMap",
        "name": "root", "uid": owner["metadata"]["uid"]}]);
    world.make(V1, owned).await;
    hook.answer(|_| (StatusCode::BAD_GATEWAY, Value::Null));
    world.send("DELETE", &format!("{map}/root"), Value::Null).await.expect("deleted");
    world.gone(&format!("{V1}/owned")).await;
    world.send("DELETE", "/api/v1/namespaces/other", Value::Null).await.expect("deleted");
    world.gone("/api/v1/namespaces/other").await;
    let definition = format!("{DEFINITIONS}{DEFINITION}");
    world.send("DELETE", &definition, Value::Null).await.expect("deleted");
    world.gone(&definition).await;
}

#[tokio::test]
async fn objects_move_to_a_new_storage_version_when_they_are_written() {
    let (world, _hook) = world().await;
    world.make(V1, gadget("v1", "a", json!({"hostPort": "h:1"}))).await;
    let version = |at: usize, storage: bool| json!({"op": "replace", "path": format!("/spec/versions/{at}/storage"), "value": storage});
    change_definition(&world, json!([version(0, false), version(1, true)])).await;
    assert_eq!(stored(&world, "a").0, "example.com/v1");
    let read = world.get(&format!("{V1}/a")).await;
    assert_eq!(world.get(&format!("{V2}/a")).await["spec"]["host"], "h");
    world.send("PUT", &format!("{V1}/a"), read).await.expect("written");
    let (version, spec) = stored(&world, "a");
    assert_eq!((version, &spec["host"]), (json!("example.com/v2"), &json!("h")));
    assert_eq!(world.get(&format!("{V1}/a")).await["spec"]["hostPort"], "h:1");
}

#[tokio::test]
async fn a_service_is_called_by_its_name() {
    let (world, hook) = (World::new().await, Hook::new().await);
    let (port, bundle) = (hook.address.port(), &hook.bundle);
    let service = json!({"namespace": "default", "name": "hooks", "path": "/c", "port": port});
    let client = json!({"service": service, "caBundle": bundle});
    world.define(gadgets(client, json!(["v1beta1", "v1"]))).await;
    world.make(V1, gadget("v1", "a", json!({"hostPort": "h:1"}))).await;
    let (code, message) = world.refused("GET", &format!("{V2}/a"), Value::Null).await;
    assert_eq!(code, 500);
    assert_eq!(
        message,
        format!(
            "conversion webhook for example.com/v1, Kind=Gadget failed: Post \"https://hooks.default.svc:{port}/c?timeout=30s\": service \"hooks\" not found"
        )
    );
    let service = json!({"metadata": {"name": "hooks"},
        "spec": {"type": "ExternalName", "externalName": "localhost"}});
    world.make("/api/v1/namespaces/default/services", service).await;
    assert_eq!(world.get(&format!("{V2}/a")).await["spec"]["host"], "h");
    assert_eq!(hook.reviews()[0]["apiVersion"], "apiextensions.k8s.io/v1beta1");
}

#[tokio::test]
async fn a_stranger_is_not_trusted() {
    let (world, hook, other) = (World::new().await, Hook::new().await, Hook::new().await);
    let client = json!({"url": hook.by_url()["url"], "caBundle": other.bundle});
    world.define(gadgets(client, json!(["v1"]))).await;
    world.make(V1, gadget("v1", "a", json!({"hostPort": "h:1"}))).await;
    let (code, message) = world.refused("GET", &format!("{V2}/a"), Value::Null).await;
    assert_eq!(code, 500);
    assert!(message.contains("invalid peer certificate"), "{message}");
    assert!(hook.reviews().is_empty());
}

#[tokio::test]
async fn a_webhook_that_does_not_answer_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}/c", silent.local_addr().expect("an address"));
    let webhooks = Webhooks::new(MemoryStore::new()).with_timeout(Duration::from_millis(50));
    let bundle = Hook::new().await.bundle.clone();
    let config =
        ClientConfig { url: Some(url.clone()), ca_bundle: Some(bundle), ..Default::default() };
    let error = webhooks.post(&config, Bytes::from_static(b"{}")).await.expect_err("no answer");
    assert_eq!(error.to_string(), format!("Post \"{url}?timeout=30s\": context deadline exceeded"));
}
