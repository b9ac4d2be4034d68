//! Branches of branches, and merges between branches, over a store in memory.

use crate::world::{World, names, version};
use http::Method;
use serde_json::{Value, json};

const GROUP: &str = "/apis/history.reddwarf.dev/v1alpha1";
const BRANCHES: &str = "/apis/history.reddwarf.dev/v1alpha1/branches";
const MAPS: &str = "/api/v1/namespaces/shop/configmaps";

fn map(name: &str, data: Value) -> Value {
    json!({"metadata": {"name": name}, "data": data})
}

/// The server's address of a line.
fn on(line: &str, path: &str) -> String {
    if line == "main" { path.to_owned() } else { format!("/branches/{line}{path}") }
}

async fn branch(world: &World, name: &str, from: &str) -> Value {
    let object = json!({
        "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
        "metadata": {"name": name}, "spec": {"from": from}
    });
    world.post(BRANCHES, object).await
}

async fn remove(world: &World, name: &str) {
    world.ok(Method::DELETE, &format!("{BRANCHES}/{name}"), None).await;
}

/// A world with the map `one`, whose fields `a` to `d` are 0.
async fn begun() -> World {
    let world = World::new().await;
    world.post(MAPS, map("one", json!({"a": "0", "b": "0", "c": "0", "d": "0"}))).await;
    world
}

/// Sets a field of the map on a line.
async fn put(world: &World, line: &str, field: &str, value: &str) -> Value {
    world.patch(&on(line, &format!("{MAPS}/one")), json!({"data": {field: value}})).await
}

/// The fields of the map on a line, in the order of their names.
async fn fields(world: &World, line: &str) -> String {
    let map = world.get(&on(line, &format!("{MAPS}/one"))).await;
    let data = map["data"].as_object().expect("data").clone();
    let mut data: Vec<(String, Value)> = data.into_iter().collect();
    data.sort_by(|one, other| one.0.cmp(&other.0));
    data.iter().map(|(_, value)| value.as_str().expect("a text").to_owned()).collect()
}

async fn try_merge(world: &World, from: &str, into: &str, spec: Value) -> (u16, Value) {
    let set = json!({
        "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet", "spec": spec
    });
    let path = on(into, &format!("{GROUP}/branches/{from}/merge"));
    world.send("ann", Method::POST, &path, &[], Some(set)).await
}

/// Merges, and answers how many objects changed.
async fn merge(world: &World, from: &str, into: &str) -> usize {
    let (code, answer) = try_merge(world, from, into, json!({})).await;
    assert_eq!(code, 201, "{answer}");
    answer["status"]["objects"].as_array().expect("objects").len()
}

