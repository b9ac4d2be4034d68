//! The past over a store in memory: `/at/<moment>` and `commits`.

use crate::world::{World, names, version};
use http::Method;
use http_body_util::BodyExt;
use reddwarf_apiserver::http::ApiBody;
use reddwarf_tests::memory_api::server;
use reddwarf_tests::memory_store::MemoryStore;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

const MAPS: &str = "/api/v1/namespaces/shop/configmaps";
const COMMITS: &str = "/apis/history.reddwarf.dev/v1alpha1";
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

#[tokio::test]
async fn objects_are_read_as_they_were() {
    let world = World::new().await;
    let one = world
        .post(MAPS, json!({"metadata": {"name": "one", "labels": {"a": "b"}}, "data": {"k": "1"}}))
        .await;
    let two = world.post(MAPS, json!({"metadata": {"name": "two"}})).await;
    world.patch(&format!("{MAPS}/one"), json!({"data": {"k": "2"}})).await;
    world.ok(Method::DELETE, &format!("{MAPS}/two"), None).await;

    let at_one = format!("/at/{}", version(&one));
    let at_two = format!("/at/{}", version(&two));
    assert_eq!(world.get(&format!("{at_one}{MAPS}/one")).await, one);
    let list = world.get(&format!("{at_one}{MAPS}")).await;
    assert_eq!((names(&list), version(&list)), (vec!["one"], version(&one)));
    let list = world.get(&format!("{at_two}{MAPS}")).await;
    assert_eq!(
        (names(&list), &list["items"][1]["metadata"]),
        (vec!["one", "two"], &two["metadata"])
    );
    let labelled = world.get(&format!("{at_two}{MAPS}?labelSelector=a%3Db")).await;
    assert_eq!(names(&labelled), ["one"]);
    let everywhere =
        world.get(&format!("{at_two}/api/v1/configmaps?fieldSelector=metadata.name%3Dtwo")).await;
    assert_eq!(names(&everywhere), ["two"]);
    let headers = [("accept", TABLE)];
    let (_, table) =
        world.send("ann", Method::GET, &format!("{at_two}{MAPS}"), &headers, None).await;
    assert_eq!((&table["kind"], &table["rows"][0]["cells"][0]), (&json!("Table"), &json!("one")));
    assert_eq!(names(&world.get(MAPS).await), ["one"]);
    let message = world.refused(Method::GET, &format!("{at_one}{MAPS}/two"), 404).await;
    assert_eq!(message, "configmaps \"two\" not found");
    assert_eq!(names(&world.get(&format!("/at/0{MAPS}")).await), Vec::<&str>::new());
}

#[tokio::test]
async fn pages_of_a_list_show_one_moment() {
    let world = World::new().await;
    let mut last = Value::Null;
    for n in 0..5 {
        last = world.post(MAPS, json!({"metadata": {"name": format!("m{n}")}})).await;
    }
    let now = jiff::Timestamp::now();
    let path = format!("/at/{now}{MAPS}?limit=2");
    let first = world.get(&path).await;
    assert_eq!((names(&first), version(&first)), (vec!["m0", "m1"], version(&last)));
    world.ok(Method::DELETE, &format!("{MAPS}/m3"), None).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let second = world.get(&format!("/at/-0s{MAPS}?limit=9&continue={token}")).await;
    assert_eq!((names(&second), version(&second)), (vec!["m2", "m3", "m4"], version(&last)));
}

#[tokio::test]
async fn the_past_cannot_be_changed_and_is_told_apart_from_the_future() {
    let world = World::new().await;
    world.post(MAPS, json!({"metadata": {"name": "one"}})).await;
    let in_the_past =
        |what: &str| format!("{what} is not possible in the past, which is read-only");
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let message = world.refused(method.clone(), &format!("/at/1{MAPS}/one"), 405).await;
        assert_eq!(message, in_the_past(method.as_str()));
    }
    let message = world.refused(Method::GET, &format!("/at/1{MAPS}?watch=1"), 405).await;
    assert_eq!(message, in_the_past("watch"));
    for (moment, code, wanted) in [
        ("yesterday", 400, "names no moment"),
        ("-5", 400, "missing unit"),
        ("2999-01-01T00:00:00Z", 400, "lies in the future"),
        ("2001-01-01T00:00:00Z", 410, "begins at revision"),
        ("-90000d", 410, "begins at revision"),
        ("ffffffff", 404, "there is no commit ffffffff"),
    ] {
        let message = world.refused(Method::GET, &format!("/at/{moment}{MAPS}"), code).await;
        assert!(message.contains(wanted), "{moment}: {message}");
    }
    let path = format!("/at/1{MAPS}");
    let (code, answer) = world.send("nobody", Method::GET, &path, &[], None).await;
    assert_eq!((code, &answer["reason"]), (403, &json!("Forbidden")));
}

