//! Merges of branches, reverts and restorations over a store in memory, and what differs.

use crate::world::{World, names, version};
use http::Method;
use serde_json::{Value, json};

const GROUP: &str = "/apis/history.reddwarf.dev/v1alpha1";
const MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const WEB: &str = "/apis/apps/v1/namespaces/shop/deployments/web";
const CANARY: &str = "/branches/canary";

fn map(name: &str, data: Value) -> Value {
    json!({"metadata": {"name": name}, "data": data})
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

async fn branch(world: &World, name: &str) {
    let object = json!({
        "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch", "metadata": {"name": name}
    });
    world.post(&format!("{GROUP}/branches"), object).await;
}

/// A world with a deployment of two containers and three maps, and the branch `canary` of it.
async fn forked() -> World {
    let world = World::new().await;
    world.post(WEB.rsplit_once('/').expect("a path").0, deployment()).await;
    for name in ["one", "three", "two"] {
        world.post(MAPS, map(name, json!({"k": "1"}))).await;
    }
    branch(&world, "canary").await;
    world
}

fn set(spec: Value) -> Value {
    json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet", "spec": spec})
}

async fn try_merge(world: &World, spec: Value, query: &str) -> (u16, Value) {
    let path = format!("{GROUP}/branches/canary/merge{query}");
    world.send("ann", Method::POST, &path, &[], Some(set(spec))).await
}

async fn merge(world: &World) -> Value {
    let (code, answer) = try_merge(world, json!({}), "").await;
    assert_eq!(code, 201, "{answer}");
    answer
}

/// `resource/name` and change of each object of an answer.
fn told(answer: &Value) -> Vec<(String, String)> {
    let objects = answer["status"]["objects"].as_array().expect("objects");
    let text = |object: &Value, field: &str| object[field].as_str().unwrap_or_default().to_owned();
    let named = |object: &Value| format!("{}/{}", text(object, "resource"), text(object, "name"));
    objects.iter().map(|object| (named(object), text(object, "change"))).collect()
}

fn told_as(named: &str, change: &str) -> (String, String) {
    (named.to_owned(), change.to_owned())
}

fn image(deployment: &Value, container: usize) -> &Value {
    &deployment["spec"]["template"]["spec"]["containers"][container]["image"]
}

fn images(container: &str, image: &str) -> Value {
    json!({"spec": {"template": {"spec": {"containers": [{"name": container, "image": image}]}}}})
}

async fn strategic(world: &World, path: &str, patch: Value) {
    let headers = [("content-type", "application/strategic-merge-patch+json")];
    let (code, answer) = world.send("ann", Method::PATCH, path, &headers, Some(patch)).await;
    assert_eq!(code, 200, "{answer}");
}

#[tokio::test]
async fn a_branch_is_merged_field_by_field_as_one_commit() {
    let world = forked().await;
    let on = |path: &str| format!("{CANARY}{path}");
    strategic(&world, &on(WEB), images("a", "a:2")).await;
    world.post(&on(MAPS), map("new", json!({"k": "1"}))).await;
    world.ok(Method::DELETE, &on(&format!("{MAPS}/two")), None).await;
    // Main goes on meanwhile.
    strategic(&world, WEB, images("b", "b:2")).await;
    world.patch(WEB, json!({"spec": {"replicas": 3}})).await;
    world.patch(&format!("{MAPS}/three"), json!({"data": {"main": "1"}})).await;

    let (code, plan) = try_merge(&world, json!({}), "?dryRun=All").await;
    assert_eq!(code, 201, "{plan}");
    assert_eq!(world.get(WEB).await["spec"]["replicas"], 3);
    assert_eq!(*image(&world.get(WEB).await, 0), "a:1", "a plan changes nothing");

    let before = world.get(WEB).await;
    let merged = merge(&world).await;
    let expected = [
        told_as("configmaps/new", "Created"),
        told_as("deployments/web", "Configured"),
        told_as("configmaps/two", "Pruned"),
    ];
    let mut changes = told(&merged);
    changes.sort_by_key(|(_, change)| match change.as_str() {
        "Created" => 0,
        "Configured" => 1,
        _ => 2,
    });
    assert_eq!(changes, expected);
    let web = world.get(WEB).await;
    assert_eq!((image(&web, 0), image(&web, 1)), (&json!("a:2"), &json!("b:2")));
    assert_eq!(web["spec"]["replicas"], 3);
    assert_eq!(web["metadata"]["uid"], before["metadata"]["uid"]);
    assert_eq!(names(&world.get(MAPS).await), ["new", "one", "three"]);

    let commit = merged["status"]["commit"].as_str().expect("a commit");
    let path = format!("{GROUP}/namespaces/shop/commits/{}", &commit[..16]);
    let commit = world.get(&path).await;
    assert_eq!(commit["parents"].as_array().map(Vec::len), Some(2));
    assert_eq!(
        (&commit["verb"], &commit["message"]),
        (&json!("merge"), &json!("Merge branch canary"))
    );
    assert_eq!(commit["changes"].as_array().map(Vec::len), Some(3));

    // What was merged is not merged again, and main's later changes stay.
    world.patch(WEB, json!({"spec": {"replicas": 5}})).await;
    let again = merge(&world).await;
    assert!(again["status"]["commit"].is_null(), "{again}");
    world.post(&on(MAPS), map("later", json!({"k": "1"}))).await;
    assert_eq!(told(&merge(&world).await), [told_as("configmaps/later", "Created")]);
    assert_eq!(world.get(WEB).await["spec"]["replicas"], 5);
}

#[tokio::test]
async fn conflicts_name_fields_and_authors_and_change_nothing() {
    let world = forked().await;
    let on = |path: &str| format!("{CANARY}{path}");
    world.patch(&on(WEB), json!({"spec": {"replicas": 7}})).await;
    world.post(&on(MAPS), map("new", json!({"k": "1"}))).await;
    world.patch(&on(&format!("{MAPS}/one")), json!({"data": {"k": "theirs"}})).await;
    world.ok(Method::DELETE, &format!("{MAPS}/one"), None).await;
    world.patch(WEB, json!({"spec": {"replicas": 2}})).await;
    let before = version(&world.get(MAPS).await).to_owned();
    let (code, answer) = try_merge(&world, json!({}), "").await;
    assert_eq!((code, &answer["reason"]), (409, &json!("Conflict")), "{answer}");
    assert_eq!(answer["message"], "2 conflicts in 2 objects; nothing was changed");
    let causes = answer["details"]["causes"].as_array().expect("causes");
    let fields: Vec<_> = causes.iter().map(|c| c["field"].as_str().expect("a field")).collect();
    assert_eq!(fields[1], "deployments.apps/web in shop: .spec.replicas");
    assert!(fields[0].starts_with("configmaps/one in shop: "), "{fields:?}");
    let message = causes[1]["message"].as_str().expect("a message");
    assert!(message.starts_with("base 1, ours 2 (ann, commit "), "{message}");
    assert!(message.contains("), theirs 7 (ann, commit "), "{message}");
    assert_eq!(version(&world.get(MAPS).await), before);

    let spec = json!({"theirs": [".spec.replicas"], "ours": ["configmaps/one in shop"]});
    let (code, answer) = try_merge(&world, spec, "").await;
    assert_eq!(code, 201, "{answer}");
    assert_eq!(world.get(WEB).await["spec"]["replicas"], 7);
    assert_eq!(names(&world.get(MAPS).await), ["new", "three", "two"]);
}

#[tokio::test]
async fn field_owners_of_both_sides_stay() {
    let world = forked().await;
    let apply = |path: String, manager: &'static str, object: Value| {
        let world = &world;
        async move {
            let path = format!("{path}?fieldManager={manager}&force=true");
            let headers = [("content-type", "application/apply-patch+yaml")];
            let (code, answer) =
                world.send("ann", Method::PATCH, &path, &headers, Some(object)).await;
            assert!(code < 300, "{answer}");
        }
    };
    let one = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": data});
    apply(format!("{CANARY}{MAPS}/one"), "canary", one(json!({"c": "1"}))).await;
    apply(format!("{MAPS}/one"), "main", one(json!({"m": "1"}))).await;
    merge(&world).await;
    let merged = world.get(&format!("{MAPS}/one")).await;
    assert_eq!(merged["data"], json!({"k": "1", "c": "1", "m": "1"}));
    let owned = |manager: &str| {
        let entries = merged["metadata"]["managedFields"].as_array().expect("entries");
        let entry = entries.iter().find(|entry| entry["manager"] == manager);
        entry.map(|entry| entry["fieldsV1"]["f:data"].clone()).unwrap_or_default()
    };
    assert_eq!((owned("canary"), owned("main")), (json!({"f:c": {}}), json!({"f:m": {}})));
}

