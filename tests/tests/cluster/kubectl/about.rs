//! What the server and kubectl tell of themselves.

use super::turns::Kubectl;
use reddwarf_tests::cluster::{Cluster, kubectl_program};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resources_are_told_and_explained() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    kubectl.says("api-resources --namespaced=false -o name", "nodes");
    kubectl.says(
        "api-resources --api-group=apps -o wide",
        "create,delete,deletecollection,get,list,patch,update,watch",
    );
    kubectl.says("api-resources --verbs=list,get --sort-by=kind --cached", "ConfigMap");
    kubectl.says("api-resources --categories=all -o name", "deployments.apps");
    kubectl.says("api-versions", "rbac.authorization.k8s.io/v1");
    kubectl.says("explain pods.spec.containers.livenessProbe", "FIELDS:");
    kubectl.says("explain hpa --api-version=autoscaling/v1", "VERSION:    v1");
    kubectl.says("explain hpa.spec.metrics --api-version=autoscaling/v2", "MetricSpec");
    kubectl.refused("explain pod.nosuch", "field \"nosuch\" does not exist");
    let version: serde_json::Value =
        serde_json::from_str(&kubectl.ok("version -o json")).expect("JSON");
    assert_eq!(version["serverVersion"]["major"], "1", "{version}");
    kubectl.says("cluster-info", "is running at");
    let dump = kubectl.ok("cluster-info dump");
    for wanted in ["NodeList", "EventList", "DaemonSetList", "PodList"] {
        assert!(dump.contains(wanted), "{wanted}: {dump}");
    }
    let folder = cluster.group.folder.join("dump");
    kubectl
        .ok(&format!("cluster-info dump --all-namespaces --output-directory={}", folder.display()));
    assert!(folder.join("nodes.json").is_file() && folder.join("default/pods.json").is_file());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shells_are_helped_to_complete_names() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    for shell in ["bash", "zsh", "fish", "powershell"] {
        kubectl.says(&format!("completion {shell}"), "kubectl");
    }
    kubectl.ok("create cm shown");
    for (line, wanted) in [
        ("get cm sho", "shown"),
        ("get confi", "configmaps"),
        ("get cm --namespace kube-s", "kube-system"),
        ("describe deployments.ap", "deployments.apps"),
    ] {
        let said = complete(&cluster, line);
        assert!(said.contains(wanted), "{line}: {said}");
    }
    kubectl.says("options", "--kubeconfig");
    let output = kubectl.run("plugin list");
    assert!(!output.stderr.is_empty() || output.status.success(), "{output:?}");
}

/// What kubectl proposes to complete a line with; this command takes no flags before it.
fn complete(cluster: &Cluster, line: &str) -> String {
    let output = Command::new(kubectl_program())
        .arg("__complete")
        .args(line.split(' '))
        .env("KUBECONFIG", cluster.group.admin_kubeconfig())
        .env("HOME", &cluster.group.folder)
        .output()
        .expect("kubectl runs");
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What the proxy at `address` answers.
fn ask(address: &str, path: &str) -> String {
    let mut connection = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_stands_before_each_member() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    for _ in 1..=3 {
        let mut command = kubectl.command("proxy --port=0");
        let mut proxy = command.stdout(Stdio::piped()).spawn().expect("kubectl runs");
        let mut said = String::new();
        let out = proxy.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut said).expect("it prints text");
        let address = said.trim().rsplit(' ').next().expect("an address").to_owned();
        assert!(ask(&address, "/healthz").ends_with("ok"), "{said}");
        assert!(ask(&address, "/api/v1/namespaces/default").contains("\"Active\""));
        assert!(ask(&address, "/api/v1/namespaces/default/pods/x/exec").contains("403"));
        proxy.kill().expect("it runs");
        proxy.wait().expect("it ends");
    }
}