#[tokio::test]
async fn custom_kinds_are_those_of_the_time() {
    let world = World::new().await;
    let before = version(&world.get("/api/v1/namespaces/shop").await).to_owned();
    let definition = json!({
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object",
                    "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    world.post(path, definition).await;
    // No loop runs here that would say so.
    let status = json!({"status": {
        "acceptedNames": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "conditions": [{"type": "Established", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z", "reason": "r", "message": "m"}]}});
    world.patch(&format!("{path}/widgets.example.com/status"), status).await;
    let widgets = "/apis/example.com/v1/namespaces/shop/widgets";
    let widget = world
        .post(
            widgets,
            json!({"apiVersion": "example.com/v1", "kind": "Widget",
        "metadata": {"name": "w"}, "size": 3}),
        )
        .await;
    world.ok(Method::DELETE, &format!("{path}/widgets.example.com"), None).await;

    let then = format!("/at/{}", version(&widget));
    assert_eq!(world.get(&format!("{then}{widgets}/w")).await, widget);
    assert_eq!(names(&world.get(&format!("{then}{widgets}")).await), ["w"]);
    let groups = |list: &Value| {
        let groups = list["groups"].as_array().expect("groups");
        groups.iter().any(|group| group["name"] == "example.com")
    };
    assert!(groups(&world.get(&format!("{then}/apis")).await));
    assert!(!groups(&world.get(&format!("/at/{before}/apis")).await));
    world.refused(Method::GET, &format!("/at/{before}{widgets}"), 404).await;
}

#[tokio::test]
async fn commits_tell_who_changed_what() {
    let world = World::new().await;
    let said = [("reddwarf-message", "first try"), ("user-agent", "kubectl/v1.36.2 (linux)")];
    let map = json!({"metadata": {"name": "one"}, "data": {"k": "1"}});
    world.send("bob", Method::POST, MAPS, &said, Some(map)).await;
    world.post(MAPS, json!({"metadata": {"name": "other"}})).await;
    let cause = json!({"metadata": {"annotations": {"kubernetes.io/change-cause": "a cause"}}, "data": {"k": "2"}});
    world.patch(&format!("{MAPS}/one"), cause).await;
    world.ok(Method::DELETE, &format!("{MAPS}/one"), None).await;

    let of_one = format!("{COMMITS}/namespaces/shop/commits?fieldSelector=object%3Dconfigmaps/one");
    let list = world.get(&of_one).await;
    let shown: Vec<_> = list["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|commit| {
            (
                commit["verb"].as_str(),
                commit["author"]["user"].as_str(),
                commit["message"].as_str(),
                commit["changes"][0]["change"].as_str(),
            )
        })
        .map(|(verb, user, message, change)| {
            [verb, user, message, change].map(|text| text.unwrap_or("-").to_owned()).join(" ")
        })
        .collect();
    assert_eq!(
        shown,
        ["delete ann - Deleted", "patch ann a cause Updated", "create bob first try Created",]
    );
    let commit = &list["items"][1];
    assert_eq!((&commit["summary"], &commit["branch"]), (&json!("configmaps/one"), &json!("main")));
    assert_eq!(commit["parents"].as_array().map(Vec::len), Some(1));

    // By name, by the first digits of the id, and by revision; and as a moment of the past.
    let id = commit["id"].as_str().expect("an id");
    let revision = commit["lastRevision"].as_str().expect("a revision");
    for named in [commit["metadata"]["name"].as_str().expect("a name"), id, &id[..9], revision] {
        let found = world.get(&format!("{COMMITS}/namespaces/shop/commits/{named}")).await;
        assert_eq!(&found["id"], id, "{named}");
        let then = world.get(&format!("/at/{named}{MAPS}/one")).await;
        assert_eq!(then["data"]["k"], "2", "{named}");
    }
    world.refused(Method::GET, &format!("{COMMITS}/namespaces/shop/commits/nosuch"), 404).await;

    let found = world.get(&format!("{COMMITS}/namespaces/shop/commits/{revision}")).await;
    let cause = json!({"kubernetes.io/change-cause": "a cause"});
    assert_eq!(
        found["changes"][0]["fields"],
        json!([
            {"path": ".data.k", "before": "1", "after": "2"},
            {"path": ".metadata.annotations", "after": cause},
        ])
    );

    // Pages, other selectors, and what is not known.
    let first = world.get(&format!("{of_one}&limit=2")).await;
    let token = first["metadata"]["continue"].as_str().expect("a token");
    let second = world.get(&format!("{of_one}&limit=2&continue={token}")).await;
    assert_eq!((names(&first).len(), names(&second).len()), (2, 1));
    assert_eq!(second["items"][0]["verb"], "create");
    let by_bob = world.get(&format!("{COMMITS}/commits?fieldSelector=author%3Dbob")).await;
    assert_eq!(names(&by_bob).len(), 1);
    let not_bob = world
        .get(&format!(
            "{COMMITS}/namespaces/shop/commits?fieldSelector=author!%3Dbob,verb%3Dcreate"
        ))
        .await;
    assert_eq!(names(&not_bob).len(), 1);
    let all = world.get(&format!("{COMMITS}/commits")).await;
    assert_eq!(names(&all).len(), 5);
    let elsewhere = world.get(&format!("{COMMITS}/namespaces/nowhere/commits")).await;
    assert_eq!(names(&elsewhere).len(), 0);
    let message = world
        .refused(Method::GET, &format!("{COMMITS}/commits?fieldSelector=colour%3Dred"), 400)
        .await;
    assert!(message.contains("field label not supported: colour"), "{message}");
    world.refused(Method::POST, &format!("{COMMITS}/namespaces/shop/commits"), 405).await;
    let then = world.get(&format!("/at/{revision}{of_one}")).await;
    assert_eq!(names(&then).len(), 2);

    let headers = [("accept", TABLE)];
    let (_, table) = world.send("ann", Method::GET, &of_one, &headers, None).await;
    let heads: Vec<_> = table["columnDefinitions"]
        .as_array()
        .expect("columns")
        .iter()
        .map(|column| column["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(
        heads,
        ["Name", "Revision", "Age", "Author", "Verb", "Objects", "Message", "Manager", "Agent"]
    );
    assert_eq!(table["rows"][2]["cells"][3], "bob");
    let documents = world.get("/apis/history.reddwarf.dev/v1alpha1").await;
    let mut resources = documents["resources"].as_array().expect("resources").iter();
    let commits = resources.find(|resource| resource["name"] == "commits").expect("served");
    assert_eq!(commits["verbs"], json!(["get", "list", "watch"]));
}

/// The events of a watch, of which several may come at once.
struct Events {
    body: ApiBody,
    events: VecDeque<Value>,
}

impl Events {
    async fn open(world: &World, path: &str) -> Events {
        Events { body: world.open("ann", path).await, events: VecDeque::new() }
    }

    async fn next(&mut self) -> Value {
        while self.events.is_empty() {
            let frame = tokio::time::timeout(Duration::from_secs(10), self.body.frame()).await;
            let frame = frame.expect("in time").expect("open").expect("whole");
            let text = String::from_utf8_lossy(frame.data_ref().expect("data")).into_owned();
            self.events.extend(text.lines().map(|line| serde_json::from_str(line).expect("JSON")));
        }
        self.events.pop_front().expect("an event")
    }

    /// Type, summary and verb of the next event.
    async fn told(&mut self) -> [String; 3] {
        let event = self.next().await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        [text(&event["type"]), text(&event["object"]["summary"]), text(&event["object"]["verb"])]
    }
}

fn added(summary: &str, verb: &str) -> [String; 3] {
    ["ADDED", summary, verb].map(str::to_owned)
}

#[tokio::test]
async fn commits_are_watched_from_where_a_list_ended() {
    let world = World::new().await;
    let commits = format!("{COMMITS}/namespaces/shop/commits");
    world.post(MAPS, json!({"metadata": {"name": "before"}})).await;
    let list = world.get(&commits).await;
    let path = format!("{commits}?watch=true&resourceVersion={}", version(&list));
    let mut all = Events::open(&world, &path).await;
    let of_two = format!("{path}&fieldSelector=object%3Dconfigmaps/two");
    let mut of_two = Events::open(&world, &of_two).await;
    let mut of_bob = Events::open(&world, &format!("{path}&fieldSelector=author%3Dbob")).await;
    world.post(MAPS, json!({"metadata": {"name": "one"}})).await;
    world.post("/api/v1/namespaces", json!({"metadata": {"name": "elsewhere"}})).await;
    world.post(MAPS, json!({"metadata": {"name": "two"}})).await;
    let body = Some(json!({"metadata": {"name": "three"}}));
    world.send("bob", Method::POST, MAPS, &[], body).await;
    world.ok(Method::DELETE, &format!("{MAPS}/two"), None).await;
    for name in ["configmaps/one", "configmaps/two", "configmaps/three"] {
        assert_eq!(all.told().await, added(name, "create"));
    }
    let deleted = all.next().await["object"].clone();
    assert_eq!(deleted["verb"], "delete");
    let kept =
        world.get(&format!("{commits}/{}", deleted["lastRevision"].as_str().expect("one"))).await;
    assert_eq!((&deleted["metadata"], &deleted["id"]), (&kept["metadata"], &kept["id"]));
    assert_eq!(of_two.told().await, added("configmaps/two", "create"));
    assert_eq!(of_two.told().await, added("configmaps/two", "delete"));
    assert_eq!(of_bob.told().await, added("configmaps/three", "create"));

    // Resumed in the middle, by name, and as a table.
    let at = kept["firstRevision"].as_str().expect("a revision").parse::<u64>().expect("a number");
    let resumed = format!("{commits}?watch=true&resourceVersion={}", at - 1);
    assert_eq!(Events::open(&world, &resumed).await.next().await["object"], deleted);
    let name = kept["metadata"]["name"].as_str().expect("a name");
    let named = format!(
        "{COMMITS}/commits?watch=true&resourceVersion=1&fieldSelector=metadata.name%3D{name}"
    );
    assert_eq!(Events::open(&world, &named).await.next().await["object"]["id"], deleted["id"]);
    let request = [("accept", TABLE)];
    let path = format!("{resumed}&timeoutSeconds=1");
    let (_, line) = world.send("ann", Method::GET, &path, &request, None).await;
    assert_eq!(
        (&line["type"], &line["object"]["kind"], &line["object"]["rows"][0]["cells"][4]),
        (&json!("ADDED"), &json!("Table"), &json!("delete"))
    );
    let (code, _) = world.send("nobody", Method::GET, &resumed, &[], None).await;
    assert_eq!(code, 403);
    world.refused(Method::GET, &format!("{resumed}&fieldSelector=colour%3Dred"), 400).await;
}

#[tokio::test]
async fn a_watch_of_commits_may_begin_with_all_there_are() {
    let world = World::new().await;
    for n in 0..700 {
        world.post(MAPS, json!({"metadata": {"name": format!("m{n}")}})).await;
    }
    let path = format!(
        "{COMMITS}/namespaces/shop/commits?watch=true&allowWatchBookmarks=true&sendInitialEvents=true\
         &resourceVersionMatch=NotOlderThan&resourceVersion="
    );
    let mut watch = Events::open(&world, &path).await;
    for n in 0..700 {
        assert_eq!(watch.told().await, added(&format!("configmaps/m{n}"), "create"));
    }
    let bookmark = watch.next().await;
    assert_eq!(bookmark["type"], "BOOKMARK");
    let metadata = &bookmark["object"]["metadata"];
    assert_eq!(metadata["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(version(&bookmark["object"]), version(&world.get(MAPS).await));
    world.post(MAPS, json!({"metadata": {"name": "more"}})).await;
    assert_eq!(watch.told().await, added("configmaps/more", "create"));
}

#[tokio::test]
async fn what_history_has_lost_cannot_be_watched() {
    let world = World(server(MemoryStore::with_history(2), "127.0.0.1:6443".into()));
    world.post("/api/v1/namespaces", json!({"metadata": {"name": "shop"}})).await;
    for n in 0..3 {
        world.post(MAPS, json!({"metadata": {"name": format!("m{n}")}})).await;
    }
    let path = format!("{COMMITS}/namespaces/shop/commits?watch=true&resourceVersion=1");
    let event = Events::open(&world, &path).await.next().await;
    assert_eq!((&event["type"], &event["object"]["code"]), (&json!("ERROR"), &json!(410)));
}

#[tokio::test]
async fn a_branch_tells_its_own_commits_and_then_ends() {
    let world = World::new().await;
    let first = world.post(MAPS, json!({"metadata": {"name": "one"}})).await;
    let before = version(&first).parse::<u64>().expect("a number") - 1;
    let branches = format!("{COMMITS}/branches");
    let branch = json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "Branch", "metadata": {"name": "b"}});
    world.post(&branches, branch).await;
    let commits = format!("{COMMITS}/namespaces/shop/commits?watch=true&resourceVersion={before}");
    let mut watch = Events::open(&world, &format!("/branches/b{commits}")).await;
    let mut main = Events::open(&world, &commits).await;
    world.patch(&format!("{MAPS}/one"), json!({"data": {"main": "1"}})).await;
    world.ok(Method::DELETE, &format!("/branches/b{MAPS}/one"), None).await;
    assert_eq!(watch.told().await, added("configmaps/one", "create"));
    assert_eq!(watch.told().await, added("configmaps/one", "delete"));
    assert_eq!(main.told().await, added("configmaps/one", "create"));
    assert_eq!(main.told().await, added("configmaps/one", "patch"));
    world.ok(Method::DELETE, &format!("{branches}/b"), None).await;
    let end = tokio::time::timeout(Duration::from_secs(10), watch.body.frame()).await;
    assert!(end.expect("in time").is_none());
}
