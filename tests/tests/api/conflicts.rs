//! Conflicts over a store in memory: what a 409 tells of the changes since, and writes that are
//! merged instead.

use crate::world::{World, version};
use futures::future::join_all;
use http::Method;
use reddwarf_tests::meddled_store::MeddledStore;
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const ONE: &str = "/api/v1/namespaces/shop/configmaps/one";
const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const MERGE: [(&str, &str); 1] = [("reddwarf-merge", "true")];
const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// Makes a map and changes it in two commits; its first version.
async fn changed_twice(world: &World) -> Value {
    let data = json!({"a": "1", "b": "1", "c": "1"});
    let first = world.post(MAPS, json!({"metadata": {"name": "one"}, "data": data})).await;
    let edit = [
        ("content-type", "application/merge-patch+json"),
        ("user-agent", "kubectl-edit/v1.36.2 (linux)"),
    ];
    for (user, change) in [("bob", json!({"a": "2"})), ("eve", json!({"b": "2", "d": "2"}))] {
        let body = Some(json!({"data": change}));
        let (code, answer) = world.send(user, Method::PATCH, ONE, &edit, body).await;
        assert_eq!(code, 200, "{answer}");
    }
    first
}

async fn put(world: &World, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    world.send("ann", Method::PUT, path, headers, Some(body.clone())).await
}

/// Field and message of each cause.
fn causes(answer: &Value) -> Vec<(&str, &str)> {
    let causes = answer["details"]["causes"].as_array().map_or(&[][..], Vec::as_slice);
    let text = |cause: &'_ Value, field: &str| cause[field].as_str().unwrap_or_default().len();
    assert!(causes.iter().all(|cause| text(cause, "reason") > 0), "{answer}");
    let told = causes.iter().map(|cause| {
        (cause["field"].as_str().unwrap_or_default(), cause["message"].as_str().expect("a message"))
    });
    told.collect()
}

fn without_causes(mut answer: Value) -> Value {
    answer["details"].as_object_mut().expect("details").remove("causes");
    answer
}

fn plain(name: &str) -> Value {
    let message = format!("Operation cannot be fulfilled on configmaps {name:?}: {MODIFIED}");
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": "Conflict", "code": 409,
        "details": {"name": name, "kind": "configmaps"}
    })
}

#[tokio::test]
async fn a_conflict_names_what_has_changed_since_and_by_whom() {
    let world = World::new().await;
    let mut mine = changed_twice(&world).await;
    mine["data"]["c"] = "mine".into();
    let (code, answer) = put(&world, ONE, &[], &mine).await;
    assert_eq!((code, without_causes(answer.clone())), (409, plain("one")));
    let path =
        "/apis/history.reddwarf.dev/v1alpha1/namespaces/shop/commits?fieldSelector=author%3Dbob";
    let commit = world.get(path).await["items"][0].clone();
    let [first, ..] = causes(&answer)[..] else { panic!("no causes: {answer}") };
    let expected = format!(
        "changed by bob (kubectl-edit) in commit {}, revision {}, at {}",
        &commit["id"].as_str().expect("an id")[..12],
        commit["lastRevision"].as_str().expect("a revision"),
        commit["time"].as_str().expect("a time"),
    );
    assert_eq!(first, (".data.a", expected.as_str()));
    let by_eve: Vec<_> = causes(&answer)[1..].to_vec();
    let fields: Vec<_> = by_eve.iter().map(|(field, _)| *field).collect();
    assert_eq!(fields, [".data.b", ".data.d"]);
    assert!(by_eve.iter().all(|(_, message)| message.starts_with("changed by eve (kubectl-edit)")));
    assert!(!answer.to_string().contains("\"2\""), "values stay out of it: {answer}");

    // A patch that names a version, and a deletion.
    let patch = [("content-type", "application/merge-patch+json")];
    let body = json!({"metadata": {"resourceVersion": version(&mine)}, "data": {"c": "mine"}});
    let (code, answer) = world.send("ann", Method::PATCH, ONE, &patch, Some(body)).await;
    assert_eq!((code, causes(&answer).len()), (409, 3), "{answer}");
    let options = json!({"preconditions": {"resourceVersion": version(&mine)}});
    let (code, answer) = world.send("ann", Method::DELETE, ONE, &[], Some(options)).await;
    assert_eq!((code, causes(&answer).len()), (409, 3), "{answer}");
    assert_eq!(answer["details"]["kind"], "ConfigMap");
}