#[tokio::test]
async fn what_a_branch_changed_is_told() {
    let world = forked().await;
    let on = |path: &str| format!("{CANARY}{path}");
    world.patch(&on(WEB), json!({"spec": {"replicas": 7}})).await;
    world.post(&on(MAPS), map("new", json!({"k": "1"}))).await;
    world.ok(Method::DELETE, &on(&format!("{MAPS}/two")), None).await;
    world.patch(&format!("{MAPS}/three"), json!({"data": {"k": "main"}})).await;
    let diff = world.get(&format!("{GROUP}/branches/canary/diff")).await;
    let expected = [
        told_as("configmaps/new", "Created"),
        told_as("configmaps/two", "Deleted"),
        told_as("deployments/web", "Updated"),
    ];
    assert_eq!(told(&diff), expected);
    let fields = &diff["status"]["objects"][2]["fields"];
    assert!(fields.to_string().contains(".spec.replicas"), "{fields}");

    let ask = async |spec: Value| {
        let object =
            json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Diff", "spec": spec});
        world.post(&format!("{GROUP}/diffs"), object).await
    };
    // Against main as it is now.
    let diff =
        ask(json!({"to": "branches/canary", "namespace": "shop", "show": "JsonPatch"})).await;
    let mut all = expected.to_vec();
    all.insert(1, told_as("configmaps/three", "Updated"));
    assert_eq!(told(&diff), all);
    let patch = &diff["status"]["objects"][3]["jsonPatch"];
    assert!(patch.to_string().contains(r#""path":"/spec/replicas""#), "{patch}");
    // Between two moments.
    let base = diff["status"]["to"]["base"].as_str().expect("a revision").to_owned();
    let diff = ask(json!({"from": base, "show": "Versions"})).await;
    assert_eq!(told(&diff), [told_as("configmaps/three", "Updated")]);
    assert_eq!(diff["status"]["objects"][0]["new"]["data"]["k"], "main");
    let diff = ask(json!({"from": "branches/canary", "to": "branches/canary"})).await;
    assert!(told(&diff).is_empty());
}

#[tokio::test]
async fn a_commit_is_reverted_against_later_changes() {
    let world = forked().await;
    world.patch(WEB, json!({"spec": {"replicas": 4}})).await;
    let changed = world.get(WEB).await;
    strategic(&world, WEB, images("b", "b:2")).await;
    let path = format!("{GROUP}/changesets");
    let revert = set(json!({"revert": {"commit": version(&changed)}}));
    world.post(&path, revert.clone()).await;
    let web = world.get(WEB).await;
    assert_eq!((&web["spec"]["replicas"], image(&web, 1)), (&json!(1), &json!("b:2")));
    // A later change of the same field is in the way.
    world.patch(WEB, json!({"spec": {"replicas": 9}})).await;
    let (code, answer) = world.send("ann", Method::POST, &path, &[], Some(revert)).await;
    assert_eq!(code, 409, "{answer}");
    let nothing = set(json!({"revert": {"commit": "ffffffff"}}));
    let (code, _) = world.send("ann", Method::POST, &path, &[], Some(nothing)).await;
    assert_eq!(code, 404);
}

#[tokio::test]
async fn what_was_deleted_comes_back_with_its_owners() {
    let world = forked().await;
    let owner = world.get(&format!("{MAPS}/one")).await;
    let mut owned = map("owned", json!({"k": "1"}));
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "one", "uid": owner["metadata"]["uid"]
    }]);
    owned["metadata"]["labels"] = json!({"keep": "yes"});
    let owned = world.post(MAPS, owned).await;
    let then = version(&owned).to_owned();
    for name in ["one", "owned"] {
        world.ok(Method::DELETE, &format!("{MAPS}/{name}"), None).await;
    }
    world.patch(&format!("{MAPS}/two"), json!({"data": {"k": "2"}})).await;
    world.post(MAPS, map("since", json!({}))).await;
    let path = format!("{GROUP}/changesets");
    let restore = set(json!({"restore": {"at": then, "namespace": "shop"}}));
    let answer = world.post(&path, restore).await;
    assert_eq!(answer["status"]["objects"].as_array().map(Vec::len), Some(3), "{answer}");
    let (one, back) =
        (world.get(&format!("{MAPS}/one")).await, world.get(&format!("{MAPS}/owned")).await);
    assert_ne!(one["metadata"]["uid"], owner["metadata"]["uid"]);
    assert_eq!(back["metadata"]["ownerReferences"][0]["uid"], one["metadata"]["uid"]);
    assert_eq!(world.get(&format!("{MAPS}/two")).await["data"]["k"], "1");
    assert_eq!(names(&world.get(MAPS).await), ["one", "owned", "since", "three", "two"]);

    // Only what had a label.
    for name in ["one", "owned"] {
        world.ok(Method::DELETE, &format!("{MAPS}/{name}"), None).await;
    }
    let labelled =
        set(json!({"restore": {"at": then, "namespace": "shop", "labelSelector": "keep=yes"}}));
    let answer = world.post(&path, labelled).await;
    assert_eq!(told(&answer), [told_as("configmaps/owned", "Created")]);
}