#[tokio::test]
async fn a_branch_begins_at_another() {
    let world = begun().await;
    branch(&world, "a", "").await;
    let first = put(&world, "a", "a", "1").await;
    world.post(&on("a", MAPS), map("two", json!({"k": "1"}))).await;
    put(&world, "a", "a", "2").await;
    let newest = branch(&world, "b", "branches/a").await;
    assert_eq!(newest["spec"]["base"]["branch"], "a");
    let earlier = branch(&world, "c", &format!("branches/a@{}", version(&first))).await;
    assert_eq!(earlier["spec"]["base"]["revision"], *version(&first));
    // The same by the commit's id; and what main has at the time of it.
    let commit = earlier["spec"]["base"]["commit"].as_str().expect("an id");
    assert_eq!(branch(&world, "d", commit).await["spec"]["base"], earlier["spec"]["base"]);
    let of_main = branch(&world, "e", version(&first)).await;
    assert!(of_main["spec"]["base"]["branch"].is_null(), "{of_main}");

    put(&world, "a", "a", "3").await;
    put(&world, "b", "b", "4").await;
    world.ok(Method::DELETE, &on("b", &format!("{MAPS}/two")), None).await;
    for (line, data, maps) in [
        ("main", "0000", &["one"][..]),
        ("a", "3000", &["one", "two"]),
        ("b", "2400", &["one"]),
        ("c", "1000", &["one"]),
        ("d", "1000", &["one"]),
        ("e", "0000", &["one"]),
    ] {
        assert_eq!(fields(&world, line).await, data, "{line}");
        assert_eq!(names(&world.get(&on(line, MAPS)).await), maps, "{line}");
    }
    // Optimistic concurrency and the history go through to the other branch.
    let (code, answer) = world
        .send(
            "ann",
            Method::PUT,
            &on("c", &format!("{MAPS}/one")),
            &[],
            Some(json!({"metadata": {"name": "one", "resourceVersion": "1"}})),
        )
        .await;
    assert_eq!(code, 409, "{answer}");
    let log = format!("{GROUP}/commits?fieldSelector=object%3Dconfigmaps%2Fshop%2Fone");
    let list = world.get(&on("b", &log)).await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(4), "{list}");
    let diff = world.get(&format!("{BRANCHES}/b/diff")).await;
    let told = diff["status"]["objects"].as_array().expect("objects").iter();
    let told: Vec<&str> = told.filter_map(|object| object["change"].as_str()).collect();
    assert_eq!(told, ["Updated", "Deleted"], "{diff}");
    assert_eq!(diff["status"]["from"]["branch"], "a");
    for from in ["branches/none", "branches/a@yesterday"] {
        let object = json!({
            "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
            "metadata": {"name": "x"}, "spec": {"from": from}
        });
        let (code, answer) = world.send("ann", Method::POST, BRANCHES, &[], Some(object)).await;
        assert!(matches!(code, 400 | 404), "{answer}");
    }
}

#[tokio::test]
async fn a_branch_outlives_the_one_where_it_began() {
    let world = begun().await;
    branch(&world, "a", "").await;
    put(&world, "a", "a", "1").await;
    branch(&world, "b", "branches/a").await;
    put(&world, "a", "a", "2").await;
    put(&world, "b", "b", "1").await;
    remove(&world, "a").await;
    assert_eq!(world.send("ann", Method::GET, &on("a", MAPS), &[], None).await.0, 404);
    assert_eq!(fields(&world, "b").await, "1100");
    // Its name is free, and the new branch another one.
    branch(&world, "a", "").await;
    assert_eq!(fields(&world, "a").await, "0000");
    assert_eq!(merge(&world, "b", "main").await, 1);
    assert_eq!(fields(&world, "main").await, "1100");
    let diff = world.get(&format!("{BRANCHES}/b/diff")).await;
    assert_eq!(diff["status"]["objects"].as_array().map(Vec::len), Some(1), "{diff}");
    remove(&world, "b").await;
    assert_eq!(fields(&world, "main").await, "1100");
}

#[tokio::test]
async fn branches_are_merged_with_each_other() {
    let world = begun().await;
    for name in ["a", "b"] {
        branch(&world, name, "").await;
    }
    put(&world, "a", "a", "1").await;
    put(&world, "b", "b", "1").await;
    assert_eq!(merge(&world, "a", "b").await, 1);
    assert_eq!(fields(&world, "b").await, "1100");
    assert_eq!(merge(&world, "a", "b").await, 0, "it has all of it");
    // What b reverts of a stays so when both come to main, in either order.
    put(&world, "b", "a", "0").await;
    assert_eq!(merge(&world, "a", "main").await, 1);
    assert_eq!(merge(&world, "b", "main").await, 1);
    assert_eq!(fields(&world, "main").await, "0100");
    // Both changed the same field since.
    put(&world, "a", "c", "2").await;
    put(&world, "b", "c", "3").await;
    let (code, answer) = try_merge(&world, "a", "b", json!({})).await;
    assert_eq!((code, answer["details"]["causes"].as_array().map(Vec::len)), (409, Some(1)));
    let (code, answer) = try_merge(&world, "a", "b", json!({"theirs": [".data.c"]})).await;
    assert_eq!(code, 201, "{answer}");
    assert_eq!(fields(&world, "b").await, "0120");
    for (from, into) in [("a", "a"), ("main", "main")] {
        assert_eq!(try_merge(&world, from, into, json!({})).await.0, 400);
    }
    assert_eq!(try_merge(&world, "none", "a", json!({})).await.0, 404);
}