#[tokio::test]
async fn who_has_read_nothing_and_loses_to_itself_is_answered_as_upstream_does() {
    let world = World::new().await;
    let first = world.post(MAPS, json!({"metadata": {"name": "one"}, "data": {"a": "1"}})).await;
    world.patch(ONE, json!({"data": {"a": "2"}})).await;
    let mine = json!({"metadata": {"name": "one", "resourceVersion": version(&first)}});
    assert_eq!(put(&world, ONE, &[], &mine).await, (409, plain("one")));
    // A version that is none of the object's, or of one that it never had.
    for other in ["1", "999999"] {
        let mut mine = first.clone();
        mine["metadata"]["resourceVersion"] = other.into();
        assert_eq!(put(&world, ONE, &[], &mine).await, (409, plain("one")), "{other}");
    }
    let (code, answer) = put(&world, ONE, &[], &first).await;
    assert_eq!((code, causes(&answer).len()), (409, 1), "{answer}");
}

#[tokio::test]
async fn what_is_told_has_limits_and_no_secrets() {
    let world = World::new().await;
    let first = world.post(MAPS, json!({"metadata": {"name": "one"}, "data": {}})).await;
    let many: serde_json::Map<_, _> = (0..40).map(|n| (format!("k{n}"), json!("v"))).collect();
    world.patch(ONE, json!({"data": many})).await;
    let mut mine = first.clone();
    let (_, answer) = put(&world, ONE, &[], &mine).await;
    // As a map that was not there it is one field; after that, many.
    assert_eq!(causes(&answer).len(), 1, "{answer}");
    mine = world.get(ONE).await;
    let other: serde_json::Map<_, _> = (0..40).map(|n| (format!("k{n}"), json!("w"))).collect();
    world.patch(ONE, json!({"data": other})).await;
    let (_, answer) = put(&world, ONE, &[], &mine).await;
    let told = causes(&answer);
    assert_eq!((told.len(), told[32]), (33, ("", "8 more fields")));

    // Changes further back than are looked at have no name.
    let stale = world.get(ONE).await;
    world.patch(ONE, json!({"data": {"early": "x"}})).await;
    for n in 0..70 {
        world.patch(ONE, json!({"data": {"late": n.to_string()}})).await;
    }
    let (_, answer) = put(&world, ONE, &[], &stale).await;
    let told = causes(&answer);
    assert_eq!(told[0], (".data.early", "changed in an earlier commit"));
    assert!(told[1].1.starts_with("changed by ann"), "{told:?}");

    let secrets = "/api/v1/namespaces/shop/secrets";
    let secret = json!({"metadata": {"name": "s"}, "stringData": {"password": "old"}});
    let secret = world.post(secrets, secret).await;
    world.patch(&format!("{secrets}/s"), json!({"stringData": {"password": "new"}})).await;
    let (code, answer) = put(&world, &format!("{secrets}/s"), &[], &secret).await;
    assert_eq!((code, causes(&answer)[0].0), (409, ".data.password"));
    let text = answer.to_string();
    assert!(!text.contains("bmV3") && !text.contains("b2xk"), "{text}");
}

#[tokio::test]
async fn without_a_history_of_the_version_it_is_a_plain_conflict() {
    let world = World(server(MemoryStore::with_history(2), "127.0.0.1:6443".into()));
    world.post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    let first = changed_twice(&world).await;
    world.patch(ONE, json!({"data": {"e": "1"}})).await;
    assert_eq!(put(&world, ONE, &[], &first).await, (409, plain("one")));
    assert_eq!(put(&world, ONE, &MERGE, &first).await, (409, plain("one")));
}

