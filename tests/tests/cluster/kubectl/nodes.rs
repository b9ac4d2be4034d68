//! Nodes and the pods on them: `cordon`, `drain`, `taint`, `debug`, and what asks a kubelet.

use super::turns::Kubectl;
use reddwarf_tests::cluster::{Cluster, eventually};

/// Creates a pod and waits until it runs; gives its node.
async fn run(kubectl: &Kubectl<'_>, name: &str) -> String {
    eventually("the pod is accepted", async || {
        let create = format!("run {name} --image=registry.example/one:1 --labels=app=x");
        kubectl.run(&create).status.success()
    })
    .await;
    kubectl.ok(&format!("wait --for=condition=Ready pod/{name} --timeout=20s"));
    kubectl.ok(&format!("get pod {name} -o jsonpath={{.spec.nodeName}}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_cordoned_drained_and_tainted() {
    let cluster = Cluster::start_with_workers(3, 2).await;
    let kubectl = Kubectl::new(&cluster);
    let node = run(&kubectl, "one").await;
    kubectl.says(&format!("cordon {node}"), "cordoned");
    kubectl.says(&format!("cordon {node}"), "already cordoned");
    kubectl.says(&format!("get node {node}"), "Ready,SchedulingDisabled");
    assert_ne!(run(&kubectl, "two").await, node);
    kubectl.says(&format!("uncordon {node}"), "uncordoned");

    kubectl.refused(&format!("drain {node} --timeout=5s"), "declare no controller");
    let drain = format!("drain {node} --force --ignore-daemonsets --delete-emptydir-data");
    kubectl.says(&format!("{drain} --dry-run=server"), "(server dry run)");
    kubectl.prints("get pod one -o name", "pod/one");
    kubectl.ok("create pdb guard --selector=run-by=none --min-available=1");
    kubectl.ok("label pod one run-by=none");
    kubectl.ok("wait --for=jsonpath={.status.currentHealthy}=1 pdb/guard --timeout=20s");
    kubectl.refused(&format!("{drain} --timeout=3s"), "disruption budget");
    kubectl.ok("delete pdb guard");
    kubectl.says(&format!("{drain} --timeout=20s"), &format!("node/{node} drained"));
    kubectl.refused("get pod one", "NotFound");
    kubectl.says(&format!("get node {node}"), "SchedulingDisabled");
    kubectl.ok(&format!("uncordon {node}"));

    kubectl.says(&format!("taint node {node} use=special:NoSchedule"), "tainted");
    kubectl.prints(&format!("get node {node} -o jsonpath={{.spec.taints[0].value}}"), "special");
    assert_ne!(run(&kubectl, "three").await, node);
    kubectl.refused(&format!("taint node {node} use=other:NoSchedule"), "already has");
    kubectl.ok(&format!("taint node {node} use=other:NoSchedule --overwrite"));
    kubectl.says(&format!("taint node {node} use-"), "untainted");
    kubectl.ok(&format!("label node {node} disk=fast"));
    kubectl.prints("get nodes -l disk=fast -o name", &format!("node/{node}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_asks_a_kubelet_says_that_none_answers() {
    let cluster = Cluster::start_with_workers(3, 1).await;
    let kubectl = Kubectl::new(&cluster);
    let node = run(&kubectl, "one").await;
    for line in [
        "logs one",
        "logs -l app=x --all-containers",
        "exec one -- true",
        "attach one",
        "port-forward pod/one 0:80",
        "cp one:/etc/hosts HOSTS",
    ] {
        let line = line.replace("HOSTS", &cluster.group.folder.join("hosts").display().to_string());
        let output = kubectl.run(&line);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && !said.trim().is_empty(), "{line}: {output:?}");
        assert!(!said.contains("panic") && !said.contains("InternalError)"), "{line}: {said}");
    }
    kubectl.refused("top nodes", "Metrics API not available");
    kubectl.refused("top pods", "Metrics API not available");

    kubectl.says("debug one --image=registry.example/tools --target=one -c tool", "");
    let added =
        "{.spec.ephemeralContainers[0].name}{.spec.ephemeralContainers[0].targetContainerName}";
    kubectl.prints(&format!("get pod one -o jsonpath={added}"), "toolone");
    kubectl.ok("debug one --image=registry.example/tools --copy-to=copy --share-processes");
    kubectl.says("get pod copy -o jsonpath={.spec.shareProcessNamespace}", "true");
    kubectl.says(
        &format!("debug node/{node} --image=registry.example/tools"),
        "Creating debugging pod",
    );
    let debugger = "{.items[?(@.spec.hostPID==true)].spec.nodeName}";
    kubectl.prints(&format!("get pods -o jsonpath='{debugger}'"), &node);
}