/// Two branches that have merged each other at the same time have two merge bases.
#[tokio::test]
async fn merges_that_crossed_go_on_from_what_both_had() {
    let world = begun().await;
    for name in ["a", "b"] {
        branch(&world, name, "").await;
    }
    put(&world, "a", "a", "1").await;
    put(&world, "b", "b", "1").await;
    for line in ["a", "b"] {
        put(&world, line, "c", if line == "a" { "5" } else { "6" }).await;
        branch(&world, &format!("{line}-then"), &format!("branches/{line}")).await;
    }
    // Each settles the conflict in its own way.
    for (from, into, side) in [("b-then", "a", "ours"), ("a-then", "b", "ours")] {
        let (code, answer) = try_merge(&world, from, into, json!({side: [".data.c"]})).await;
        assert_eq!(code, 201, "{answer}");
    }
    assert_eq!(fields(&world, "a").await, "1150");
    assert_eq!(fields(&world, "b").await, "1160");
    // What only one of the two bases had changed is no conflict: it was taken by both.
    put(&world, "a", "a", "0").await;
    put(&world, "b", "d", "7").await;
    let (code, answer) = try_merge(&world, "a", "b", json!({})).await;
    assert_eq!(code, 409, "{answer}");
    let causes = answer["details"]["causes"].as_array().expect("causes");
    assert_eq!(causes.len(), 1, "{answer}");
    let message = causes[0]["message"].as_str().expect("a text");
    assert!(message.starts_with("base the merge bases differ, ours \"6\""), "{message}");
    let (code, answer) = try_merge(&world, "a", "b", json!({"theirs": [".data.c"]})).await;
    assert_eq!(code, 201, "{answer}");
    assert_eq!(fields(&world, "b").await, "0157", "what a reverted is reverted");
    assert_eq!(merge(&world, "b", "a").await, 1);
    assert_eq!(fields(&world, "a").await, "0157");
}

#[tokio::test]
async fn a_branch_of_a_branch_brings_all_of_it_to_main() {
    let world = begun().await;
    branch(&world, "a", "").await;
    put(&world, "a", "a", "1").await;
    branch(&world, "b", "branches/a").await;
    put(&world, "b", "b", "1").await;
    put(&world, "main", "d", "1").await;
    assert_eq!(merge(&world, "b", "main").await, 1);
    assert_eq!(fields(&world, "main").await, "1101");
    assert_eq!(merge(&world, "a", "main").await, 0, "main has it by way of the other");
    put(&world, "a", "c", "1").await;
    assert_eq!(merge(&world, "main", "a").await, 1);
    assert_eq!(fields(&world, "a").await, "1111");
    assert_eq!(merge(&world, "a", "b").await, 1);
    assert_eq!(fields(&world, "b").await, "1111");
}

#[tokio::test]
async fn a_commit_of_a_branch_is_reverted_there() {
    let world = begun().await;
    branch(&world, "a", "").await;
    let made = put(&world, "a", "a", "1").await;
    put(&world, "a", "b", "1").await;
    let set = json!({
        "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet",
        "spec": {"revert": {"commit": version(&made)}}
    });
    let path = format!("{GROUP}/changesets");
    let (code, answer) = world.send("ann", Method::POST, &path, &[], Some(set.clone())).await;
    assert_eq!(code, 400, "{answer}");
    world.post(&on("a", &path), set).await;
    assert_eq!(fields(&world, "a").await, "0100");
}
