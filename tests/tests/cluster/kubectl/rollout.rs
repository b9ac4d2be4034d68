//! `rollout`, `scale` and `autoscale`.

use super::turns::Kubectl;
use reddwarf_tests::cluster::Cluster;

/// What a deployment's first revision has left behind.
const REVISION: &str = r"
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-REVISION
  labels: {app: web}
  annotations: {deployment.kubernetes.io/revision: 'REVISION', kubernetes.io/change-cause: cause-REVISION}
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: UID, controller: true}]
spec:
  replicas: 0
  selector: {matchLabels: {app: web, pod-template-hash: 'REVISION'}}
  template:
    metadata: {labels: {app: web, pod-template-hash: 'REVISION'}}
    spec: {containers: [{name: web, image: 'registry.example/web:REVISION'}]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollouts_are_paused_resumed_restarted_and_undone() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    kubectl.ok("create deployment web --image=registry.example/web:2 --replicas=0");
    let uid = kubectl.ok("get deployment web -o jsonpath={.metadata.uid}");
    for revision in ["1", "2"] {
        let set = REVISION.replace("REVISION", revision).replace("UID", &uid);
        kubectl.ok_with_input("create -f -", &set);
    }
    let history = kubectl.ok("rollout history deployment/web");
    assert!(history.contains("cause-1") && history.contains("cause-2"), "{history}");
    kubectl.says("rollout history deployment/web --revision=1", "registry.example/web:1");
    kubectl.says("rollout pause deployment/web", "paused");
    kubectl.refused("rollout pause deployment/web", "already paused");
    kubectl.refused("rollout undo deployment/web", "cannot rollback a paused deployment");
    kubectl.refused("rollout restart deployment/web", "can't restart paused deployment");
    kubectl.says("rollout resume deployment/web", "resumed");
    kubectl.says("rollout undo deployment/web --to-revision=1", "rolled back");
    let image = "get deployment web -o jsonpath={.spec.template.spec.containers[0].image}";
    kubectl.prints(image, "registry.example/web:1");
    kubectl.says("rollout restart deployment web", "restarted");
    let restarted = "{.spec.template.metadata.annotations.kubectl\\.kubernetes\\.io/restartedAt}";
    kubectl.says(&format!("get deployment web -o jsonpath='{restarted}'"), "T");
    kubectl.refused("rollout status deployment/nosuch", "not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workloads_are_scaled() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    kubectl.ok("create deployment web --image=registry.example/web:1 --replicas=0");
    kubectl.ok("create deployment api --image=registry.example/api:1 --replicas=0");
    kubectl.says("scale deployment web api --replicas=1", "deployment.apps/api scaled");
    kubectl.says("scale deployment -l app=web --replicas=2", "scaled");
    kubectl.says("scale deploy/web --current-replicas=2 --replicas=3", "scaled");
    kubectl
        .refused("scale deploy/web --current-replicas=2 --replicas=4", "Expected replicas to be 2");
    kubectl.refused("scale deploy/web --resource-version=1 --replicas=4", "resource");
    kubectl.says("scale deploy/web --replicas=9 --dry-run=server", "dry run");
    kubectl.prints("get deploy web -o jsonpath={.spec.replicas}", "3");
    kubectl.refused("scale deploy/nosuch --replicas=1", "not found");
    kubectl.refused("scale svc/kubernetes --replicas=1", "");

    kubectl.says("autoscale deployment web --min=2 --max=5 --cpu-percent=70", "autoscaled");
    let spec = "{.spec.minReplicas}{.spec.maxReplicas}{.spec.scaleTargetRef.name}{.spec.metrics[0].resource.target.averageUtilization}";
    kubectl.prints(&format!("get hpa.v2.autoscaling web -o jsonpath={spec}"), "25web70");
    kubectl.prints(
        "get horizontalpodautoscalers.v1.autoscaling web -o jsonpath={.spec.targetCPUUtilizationPercentage}",
        "70",
    );
    kubectl.says("get hpa web", "Deployment/web");
    kubectl.refused("autoscale deployment web --max=5", "already exists");
}
