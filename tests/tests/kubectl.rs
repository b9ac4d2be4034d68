//! Stock kubectl against every member.

use reddwarf_tests::cluster::{Cluster, eventually};
use std::fs;

const DEPLOYMENT: &str = r"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: main, image: 'registry.example/web:1', ports: [{containerPort: 80}]}
";

const POD: &str = r"
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one}}
spec:
  containers:
  - {name: main, image: 'registry.example/one:1'}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verbs_work_on_every_member_and_show_on_the_others() {
    let cluster = Cluster::start(3).await;
    for i in 1..=3 {
        let other = i % 3 + 1;
        let name = format!("settings-{i}");
        let map = format!("configmap/{name}");
        cluster.kubectl_ok(i, &["create", "configmap", &name, "--from-literal=a=b"]);
        let read = ["get", "configmap", &name, "-o", "jsonpath={.data.a}"];
        assert_eq!(cluster.kubectl_ok(other, &read), "b");
        let patch = ["patch", "configmap", &name, "--type=merge", "-p", r#"{"data":{"a":"c"}}"#];
        cluster.kubectl_ok(i, &patch);
        assert_eq!(cluster.kubectl_ok(other, &read), "c");
        cluster.kubectl_ok(i, &["label", &map, "tier=test"]);
        let labelled = cluster.kubectl_ok(other, &["get", "cm", "-l", "tier=test", "-o", "name"]);
        assert!(labelled.contains(&map), "{labelled}");
        cluster.kubectl_ok(i, &["annotate", &map, "note=here"]);
        cluster.kubectl_ok(i, &["delete", &map]);
        let gone = cluster.kubectl(other, &["get", &map]);
        assert!(String::from_utf8_lossy(&gone.stderr).contains("NotFound"), "{gone:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_is_three_way_and_the_other_commands_work() {
    let cluster = Cluster::start(3).await;
    let file = cluster.group.folder.join("deployment.yaml");
    let path = file.to_str().expect("a plain path");
    for i in 1..=3 {
        fs::write(&file, DEPLOYMENT).expect("written");
        cluster.kubectl_ok(i, &["apply", "-f", path]);
        let again = cluster.kubectl_ok(i, &["apply", "-f", path]);
        assert!(again.contains("unchanged"), "{again}");
        cluster.kubectl_ok(i, &["scale", "deployment/web", "--replicas=5"]);
        let changed = DEPLOYMENT.replace("web:1", "web:2").replace("  replicas: 2\n", "");
        fs::write(&file, changed).expect("written");
        let diff = cluster.kubectl(i, &["diff", "-f", path]);
        assert_eq!(diff.status.code(), Some(1), "a difference: {diff:?}");
        cluster.kubectl_ok(i, &["apply", "-f", path]);
        let image = "jsonpath={.spec.template.spec.containers[0].image}";
        let shown = cluster.kubectl_ok(i % 3 + 1, &["get", "deployment", "web", "-o", image]);
        assert_eq!(shown, "registry.example/web:2");
        cluster.kubectl_ok(i, &["set", "image", "deployment/web", "main=registry.example/web:3"]);
        cluster.kubectl_ok(i, &["rollout", "restart", "deployment/web"]);
        cluster.kubectl_ok(i, &["edit", "deployment/web"]);
        let explained = cluster.kubectl_ok(i, &["explain", "deployment.spec.replicas"]);
        assert!(explained.contains("replicas"), "{explained}");
        let listed = cluster.kubectl_ok(i, &["get", "deployments"]);
        assert!(listed.contains("UP-TO-DATE"), "{listed}");
        cluster.kubectl_ok(i, &["api-resources"]);
        cluster.kubectl_ok(i, &["version"]);
        cluster.kubectl_ok(i, &["delete", "-f", path]);
        cluster.kubectl_ok(i, &["wait", "--for=delete", "deployment/web", "--timeout=10s"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_scheduled_and_run_on_simulated_workers() {
    let cluster = Cluster::start_with_workers(3, 3).await;
    let nodes = cluster.kubectl_ok(2, &["get", "nodes"]);
    assert_eq!(nodes.matches(" Ready ").count(), 3, "{nodes}");
    let file = cluster.group.folder.join("pod.yaml");
    fs::write(&file, POD).expect("written");
    let path = file.to_str().expect("a plain path");
    // The account that pods run as is made in the background.
    eventually("the pod is accepted", async || {
        cluster.kubectl(2, &["apply", "-f", path]).status.success()
    })
    .await;
    cluster.kubectl_ok(3, &["wait", "--for=condition=Ready", "pod/one", "--timeout=20s"]);
    let wide = cluster.kubectl_ok(1, &["get", "pods", "-o", "wide"]);
    assert!(wide.contains("Running"), "{wide}");
    cluster.kubectl_ok(1, &["delete", "pod", "one", "--timeout=20s", "--grace-period=1"]);
}
