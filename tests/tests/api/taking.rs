//! Merges of main into a branch, over a store in memory.

use crate::world::{World, names, version};
use http::Method;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::time::Duration;

const GROUP: &str = "/apis/history.reddwarf.dev/v1alpha1";
const MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const CANARY: &str = "/branches/canary";

fn map(name: &str, data: Value) -> Value {
    json!({"metadata": {"name": name}, "data": data})
}

fn on(path: &str) -> String {
    format!("{CANARY}{path}")
}

/// A world with three maps, and the branch `canary` of it.
async fn forked() -> World {
    let world = World::new().await;
    for name in ["one", "three", "two"] {
        world.post(MAPS, map(name, json!({"k": "1"}))).await;
    }
    let branch = json!({
        "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
        "metadata": {"name": "canary"}
    });
    world.post(&format!("{GROUP}/branches"), branch).await;
    world
}

fn set(spec: Value) -> Value {
    json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet", "spec": spec})
}

async fn try_take(world: &World, spec: Value, query: &str) -> (u16, Value) {
    let path = on(&format!("{GROUP}/branches/main/merge{query}"));
    world.send("ann", Method::POST, &path, &[], Some(set(spec))).await
}

async fn take(world: &World) -> Value {
    let (code, answer) = try_take(world, json!({}), "").await;
    assert_eq!(code, 201, "{answer}");
    answer
}

async fn merge(world: &World) -> Value {
    world.post(&format!("{GROUP}/branches/canary/merge"), set(json!({}))).await
}

/// `name change` of each object of an answer, sorted.
fn told(answer: &Value) -> Vec<String> {
    let objects = answer["status"]["objects"].as_array().expect("objects");
    let text = |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let named = |object| format!("{} {}", text(object, "name"), text(object, "change"));
    let mut told: Vec<String> = objects.iter().map(named).collect();
    told.sort();
    told
}

fn deployment() -> Value {
    json!({
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "a", "image": "a:1"}]}
            }
        }
    })
}

#[tokio::test]
async fn a_branch_takes_what_main_changed_as_one_commit() {
    let world = forked().await;
    world.patch(&on(&format!("{MAPS}/one")), json!({"data": {"branch": "1"}})).await;
    world.patch(&format!("{MAPS}/one"), json!({"data": {"main": "1"}})).await;
    world.ok(Method::DELETE, &format!("{MAPS}/two"), None).await;
    world.post(WEB.rsplit_once('/').expect("a path").0, deployment()).await;
    let web = world.patch(&format!("{WEB}/status"), json!({"status": {"replicas": 3}})).await;
    let owner = world.get(&format!("{MAPS}/three")).await;
    let mut owned = map("owned", json!({}));
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "three", "uid": owner["metadata"]["uid"]
    }]);
    let owned = world.post(MAPS, owned).await;
    let list = world.get(&on(MAPS)).await;
    let head = world.get(&format!("{GROUP}/commits?limit=1")).await["items"][0]["id"].clone();

    let (code, plan) = try_take(&world, json!({}), "?dryRun=All").await;
    assert_eq!(code, 201, "{plan}");
    assert_eq!(
        names(&world.get(&on(MAPS)).await),
        ["one", "three", "two"],
        "a plan changes nothing"
    );
    let taken = take(&world).await;
    let expected = ["one Configured", "owned Created", "two Pruned", "web Created"];
    assert_eq!(told(&taken), expected);
    let one = world.get(&on(&format!("{MAPS}/one"))).await;
    assert_eq!(one["data"], json!({"k": "1", "branch": "1", "main": "1"}));
    assert_eq!(names(&world.get(&on(MAPS)).await), ["one", "owned", "three"]);
    // What is new is the very object of main, with what it has come to.
    for (path, main) in [(WEB.to_owned(), &web), (format!("{MAPS}/owned"), &owned)] {
        let mut here = world.get(&on(&path)).await;
        here["metadata"]["resourceVersion"] = main["metadata"]["resourceVersion"].clone();
        assert_eq!(here, *main);
    }
    let commits = world.get(&on(&format!("{GROUP}/commits?limit=1"))).await;
    let commit = &commits["items"][0];
    assert_eq!(
        (&commit["id"], &commit["verb"], &commit["message"], &commit["parents"][1]),
        (&taken["status"]["commit"], &json!("merge"), &json!("Merge main"), &head)
    );
    // A watch tells of it.
    let path = on(&format!("{MAPS}?watch=true&resourceVersion={}", version(&list)));
    let mut watch = world.open("ann", &path).await;
    let mut lines = String::new();
    while lines.lines().count() < 3 {
        let frame = tokio::time::timeout(Duration::from_secs(10), watch.frame()).await;
        let frame = frame.expect("in time").expect("open").expect("whole");
        lines.push_str(&String::from_utf8_lossy(frame.data_ref().expect("data")));
    }
    let events: Vec<Value> =
        lines.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    let mut kinds: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["ADDED", "DELETED", "MODIFIED"]);

    // Nothing is left to take, and main gets only what the branch changed itself.
    let again = take(&world).await;
    assert!(again["status"]["commit"].is_null() && told(&again).is_empty(), "{again}");
    let diff = world.get(&format!("{GROUP}/branches/canary/diff")).await;
    assert_eq!(told(&diff), ["one Updated"]);
    assert_eq!(told(&merge(&world).await), ["one Configured"]);
    let one = world.get(&format!("{MAPS}/one")).await;
    assert_eq!(one["data"], json!({"k": "1", "branch": "1", "main": "1"}));
    assert_eq!(world.get(WEB).await["metadata"]["uid"], web["metadata"]["uid"]);
}

