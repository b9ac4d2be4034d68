//! Branches over a store in memory: `branches`, and the API below `/branches/<name>`.

use crate::world::{World, names, version};
use http::Method;
use http_body_util::BodyExt;
use reddwarf_apiserver::http::ApiBody;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const BRANCHES: &str = "/apis/history.reddwarf.dev/v1alpha1/branches";
const CANARY: &str = "/branches/canary";

fn map(name: &str, data: &str) -> Value {
    json!({"metadata": {"name": name}, "data": {"k": data}})
}

async fn branch(world: &World, name: &str) -> Value {
    let object = json!({
        "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch", "metadata": {"name": name}
    });
    world.post(BRANCHES, object).await
}

/// A world with the maps `one` and `two`, and the branch `canary` of it.
async fn forked() -> World {
    let world = World::new().await;
    world.post(MAPS, map("one", "1")).await;
    world.post(MAPS, map("two", "1")).await;
    branch(&world, "canary").await;
    world
}

#[tokio::test]
async fn a_branch_shows_its_base_and_what_it_changed() {
    let world = forked().await;
    let on = |path: &str| format!("{CANARY}{path}");
    let list = world.get(&on(MAPS)).await;
    assert_eq!(names(&list), ["one", "two"]);

    world.patch(&on(&format!("{MAPS}/one")), json!({"data": {"k": "2"}})).await;
    world.ok(Method::DELETE, &on(&format!("{MAPS}/two")), None).await;
    world.post(&on(MAPS), map("three", "3")).await;
    world.patch(&format!("{MAPS}/two"), json!({"data": {"k": "main"}})).await;
    world.post(MAPS, map("four", "4")).await;

    assert_eq!(names(&world.get(&on(MAPS)).await), ["one", "three"]);
    assert_eq!(names(&world.get(MAPS).await), ["four", "one", "two"]);
    assert_eq!(world.get(&on(&format!("{MAPS}/one"))).await["data"]["k"], "2");
    assert_eq!(world.get(&format!("{MAPS}/one")).await["data"]["k"], "1");
    world.refused(Method::GET, &on(&format!("{MAPS}/two")), 404).await;
    world.refused(Method::GET, &on(&format!("{MAPS}/four")), 404).await;
    // The same object, further on.
    let (ours, theirs) =
        (world.get(&format!("{MAPS}/one")).await, world.get(&on(&format!("{MAPS}/one"))).await);
    assert_eq!(ours["metadata"]["uid"], theirs["metadata"]["uid"]);
    assert!(version(&ours) < version(&theirs));
    // Pages and labels are those of any list.
    let page = world.get(&on(&format!("{MAPS}?limit=1"))).await;
    let token = page["metadata"]["continue"].as_str().expect("more follows").to_owned();
    world.post(&on(MAPS), map("two", "again")).await;
    let rest = world.get(&on(&format!("{MAPS}?limit=5&continue={token}"))).await;
    assert_eq!((names(&page), names(&rest)), (vec!["one"], vec!["three"]));
    assert_eq!(version(&page), version(&rest));
}

#[tokio::test]
async fn a_branch_is_validated_and_keeps_optimistic_concurrency() {
    let world = forked().await;
    let path = format!("{CANARY}{MAPS}/one");
    let seen = world.get(&path).await;
    world.patch(&path, json!({"data": {"k": "2"}})).await;
    let mut stale = seen.clone();
    stale["data"]["k"] = "3".into();
    let (code, _) = world.send("ann", Method::PUT, &path, &[], Some(stale)).await;
    assert_eq!(code, 409);
    let (code, answer) = world
        .send("ann", Method::POST, &format!("{CANARY}{MAPS}"), &[], Some(map("A_", "x")))
        .await;
    assert_eq!((code, &answer["reason"]), (422, &json!("Invalid")));
    let nowhere = format!("{CANARY}/api/v1/namespaces/nowhere/configmaps");
    let (code, _) = world.send("ann", Method::POST, &nowhere, &[], Some(map("a", "x"))).await;
    assert_eq!(code, 404);
    let (code, _) = world.send("nobody", Method::GET, &path, &[], None).await;
    assert_eq!(code, 403);
    world.refused(Method::GET, "/branches/other/api/v1/namespaces", 404).await;
}

#[tokio::test]
async fn a_branch_begins_at_any_commit_of_main() {
    let world = World::new().await;
    let one = world.post(MAPS, map("one", "1")).await;
    world.patch(&format!("{MAPS}/one"), json!({"data": {"k": "2"}})).await;
    world.post(MAPS, map("two", "1")).await;
    let from = |name: &str, from: &str| {
        json!({
            "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
            "metadata": {"name": name}, "spec": {"from": from}
        })
    };
    let made = world.post(BRANCHES, from("old", version(&one))).await;
    assert_eq!(made["spec"]["base"]["revision"], *version(&one));
    let list = world.get(&format!("/branches/old{MAPS}")).await;
    assert_eq!(names(&list), ["one"]);
    assert_eq!(list["items"][0]["data"]["k"], "1");
    let commit = made["spec"]["base"]["commit"].as_str().expect("an id").to_owned();
    let again = world.post(BRANCHES, from("again", &commit[..12])).await;
    assert_eq!(again["spec"]["base"], made["spec"]["base"]);

    for (name, begin, code) in
        [("bad", "yesterday", 400), ("bad", "99999", 504), ("main", "", 422), ("old", "", 409)]
    {
        let (found, answer) =
            world.send("ann", Method::POST, BRANCHES, &[], Some(from(name, begin))).await;
        assert_eq!(found, code, "{name} from {begin:?}: {answer}");
    }
    let moved = json!({"spec": {"from": "1"}});
    let headers = [("content-type", "application/merge-patch+json")];
    let path = format!("{BRANCHES}/old");
    let (code, answer) = world.send("ann", Method::PATCH, &path, &headers, Some(moved)).await;
    assert_eq!(code, 422, "{answer}");
    assert!(answer["message"].as_str().expect("a text").contains("stays where it began"));
    assert_eq!(names(&world.get(BRANCHES).await), ["again", "old"]);
}