#[tokio::test]
async fn a_client_that_asks_for_it_has_its_update_merged() {
    let world = World::new().await;
    let mut mine = changed_twice(&world).await;
    mine["data"]["c"] = "mine".into();
    mine["data"]["e"] = "mine".into();
    mine["metadata"]["labels"] = json!({"by": "ann"});
    let path = format!("{ONE}?fieldManager=ann");
    let (code, merged) = put(&world, &path, &MERGE, &mine).await;
    assert_eq!(code, 200, "{merged}");
    let data = json!({"a": "2", "b": "2", "c": "mine", "d": "2", "e": "mine"});
    assert_eq!((&merged["data"], &merged["metadata"]["labels"]["by"]), (&data, &json!("ann")));
    assert_eq!(world.get(ONE).await, merged);
    // Whoever changed a field owns it.
    let owned = |manager: &str| {
        let entries = merged["metadata"]["managedFields"].as_array().expect("entries");
        let entry = entries.iter().find(|entry| entry["manager"] == manager);
        entry.map(|entry| entry["fieldsV1"]["f:data"].clone()).unwrap_or_default()
    };
    assert_eq!(owned("ann"), json!({"f:c": {}, "f:e": {}}));
    assert_eq!(owned("kubectl-edit"), json!({"f:a": {}, "f:b": {}, "f:d": {}}));

    // A patch that names a version; one that removes what stayed as it was.
    let patch = [MERGE[0], ("content-type", "application/merge-patch+json")];
    let body = json!({"metadata": {"resourceVersion": version(&mine)}, "data": {"c": null}});
    let (code, answer) = world.send("bob", Method::PATCH, ONE, &patch, Some(body)).await;
    assert_eq!(code, 409, "ann has changed it since: {answer}");
    let body = json!({"metadata": {"resourceVersion": version(&merged)}, "data": {"f": "bob"}});
    world.patch(ONE, json!({"data": {"a": "3"}})).await;
    let (code, answer) = world.send("bob", Method::PATCH, ONE, &patch, Some(body)).await;
    assert_eq!(
        (code, &answer["data"]["f"], &answer["data"]["a"]),
        (200, &json!("bob"), &json!("3"))
    );

    // Only who asks.
    let (code, _) = put(&world, ONE, &[("reddwarf-merge", "false")], &mine).await;
    assert_eq!(code, 409);
}

#[tokio::test]
async fn overlapping_changes_are_a_conflict_that_names_both_sides() {
    let world = World::new().await;
    let mut mine = changed_twice(&world).await;
    mine["data"]["a"] = "mine".into();
    mine["data"]["c"] = "mine".into();
    let before = world.get(ONE).await;
    let (code, answer) = put(&world, ONE, &MERGE, &mine).await;
    assert_eq!((code, &answer["reason"]), (409, &json!("Conflict")), "{answer}");
    let told = causes(&answer);
    assert_eq!((told.len(), told[0].0), (1, ".data.a"));
    let message = told[0].1;
    assert!(message.starts_with("base by ann in commit "), "{message}");
    assert!(
        message.contains(", ours by ann in this request, theirs by bob (kubectl-edit) in commit ")
    );
    assert_eq!(world.get(ONE).await, before);
    // The same on both sides is none.
    mine["data"]["a"] = "2".into();
    let (code, answer) = put(&world, ONE, &MERGE, &mine).await;
    assert_eq!((code, &answer["data"]["c"]), (200, &json!("mine")), "{answer}");
}

fn deployment() -> Value {
    let container = |name: &str| json!({"name": name, "image": format!("{name}:1")});
    json!({
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container("a"), container("b")]}
            }
        }
    })
}

#[tokio::test]
async fn lists_are_merged_by_their_keys_and_status_apart() {
    let world = World::new().await;
    let mut mine = world.post(WEB.rsplit_once('/').expect("a path").0, deployment()).await;
    let mut by_status = mine.clone();
    let image = |object: &mut Value, container: usize, image: &str| {
        object["spec"]["template"]["spec"]["containers"][container]["image"] = image.into();
    };
    let mut theirs = mine.clone();
    image(&mut theirs, 0, "a:2");
    let (code, answer) = put(&world, WEB, &[], &theirs).await;
    assert_eq!(code, 200, "{answer}");
    image(&mut mine, 1, "b:2");
    mine["status"] = json!({"replicas": 9});
    let (code, merged) = put(&world, WEB, &MERGE, &mine).await;
    assert_eq!(code, 200, "{merged}");
    let containers = &merged["spec"]["template"]["spec"]["containers"];
    assert_eq!((&containers[0]["image"], &containers[1]["image"]), (&json!("a:2"), &json!("b:2")));
    assert_eq!(merged["metadata"]["generation"], 3);
    assert!(merged["status"]["replicas"].is_null(), "{merged}");

    by_status["status"] = json!({"replicas": 1, "observedGeneration": 1});
    by_status["spec"]["replicas"] = 77.into();
    let (code, merged) = put(&world, &format!("{WEB}/status"), &MERGE, &by_status).await;
    assert_eq!((code, &merged["status"]["replicas"]), (200, &json!(1)), "{merged}");
    assert_eq!(
        (&merged["spec"]["replicas"], &merged["metadata"]["generation"]),
        (&json!(1), &json!(3))
    );
    let scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 5},
        "metadata": {"name": "web", "resourceVersion": version(&by_status)}
    });
    let (code, _) = put(&world, &format!("{WEB}/scale"), &MERGE, &scale).await;
    assert_eq!(code, 409);
}

