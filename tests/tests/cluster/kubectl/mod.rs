//! Stock kubectl against every member.

mod about;
mod access;
mod apply;
mod change;
mod create;
mod describe;
mod get;
mod nodes;
mod rollout;
mod turns;

use reddwarf_tests::cluster::{Cluster, eventually};
use std::fs;
use std::os::unix::fs::PermissionsExt;

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
    let file = cluster.write("deployment.yaml", DEPLOYMENT);
    let path = file.as_str();
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
async fn an_object_goes_over_to_server_side_apply() {
    let cluster = Cluster::start(3).await;
    let file = cluster.write("deployment.yaml", DEPLOYMENT);
    let path = file.as_str();
    cluster.kubectl_ok(1, &["apply", "-f", path]);
    fs::write(&file, DEPLOYMENT.replace("web:1", "web:2")).expect("written");
    let apply = ["apply", "--server-side", "-f", path];
    cluster.kubectl_ok(2, &apply);
    let managers = "jsonpath={.metadata.managedFields[*].manager}";
    let managers = cluster.kubectl_ok(3, &["get", "deployment", "web", "-o", managers]);
    assert!(!managers.contains("kubectl-client-side-apply"), "{managers}");
    assert!(cluster.kubectl(1, &["diff", "--server-side", "-f", path]).status.success());
    cluster.kubectl_ok(3, &["scale", "deployment/web", "--replicas=5"]);
    let refused = cluster.kubectl(1, &apply);
    let refused = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.contains("with subresource \"scale\" using apps/v1: .spec.replicas"),
        "{refused}"
    );
    cluster.kubectl_ok(1, &[&apply[..], &["--force-conflicts"]].concat());
    // What is no longer applied goes.
    fs::write(&file, DEPLOYMENT.replace(", ports: [{containerPort: 80}]", "")).expect("written");
    cluster.kubectl_ok(2, &apply);
    let ports = "jsonpath={.spec.replicas} {.spec.template.spec.containers[0].ports}";
    assert_eq!(cluster.kubectl_ok(3, &["get", "deployment", "web", "-o", ports]).trim(), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pods_are_scheduled_and_run_on_simulated_workers() {
    let cluster = Cluster::start_with_workers(3, 3).await;
    let nodes = cluster.kubectl_ok(2, &["get", "nodes"]);
    assert_eq!(nodes.matches(" Ready ").count(), 3, "{nodes}");
    let file = cluster.write("pod.yaml", POD);
    // The account that pods run as is made in the background.
    eventually("the pod is accepted", async || {
        cluster.kubectl(2, &["apply", "-f", &file]).status.success()
    })
    .await;
    for i in 1..=3 {
        let next = i % 3 + 1;
        cluster.kubectl_ok(i, &["apply", "-f", &file]);
        cluster.kubectl_ok(next, &["wait", "--for=condition=Ready", "pod/one", "--timeout=20s"]);
        let running = ["wait", "--for=jsonpath={.status.phase}=Running", "pod/one"];
        cluster.kubectl_ok(next, &running);
        let wide = cluster.kubectl_ok(i, &["get", "pods", "-o", "wide"]);
        assert!(wide.contains("Running") && wide.contains("hollow-"), "{wide}");
        let events = cluster.kubectl_ok(next, &["events", "--for", "pod/one"]);
        assert!(events.contains("Successfully assigned default/one to hollow-"), "{events}");
        let reasons = ["get", "events", "-o", "jsonpath={.items[*].reason}"];
        assert!(cluster.kubectl_ok(next, &reasons).contains("Scheduled"));
        let described = cluster.kubectl_ok(i, &["describe", "pod", "one"]);
        assert!(described.contains("Successfully assigned"), "{described}");
        cluster.kubectl_ok(i, &["delete", "pod", "one", "--timeout=20s", "--grace-period=1"]);
        let gone = cluster.kubectl_refused(next, &["get", "pod", "one"]);
        assert!(gone.contains("NotFound"), "{gone}");
    }
}

/// A namespace and what lives in it, in one file.
const SHOP: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {colour: red}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80}]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_with_a_namespace_and_its_objects_is_applied_compared_and_edited() {
    let cluster = Cluster::start(3).await;
    let file = cluster.write("shop.yaml", SHOP);
    let editor = cluster.write("editor", "#!/bin/sh\nsed -i s/red/blue/ \"$1\"\n");
    fs::set_permissions(&editor, fs::Permissions::from_mode(0o755)).expect("executable");
    for i in 1..=3 {
        let next = i % 3 + 1;
        let applied = cluster.kubectl_ok(i, &["apply", "-f", &file]);
        assert_eq!(applied.matches(" created\n").count(), 3, "{applied}");
        let again = cluster.kubectl_ok(next, &["apply", "-f", &file]);
        assert_eq!(again.matches(" unchanged\n").count(), 3, "{again}");
        let colour = ["-n", "shop", "get", "cm", "settings", "-o", "jsonpath={.data.colour}"];

        let edit = ["-n", "shop", "edit", "configmap", "settings"];
        let edited = cluster.kubectl_command(i, &edit).env("KUBE_EDITOR", &editor).output();
        assert!(edited.expect("kubectl runs").status.success());
        assert_eq!(cluster.kubectl_ok(next, &colour), "blue");

        let diff = cluster.kubectl(i, &["diff", "-f", &file]);
        let shown = String::from_utf8_lossy(&diff.stdout);
        assert_eq!(diff.status.code(), Some(1), "{diff:?}");
        assert!(shown.contains("-  colour: blue") && shown.contains("+  colour: red"), "{shown}");
        let trial = cluster.kubectl_ok(i, &["apply", "--dry-run=server", "-f", &file]);
        assert!(trial.contains("configmap/settings configured (server dry run)"), "{trial}");
        assert_eq!(cluster.kubectl_ok(next, &colour), "blue", "a dry run changes nothing");
        cluster.kubectl_ok(i, &["apply", "-f", &file]);
        assert_eq!(cluster.kubectl(next, &["diff", "-f", &file]).status.code(), Some(0));

        let all = cluster.kubectl_ok(next, &["-n", "shop", "get", "all", "-o", "wide"]);
        assert!(all.contains("service/web") && all.contains("app=web"), "{all}");
        cluster.kubectl_ok(i, &["-n", "shop", "create", "job", "once", "--image=x"]);
        cluster.kubectl_ok(i, &["delete", "namespace", "shop", "--timeout=20s"]);
        let gone = cluster.kubectl_refused(next, &["get", "namespace", "shop"]);
        assert!(gone.contains("NotFound"), "{gone}");
    }
}