#[tokio::test]
async fn what_comes_back_has_no_status_of_another_life() {
    let world = forked().await;
    let status = |replicas: u32| json!({"status": {"replicas": replicas, "readyReplicas": 1}});
    let then = world.patch(&format!("{WEB}/status"), status(3)).await;
    assert_eq!(then["status"]["replicas"], 3);
    let pods = "/api/v1/namespaces/shop/pods";
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let account = json!({"metadata": {"name": "default"}});
    world.post("/api/v1/namespaces/shop/serviceaccounts", account).await;
    world.post(pods, pod).await;
    let running = json!({"status": {"phase": "Running", "podIP": "10.0.0.1"}});
    let then = version(&world.patch(&format!("{pods}/p/status"), running).await).to_owned();
    world.ok(Method::DELETE, WEB, None).await;
    world.ok(Method::DELETE, &format!("{pods}/p?gracePeriodSeconds=0"), None).await;
    let restore = || set(json!({"restore": {"at": then, "namespace": "shop"}}));
    let path = format!("{GROUP}/changesets");
    let answer = world.post(&path, restore()).await;
    assert_eq!(answer["status"]["objects"].as_array().map(Vec::len), Some(2), "{answer}");
    assert_eq!(world.get(WEB).await["status"], json!({}));
    let pod = world.get(&format!("{pods}/p")).await;
    assert_eq!(
        (&pod["status"]["phase"], &pod["status"]["podIP"]),
        (&json!("Pending"), &Value::Null)
    );

    // One that lived on has the status that it had.
    world.patch(&format!("{WEB}/status"), status(5)).await;
    world.post(&path, restore()).await;
    assert_eq!(world.get(WEB).await["status"]["replicas"], 3);
}

#[tokio::test]
async fn sets_that_ask_for_nothing_or_two_things_are_refused() {
    let world = forked().await;
    let path = format!("{GROUP}/changesets");
    for (spec, code) in [
        (json!({}), 400),
        (json!({"merge": {"branch": "canary"}, "revert": {"commit": "5"}}), 400),
        (json!({"merge": {"branch": "other"}}), 404),
        (json!({"restore": {"at": "tomorrow"}}), 400),
        (
            json!({"fieldManager": "ann", "objects": [{
                "apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch",
                "metadata": {"name": "b"}, "spec": {}
            }]}),
            400,
        ),
    ] {
        let (found, answer) =
            world.send("ann", Method::POST, &path, &[], Some(set(spec.clone()))).await;
        assert_eq!(found, code, "{spec}: {answer}");
    }
}