#[tokio::test]
async fn a_removed_branch_is_gone_and_its_name_free() {
    let world = forked().await;
    let path = format!("{CANARY}{MAPS}/one");
    world.patch(&path, json!({"data": {"k": "2"}})).await;
    world.ok(Method::DELETE, &format!("{BRANCHES}/canary"), None).await;
    let message = world.refused(Method::GET, &path, 404).await;
    assert_eq!(message, "branches.history.reddwarf.dev \"canary\" not found");
    world.patch(&format!("{MAPS}/one"), json!({"data": {"k": "main"}})).await;
    branch(&world, "canary").await;
    assert_eq!(world.get(&path).await["data"]["k"], "main");
}

#[tokio::test]
async fn a_branch_has_a_history_of_its_own() {
    let world = forked().await;
    let path = format!("{CANARY}{MAPS}/one");
    let changed = world.patch(&path, json!({"data": {"k": "2"}})).await;
    world.ok(Method::DELETE, &path, None).await;
    world.patch(&format!("{MAPS}/one"), json!({"data": {"k": "main"}})).await;
    let commits = "/apis/history.reddwarf.dev/v1alpha1/namespaces/shop/commits";
    let select = "?fieldSelector=object%3Dconfigmaps%2Fone";
    let verbs = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("a list");
        items.iter().map(|c| c["verb"].as_str().expect("a verb").to_owned()).collect()
    };
    let on_branch = world.get(&format!("{CANARY}{commits}{select}")).await;
    assert_eq!(verbs(&on_branch), ["delete", "patch", "create"]);
    let on_main = world.get(&format!("{commits}{select}")).await;
    assert_eq!(verbs(&on_main), ["patch", "create"]);
    let then = format!("{CANARY}/at/{}{MAPS}/one", version(&changed));
    assert_eq!(world.get(&then).await["data"]["k"], "2");
    let list = world.get(&format!("{CANARY}/at/{}{MAPS}", version(&changed))).await;
    assert_eq!(names(&list), ["one", "two"]);
}

/// The events of a watch, of which several may come at once.
struct Events {
    body: ApiBody,
    lines: VecDeque<String>,
}

impl Events {
    /// The type of the next event, and the name and data of its object.
    async fn next(&mut self) -> Option<(String, String, String)> {
        while self.lines.is_empty() {
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame()).await;
            let frame = frame.expect("in time")?.expect("whole");
            let text = String::from_utf8_lossy(frame.data_ref()?).into_owned();
            self.lines.extend(text.lines().map(str::to_owned));
        }
        let line: Value = serde_json::from_str(&self.lines.pop_front()?).expect("an event");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let object = &line["object"];
        Some((text(&line["type"]), text(&object["metadata"]["name"]), text(&object["data"]["k"])))
    }
}

#[tokio::test]
async fn a_watch_of_a_branch_tells_its_changes_alone() {
    let world = forked().await;
    let list = world.get(&format!("{CANARY}{MAPS}")).await;
    let path = format!("{CANARY}{MAPS}?watch=true&resourceVersion={}", version(&list));
    let mut watch = Events { body: world.open("ann", &path).await, lines: VecDeque::new() };
    world.patch(&format!("{MAPS}/two"), json!({"data": {"k": "main"}})).await;
    world.patch(&format!("{CANARY}{MAPS}/one"), json!({"data": {"k": "2"}})).await;
    world.ok(Method::DELETE, &format!("{CANARY}{MAPS}/two"), None).await;
    let told = |kind: &str, name: &str, data: &str| {
        Some((kind.to_owned(), name.to_owned(), data.to_owned()))
    };
    assert_eq!(watch.next().await, told("MODIFIED", "one", "2"));
    assert_eq!(watch.next().await, told("DELETED", "two", "1"));
    // It ends with the branch.
    world.ok(Method::DELETE, &format!("{BRANCHES}/canary"), None).await;
    assert_eq!(watch.next().await, None);
}

#[tokio::test]
async fn a_kind_that_a_branch_defines_is_served_there_alone() {
    let world = forked().await;
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "shops.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "shops", "singular": "shop", "kind": "Shop", "listKind": "ShopList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}}}]
        }
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    world.post(&format!("{CANARY}{definitions}"), definition).await;
    let shops = "/apis/example.com/v1/namespaces/shop/shops";
    let shop = |size: Value| {
        json!({"apiVersion": "example.com/v1", "kind": "Shop",
            "metadata": {"name": "corner"}, "spec": {"size": size}})
    };
    world.post(&format!("{CANARY}{shops}"), shop(json!(3))).await;
    let path = format!("{CANARY}{shops}");
    let (code, _) = world.send("ann", Method::POST, &path, &[], Some(shop(json!("big")))).await;
    assert_eq!(code, 422);
    assert_eq!(names(&world.get(&path).await), ["corner"]);
    world.refused(Method::GET, shops, 404).await;
}

#[tokio::test]
async fn a_namespace_of_a_branch_takes_objects() {
    let world = forked().await;
    let namespaces = format!("{CANARY}/api/v1/namespaces");
    world.post(&namespaces, json!({"metadata": {"name": "new"}})).await;
    world.post(&format!("{namespaces}/new/configmaps"), map("a", "1")).await;
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    world.post(&format!("{namespaces}/new/pods"), pod).await;
    world.refused(Method::GET, "/api/v1/namespaces/new", 404).await;
}