/// What a controller would report of a deployment of two that is done.
fn done(generation: &str) -> String {
    format!(
        r#"{{"status":{{"observedGeneration":{generation},"replicas":2,"updatedReplicas":2,
        "readyReplicas":2,"availableReplicas":2,"conditions":[
        {{"type":"Available","status":"True","reason":"MinimumReplicasAvailable"}}]}}}}"#
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rollout_is_told_and_awaited() {
    let cluster = Cluster::start(3).await;
    let file = cluster.write("deployment.yaml", DEPLOYMENT);
    for i in 1..=3 {
        let next = i % 3 + 1;
        cluster.kubectl_ok(i, &["create", "-f", &file]);
        let set = ["set", "image", "deployment/web", "main=registry.example/web:2"];
        assert_eq!(cluster.kubectl_ok(i, &set), "deployment.apps/web image updated\n");
        let rollout = ["rollout", "status", "deployment/web", "--timeout=1s"];
        // No controller has seen it.
        let waiting = cluster.kubectl_refused(next, &rollout);
        assert!(waiting.contains("timed out waiting"), "{waiting}");
        let available = ["wait", "--for=condition=Available", "deployment/web", "--timeout=1s"];
        assert!(cluster.kubectl_refused(next, &available).contains("timed out waiting"));

        let generation = ["get", "deployment", "web", "-o", "jsonpath={.metadata.generation}"];
        let generation = cluster.kubectl_ok(i, &generation);
        assert_eq!(generation, "2");
        let patch = done(&generation);
        cluster.kubectl_ok(
            i,
            &["patch", "deployment/web", "--subresource=status", "--type=merge", "-p", &patch],
        );
        let rolled = cluster.kubectl_ok(next, &rollout);
        assert!(rolled.contains("successfully rolled out"), "{rolled}");
        cluster.kubectl_ok(next, &available);
        let listed = cluster.kubectl_ok(i, &["get", "deployment", "web", "-o", "wide"]);
        assert!(listed.contains("2/2") && listed.contains("registry.example/web:2"), "{listed}");

        let scale = ["scale", "deployment/web", "--current-replicas=2", "--replicas=3"];
        assert_eq!(cluster.kubectl_ok(i, &scale), "deployment.apps/web scaled\n");
        let wait = ["wait", "--for=jsonpath={.spec.replicas}=3", "deployment/web", "--timeout=5s"];
        cluster.kubectl_ok(next, &wait);
        cluster.kubectl_refused(next, &scale);
        let described = cluster.kubectl_ok(next, &["describe", "deployment", "web"]);
        assert!(described.contains("3 desired | 2 updated | 2 total | 2 available"), "{described}");
        cluster.kubectl_ok(i, &["delete", "deployment", "web"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_tells_about_itself() {
    let cluster = Cluster::start(3).await;
    for i in 1..=3 {
        let ok = |arguments: &[&str]| cluster.kubectl_ok(i, arguments);
        let version = ok(&["version"]);
        assert!(version.contains("Server Version: v1.36.2+reddwarf."), "{version}");
        let info = ok(&["cluster-info"]);
        assert!(info.contains("Kubernetes control plane") && info.contains("https://"), "{info}");
        let resources = ok(&["api-resources", "--no-headers"]);
        for wanted in ["po ", "deploy ", "ns ", "leases ", "customresourcedefinitions "] {
            assert!(resources.contains(wanted), "{wanted}: {resources}");
        }
        let versions = ok(&["api-versions"]);
        assert!(versions.lines().any(|line| line == "apps/v1"), "{versions}");
        let explained = ok(&["explain", "pod.spec.containers.image"]);
        assert!(explained.contains("FIELD: image <string>"), "{explained}");
        let whole = ok(&["explain", "deployment", "--recursive"]);
        assert!(whole.contains("matchExpressions\t<[]LabelSelectorRequirement>"), "{whole}");
        assert_eq!(ok(&["get", "--raw", "/healthz"]), "ok");
        assert!(ok(&["get", "--raw", "/readyz?verbose"]).contains("readyz check passed"));
        let roots: serde_json::Value =
            serde_json::from_str(&ok(&["get", "--raw", "/reddwarf/roots"])).expect("JSON");
        let newest = roots["roots"].as_array().and_then(|roots| roots.last()).expect("a root");
        let index = newest["index"].as_u64().expect("an index");
        assert!(newest["root"].as_str().is_some_and(|root| root.len() == 64), "{roots}");
        let beyond = format!("/reddwarf/roots?since={}", index + 1_000_000);
        assert_eq!(ok(&["get", "--raw", &beyond]), r#"{"roots":[]}"#);
        assert_eq!(ok(&["auth", "can-i", "delete", "nodes"]), "yes\n");
        assert!(ok(&["auth", "whoami"]).contains("system:masters"));
        let yaml = ok(&["get", "service", "kubernetes", "-o", "yaml"]);
        let parsed: serde_json::Value = serde_yaml_ng::from_str(&yaml).expect("YAML");
        assert_eq!(parsed["spec"]["ports"][0]["port"], 443);
        let columns = "custom-columns=NAME:.metadata.name,PHASE:.status.phase";
        let custom = ok(&["get", "namespace", "default", "-o", columns]);
        assert!(custom.ends_with("default   Active\n"), "{custom}");
        let sorted = ok(&["get", "namespaces", "--sort-by=.metadata.name", "-o", "name"]);
        assert!(sorted.lines().is_sorted(), "{sorted}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_refused_in_the_usual_words() {
    let cluster = Cluster::start(3).await;
    let map = "apiVersion: v1\nkind: ConfigMap\n";
    let bad_name = cluster.write("name.yaml", &format!("{map}metadata: {{name: Bad_Name}}\n"));
    let unknown =
        cluster.write("field.yaml", &format!("{map}metadata: {{name: x}}\ndatta: {{}}\n"));
    for i in 1..=3 {
        let refused = |arguments: &[&str]| cluster.kubectl_refused(i, arguments);
        assert!(refused(&["create", "-f", &bad_name]).contains("a lowercase RFC 1123 subdomain"));
        assert!(refused(&["create", "-f", &unknown]).contains("unknown field \"datta\""));
        assert!(refused(&["get", "pod", "nosuch"]).contains("pods \"nosuch\" not found"));
        assert!(refused(&["get", "nosuch"]).contains("doesn't have a resource type"));
        let there = refused(&["create", "namespace", "default"]);
        assert!(there.contains("AlreadyExists"), "{there}");
        assert!(refused(&["delete", "namespace", "default"]).contains("Forbidden"));
        let nowhere = refused(&["-n", "nowhere", "create", "configmap", "x"]);
        assert!(nowhere.contains("namespaces \"nowhere\" not found"), "{nowhere}");
        let old = format!("{map}metadata: {{name: old-{i}, resourceVersion: '1'}}\n");
        let old = cluster.write("old.yaml", &old);
        cluster.kubectl_ok(i, &["create", "configmap", &format!("old-{i}")]);
        let stale = refused(&["replace", "-f", &old]);
        assert!(stale.contains("the object has been modified"), "{stale}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_only_a_kubelet_knows_is_asked_of_nobody() {
    let cluster = Cluster::start(3).await;
    let file = cluster.write("pod.yaml", POD);
    eventually("the pod is accepted", async || {
        cluster.kubectl(1, &["create", "-f", &file]).status.success()
    })
    .await;
    for i in 1..=3 {
        assert_eq!(cluster.kubectl_ok(i, &["logs", "one"]), "", "it has not begun to run");
        let other = cluster.kubectl_refused(i, &["logs", "one", "-c", "other"]);
        assert!(other.contains("container other is not valid for pod one"), "{other}");
        let exec = cluster.kubectl_refused(i, &["exec", "one", "--", "true"]);
        assert!(exec.contains("pod one does not have a host assigned"), "{exec}");
        assert!(cluster.kubectl_refused(i, &["logs", "nosuch"]).contains("not found"));
    }
}
