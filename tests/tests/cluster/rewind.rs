//! The whole cluster brought back as it was, while it runs.

use crate::recovery::run;
use http::Method;
use reddwarf_tests::cluster::{Cluster, eventually};
use reddwarf_tests::writers::PATH;
use serde_json::{Value, json};

async fn send(cluster: &Cluster, method: Method, path: &str, body: Option<Value>) -> Value {
    let answer = cluster.ask(1, method, path, body.as_ref()).await.expect("an answer");
    let told = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(answer.status.is_success(), "{path}: {told}");
    serde_json::from_str(&told).expect("JSON")
}

async fn create(cluster: &Cluster, path: &str, name: &str, colour: &str) {
    let body = json!({"metadata": {"name": name}, "data": {"colour": colour}});
    send(cluster, Method::POST, path, Some(body)).await;
}

/// Names and colours.
async fn colours(cluster: &Cluster, path: &str) -> Vec<String> {
    let list = cluster.get(1, path).await;
    let items = list["items"].as_array().expect("a list").iter();
    let told = items.filter(|item| item["metadata"]["name"] != "kube-root-ca.crt");
    let told = told.map(|item| format!("{}={}", item["metadata"]["name"], item["data"]["colour"]));
    told.collect()
}

async fn absent(cluster: &Cluster, path: &str) -> bool {
    let answer = cluster.ask(1, Method::GET, path, None).await.expect("an answer");
    answer.status.as_u16() == 404
}

async fn namespace(cluster: &Cluster, name: &str) {
    let body = json!({"metadata": {"name": name}});
    send(cluster, Method::POST, "/api/v1/namespaces", Some(body)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_as_it_was_by_one_commit() {
    let cluster = Cluster::start_with_workers(1, 1).await;
    let shop = "/api/v1/namespaces/shop/configmaps";
    namespace(&cluster, "shop").await;
    for name in ["changed", "deleted", "kept"] {
        create(&cluster, shop, name, "blue").await;
    }
    create(&cluster, PATH, "elsewhere", "blue").await;
    let then = cluster.get(1, PATH).await["metadata"]["resourceVersion"].clone();
    let then = then.as_str().expect("a version").to_owned();
    let (of_shop, of_default) = (colours(&cluster, shop).await, colours(&cluster, PATH).await);

    let red = json!({"metadata": {"name": "changed"}, "data": {"colour": "red"}});
    send(&cluster, Method::PUT, &format!("{shop}/changed"), Some(red)).await;
    send(&cluster, Method::DELETE, &format!("{shop}/deleted"), None).await;
    send(&cluster, Method::DELETE, &format!("{PATH}/elsewhere"), None).await;
    namespace(&cluster, "new").await;
    create(&cluster, "/api/v1/namespaces/new/configmaps", "made", "green").await;
    create(&cluster, shop, "made", "green").await;
    let changed = colours(&cluster, shop).await;

    let plan = run(&cluster, &["rewind", "--to", &then, "--plan"]).await.expect("a plan");
    for line in [
        "configmaps/changed in shop would be configured",
        "configmaps/deleted in shop would be created",
        "configmaps/elsewhere in default would be created",
        "configmaps/made in shop would be pruned",
        "namespaces/new would be pruned",
    ] {
        assert!(plan.contains(line), "{line} in {plan}");
    }
    assert!(!plan.contains("nodes/") && !plan.contains("leases"), "{plan}");
    assert_eq!(colours(&cluster, shop).await, changed, "a plan changes nothing");

    let said = run(&cluster, &["rewind", "--to", &then]).await.expect("rewound");
    assert_eq!(said.matches("\ncommit ").count(), 1, "{said}");
    assert_eq!(colours(&cluster, shop).await, of_shop);
    assert_eq!(colours(&cluster, PATH).await, of_default);
    eventually("the new namespace goes", async || absent(&cluster, "/api/v1/namespaces/new").await)
        .await;
    let nodes = cluster.get(1, "/api/v1/nodes").await;
    assert_eq!(nodes["items"].as_array().map(Vec::len), Some(1), "machines stay");
    let log = run(&cluster, &["log", "configmap/changed", "-n", "shop", "--oneline"]).await;
    let log = log.expect("a log");
    assert!(log.lines().next().is_some_and(|line| line.contains("rewind")), "{log}");
    let again = run(&cluster, &["rewind", "--to", &then]).await.expect("nothing to do");
    assert!(again.contains("everything is so already"), "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_much_for_one_commit_goes_in_parts() {
    let cluster = Cluster::start(1).await;
    create(&cluster, PATH, "before", "blue").await;
    let then = cluster.get(1, PATH).await["metadata"]["resourceVersion"].clone();
    let then = then.as_str().expect("a version").to_owned();
    let many = |from: u32| {
        let object = |n| {
            json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": format!("many-{n}")}, "data": {"colour": "green"}})
        };
        let objects: Vec<Value> = (from..from + 600).map(object).collect();
        json!({"apiVersion": "history.reddwarf.dev/v1alpha1", "kind": "ChangeSet",
            "spec": {"objects": objects, "fieldManager": "test"}})
    };
    let sets = "/apis/history.reddwarf.dev/v1alpha1/changesets";
    for from in [0, 600] {
        send(&cluster, Method::POST, sets, Some(many(from))).await;
    }
    send(&cluster, Method::DELETE, &format!("{PATH}/before"), None).await;
    let refused = run(&cluster, &["rewind", "--to", &then]).await.expect_err("too much");
    // What the leader makes in the first moments may be among them.
    assert!(refused.contains("1000 objects in one commit, these are 120"), "{refused}");
    assert!(refused.contains("--in-parts"), "{refused}");
    let said = run(&cluster, &["rewind", "--to", &then, "--in-parts"]).await.expect("rewound");
    assert_eq!(said.matches("\ncommit ").count(), 3, "{said}");
    assert_eq!(colours(&cluster, PATH).await, ["\"before\"=\"blue\""]);
}