#[tokio::test]
async fn what_comes_of_a_merge_is_checked_like_any_update() {
    let world = World::new().await;
    let mut mine = changed_twice(&world).await;
    world.patch(ONE, json!({"immutable": true})).await;
    mine["data"]["c"] = "mine".into();
    let (code, answer) = put(&world, ONE, &MERGE, &mine).await;
    assert_eq!(code, 422, "{answer}");
    let (code, merged) = {
        mine["data"]["c"] = "1".into();
        mine["metadata"]["labels"] = json!({"late": "yes"});
        put(&world, &format!("{ONE}?dryRun=All"), &MERGE, &mine).await
    };
    assert_eq!((code, &merged["metadata"]["labels"]["late"]), (200, &json!("yes")), "{merged}");
    assert!(world.get(ONE).await["metadata"]["labels"].is_null(), "a dry run changes nothing");
}

#[tokio::test]
async fn writers_of_other_fields_all_get_through() {
    let world = World::new().await;
    let first = world.post(MAPS, json!({"metadata": {"name": "one"}, "data": {"k": "v"}})).await;
    let writes = (0..12).map(|n| {
        let (world, mut mine) = (&world, first.clone());
        mine["data"][format!("w{n}")] = "x".into();
        async move { put(world, ONE, &MERGE, &mine).await.0 }
    });
    assert_eq!(join_all(writes).await, [200; 12]);
    assert_eq!(world.get(ONE).await["data"].as_object().map(|data| data.len()), Some(13));
}

#[tokio::test]
async fn a_merge_that_is_outrun_is_made_again() {
    let store = MeddledStore::new();
    let world = World(server(store.clone(), "127.0.0.1:6443".into()));
    world.post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    let mut mine = world.post(MAPS, json!({"metadata": {"name": "one"}, "data": {"a": "1"}})).await;
    world.patch(ONE, json!({"data": {"late": "1"}})).await;
    let late = store.last().expect("a write").changes;
    world.patch(ONE, json!({"data": {"late": null, "early": "1"}})).await;
    mine["data"]["mine"] = "1".into();
    // Right before the merge lands, the object becomes another once more.
    store.outrun(late);
    let (code, merged) = put(&world, ONE, &MERGE, &mine).await;
    assert_eq!((code, &merged["data"]), (200, &json!({"a": "1", "late": "1", "mine": "1"})));
    assert_eq!(world.get(ONE).await, merged);
}

#[tokio::test]
async fn a_branch_has_conflicts_and_merges_of_its_own() {
    let world = World::new().await;
    let base = world.post(MAPS, json!({"metadata": {"name": "one"}, "data": {"a": "1"}})).await;
    let branch = json!({
        "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch", "metadata": {"name": "b"}
    });
    world.post("/apis/history.reddwarf.dev/v1alpha1/branches", branch).await;
    let on_branch = format!("/branches/b{ONE}");
    world.patch(&on_branch, json!({"data": {"branch": "1"}})).await;
    world.patch(ONE, json!({"data": {"main": "1"}})).await;
    let mut mine = base.clone();
    mine["data"]["mine"] = "1".into();
    let (code, answer) = put(&world, &on_branch, &[], &mine).await;
    assert_eq!((code, causes(&answer).len(), causes(&answer)[0].0), (409, 1, ".data.branch"));
    let (code, merged) = put(&world, &on_branch, &MERGE, &mine).await;
    assert_eq!((code, &merged["data"]), (200, &json!({"a": "1", "branch": "1", "mine": "1"})));
    assert_eq!(world.get(ONE).await["data"], json!({"a": "1", "main": "1"}));
}
