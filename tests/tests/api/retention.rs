//! Policies of retention and excisions over a store in memory.

use crate::world::{World, version};
use http::Method;
use reddwarf_core::{Floors, Revision, Store};
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const HISTORY: &str = "/apis/history.reddwarf.dev/v1alpha1";

/// An object of history's API group.
fn object(kind: &str, name: &str, spec: Value) -> Value {
    let version = "history.reddwarf.dev/v1alpha1";
    json!({"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn policy(spec: Value) -> Value {
    object("RetentionPolicy", "p", spec)
}

#[tokio::test]
async fn a_policy_that_says_nothing_sensible_is_refused() {
    let world = World::new().await;
    let path = format!("{HISTORY}/retentionpolicies");
    for (spec, field) in [
        (json!({"maxAge": "30d"}), "spec.maxAge"),
        (json!({"maxAge": "ten hours"}), "spec.maxAge"),
        (json!({"maxVersions": -1}), "spec.maxVersions"),
        (json!({"maxSize": "big"}), "spec.maxSize"),
        (json!({"resources": ["Deployments/apps"]}), "spec.resources[0]"),
        (json!({"namespaces": ["a", "a"]}), "spec.namespaces[1]"),
    ] {
        let (code, said) =
            world.send("ann", Method::POST, &path, &[], Some(policy(spec.clone()))).await;
        assert_eq!((code, &said["reason"]), (422, &json!("Invalid")), "{spec}: {said}");
        assert_eq!(said["details"]["causes"][0]["field"], field, "{spec}");
    }
    world.post(&path, policy(json!({"maxAge": "1h30m", "maxVersions": 3, "maxSize": "1Gi"}))).await;
}

#[tokio::test]
async fn below_the_floor_of_a_kind_the_others_are_still_read() {
    let store = MemoryStore::new();
    let world = World(server(store.clone(), "127.0.0.1:6443".into()));
    world.post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    let map = world.post(MAPS, json!({"metadata": {"name": "one"}, "data": {"k": "1"}})).await;
    world.patch(&format!("{MAPS}/one"), json!({"data": {"k": "2"}})).await;
    let floor = store.view().revision;
    let scopes = vec![("/configmaps/".to_owned(), floor)];
    store.retain(1, Floors { all: Revision::ZERO, scopes }).await.expect("raised");
    let at = format!("/at/{}", version(&map));
    let said = world.refused(Method::GET, &format!("{at}{MAPS}/one"), 410).await;
    let expected =
        format!("revision {} is no longer kept: history begins at revision {floor}", version(&map));
    assert_eq!(said, expected);
    assert_eq!(world.refused(Method::GET, &format!("{at}{MAPS}"), 410).await, expected);
    world.get(&format!("{at}/api/v1/namespaces/shop")).await;
    world.get(&format!("/at/{floor}{MAPS}/one")).await;
    store.retain(2, Floors::default()).await.expect_err("another term");
}

#[tokio::test]
async fn a_branch_keeps_what_it_began_with() {
    let store = MemoryStore::new();
    let world = World(server(store.clone(), "127.0.0.1:6443".into()));
    world.post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    world.post(MAPS, json!({"metadata": {"name": "one"}, "data": {"k": "1"}})).await;
    let branch = object("Branch", "b", json!({}));
    let branch = world.post(&format!("{HISTORY}/branches"), branch).await;
    let base = branch["spec"]["base"]["revision"].as_str().expect("a base").to_owned();
    for n in 0..5 {
        world.patch(&format!("{MAPS}/one"), json!({"data": {"k": n.to_string()}})).await;
    }
    let wanted = Floors { all: store.view().revision, scopes: Vec::new() };
    for _ in 0..2 {
        store.retain(1, wanted.clone()).await.expect("raised as far as it may");
    }
    let kept = world.get(&format!("/at/{base}{MAPS}/one")).await;
    assert_eq!(kept["data"]["k"], "1");
    world.ok(Method::DELETE, &format!("{HISTORY}/branches/b"), None).await;
    store.retain(1, wanted).await.expect("raised");
    world.refused(Method::GET, &format!("/at/{base}{MAPS}/one"), 410).await;
}

#[tokio::test]
async fn an_excision_says_what_it_takes_and_takes_nothing_else() {
    let world = World::new().await;
    let path = format!("{HISTORY}/excisions");
    let excision = |spec: Value| object("Excision", "e", spec);
    let map = world.post(MAPS, json!({"metadata": {"name": "one"}, "data": {"k": "1"}})).await;
    let of = |more: Value| {
        let mut spec = json!({"resource": "configmaps", "namespace": "shop", "name": "one"});
        spec.as_object_mut().expect("a map").extend(more.as_object().expect("a map").clone());
        excision(spec)
    };
    let said = world.send("ann", Method::POST, &path, &[], Some(of(json!({})))).await;
    assert_eq!(said.0, 422, "only the current version is there: {}", said.1);
    world.patch(&format!("{MAPS}/one"), json!({"data": {"k": "2"}})).await;
    let wrong = of(json!({"revisions": ["1"]}));
    let said = world.send("ann", Method::POST, &path, &[], Some(wrong)).await;
    assert_eq!(said.1["details"]["causes"][0]["field"], "spec.revisions", "{}", said.1);
    let one = of(json!({"revisions": [version(&map)], "reason": "leaked"}));
    let made = world.post(&path, one).await;
    assert_eq!(made["spec"]["count"], 1);
    let branch = object("Branch", "b", json!({}));
    world.post(&format!("{HISTORY}/branches"), branch).await;
    let on_branch = format!("/branches/b{path}");
    let said = world.send("ann", Method::POST, &on_branch, &[], Some(of(json!({})))).await;
    assert!(said.0 >= 400 && said.0 < 500, "{said:?}");
}