#[tokio::test]
async fn merges_go_back_and_forth() {
    let world = forked().await;
    let one = format!("{MAPS}/one");
    for turn in 0..3 {
        let (mine, theirs) = (format!("b{turn}"), format!("m{turn}"));
        world
            .patch(&on(&one), json!({"data": {(mine.as_str()): "1", "turn": turn.to_string()}}))
            .await;
        assert_eq!(told(&merge(&world).await), ["one Configured"]);
        world.patch(&one, json!({"data": {(theirs.as_str()): "1"}})).await;
        world.patch(&on(&one), json!({"data": {"late": turn.to_string()}})).await;
        assert_eq!(told(&take(&world).await), ["one Configured"]);
        let data = world.get(&on(&one)).await["data"].clone();
        assert_eq!((&data[&mine], &data[&theirs]), (&json!("1"), &json!("1")));
        assert_eq!(told(&merge(&world).await), ["one Configured"]);
        assert_eq!(world.get(&one).await["data"], data);
        // Both are the same now.
        assert!(told(&merge(&world).await).is_empty());
        assert!(told(&take(&world).await).is_empty());
    }
    // What main takes back the branch takes back as well.
    world.patch(&one, json!({"data": {"late": null}})).await;
    take(&world).await;
    assert!(world.get(&on(&one)).await["data"]["late"].is_null());
}

#[tokio::test]
async fn what_main_did_not_take_over_is_known() {
    let world = forked().await;
    let one = format!("{MAPS}/one");
    world.patch(&on(&one), json!({"data": {"k": "branch"}})).await;
    world.patch(&one, json!({"data": {"k": "main"}})).await;
    let spec = set(json!({"ours": ["*"]}));
    let path = format!("{GROUP}/branches/canary/merge");
    let answer = world.post(&path, spec).await;
    assert!(answer["status"]["commit"].is_null(), "nothing changes by it: {answer}");
    // It conflicts here, too, and what is chosen is the base from then on.
    let (code, answer) = try_take(&world, json!({}), "").await;
    assert_eq!((code, &answer["reason"]), (409, &json!("Conflict")), "{answer}");
    let cause = &answer["details"]["causes"][0];
    assert_eq!(cause["field"], "configmaps/one in shop: .data.k");
    let message = cause["message"].as_str().expect("a message");
    assert!(message.starts_with("base \"1\", ours \"branch\" (ann, commit "), "{message}");
    assert!(message.contains("theirs \"main\" (ann, commit "), "{message}");
    assert_eq!(world.get(&on(&one)).await["data"]["k"], "branch");
    world.patch(&format!("{MAPS}/two"), json!({"data": {"k": "2"}})).await;
    let (code, answer) = try_take(&world, json!({"ours": ["configmaps/one in shop"]}), "").await;
    assert_eq!((code, told(&answer)), (201, vec!["two Configured".to_owned()]), "{answer}");
    assert_eq!(told(&merge(&world).await), ["one Configured"]);
    assert_eq!(world.get(&one).await["data"]["k"], "branch");
}

#[tokio::test]
async fn a_line_is_not_merged_into_itself() {
    let world = forked().await;
    for (path, spec, code) in [
        (format!("{GROUP}/branches/main/merge"), json!({}), 400),
        (on(&format!("{GROUP}/branches/none/merge")), json!({}), 404),
        (on(&format!("{GROUP}/changesets")), json!({"merge": {"branch": "canary"}}), 400),
        (on(&format!("{GROUP}/changesets")), json!({"merge": {"branch": "main"}}), 201),
    ] {
        let (found, answer) = world.send("ann", Method::POST, &path, &[], Some(set(spec))).await;
        assert_eq!(found, code, "{path}: {answer}");
    }
}
