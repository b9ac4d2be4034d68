//! `describe` of objects of many kinds, and `wait`.

use super::turns::Kubectl;
use reddwarf_tests::cluster::{Cluster, eventually};

/// One object of each kind, and a line of its description.
const DESCRIBED: &[(&str, &str)] = &[
    ("{apiVersion: v1, kind: ConfigMap, data: {colour: red}}", "colour:"),
    ("{apiVersion: v1, kind: Secret, stringData: {password: hidden}}", "password:  6 bytes"),
    ("{apiVersion: v1, kind: ServiceAccount}", "Mountable secrets"),
    (
        "{apiVersion: v1, kind: Service, spec: {selector: {app: x}, ports: [{port: 80}]}}",
        "TargetPort:",
    ),
    (
        "{apiVersion: v1, kind: Endpoints, subsets: [{addresses: [{ip: 10.9.8.7}], ports: [{port: 1}]}]}",
        "10.9.8.7",
    ),
    (
        "{apiVersion: v1, kind: LimitRange, spec: {limits: [{type: Container, max: {cpu: '3'}}]}}",
        "Container",
    ),
    ("{apiVersion: v1, kind: ResourceQuota, spec: {hard: {pods: '77'}}}", "Resource "),
    (
        "{apiVersion: v1, kind: PersistentVolumeClaim, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}",
        "Access Modes",
    ),
    (
        "{apiVersion: v1, kind: PersistentVolume, spec: {capacity: {storage: 1Gi}, accessModes: [ReadWriteOnce], hostPath: {path: /x}}}",
        "Path:          /x",
    ),
    (
        "{apiVersion: v1, kind: ReplicationController, spec: {replicas: 0, selector: {app: x}, template: TEMPLATE}}",
        "0 current / 0 desired",
    ),
    ("{apiVersion: v1, kind: PodTemplate, template: TEMPLATE}", "registry.example/x"),
    (
        "{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 0, selector: {matchLabels: {app: x}}, template: TEMPLATE}}",
        "StrategyType:           RollingUpdate",
    ),
    (
        "{apiVersion: apps/v1, kind: ReplicaSet, spec: {replicas: 0, selector: {matchLabels: {app: x}}, template: TEMPLATE}}",
        "Pods Status",
    ),
    (
        "{apiVersion: apps/v1, kind: StatefulSet, spec: {replicas: 0, serviceName: x, selector: {matchLabels: {app: x}}, template: TEMPLATE}}",
        "Update Strategy",
    ),
    (
        "{apiVersion: apps/v1, kind: DaemonSet, spec: {selector: {matchLabels: {app: x}}, template: TEMPLATE}}",
        "Desired Number of Nodes Scheduled",
    ),
    (
        "{apiVersion: batch/v1, kind: Job, spec: {suspend: true, template: ONCE}}",
        "Completion Mode:  NonIndexed",
    ),
    (
        "{apiVersion: batch/v1, kind: CronJob, spec: {suspend: true, schedule: 1 2 3 4 5, jobTemplate: {spec: {template: ONCE}}}}",
        "1 2 3 4 5",
    ),
    (
        "{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, spec: {maxReplicas: 9, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: described}}}",
        "Deployment/described",
    ),
    (
        "{apiVersion: policy/v1, kind: PodDisruptionBudget, spec: {minAvailable: 1, selector: {matchLabels: {app: z}}}}",
        "Min available:  1",
    ),
    (
        "{apiVersion: networking.k8s.io/v1, kind: Ingress, spec: {rules: [{host: a.example, http: {paths: [{path: /, pathType: Exact, backend: {service: {name: described, port: {number: 80}}}}]}}]}}",
        "a.example",
    ),
    (
        "{apiVersion: networking.k8s.io/v1, kind: IngressClass, spec: {controller: example.com/x}}",
        "example.com/x",
    ),
    (
        "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, spec: {podSelector: {}, policyTypes: [Ingress]}}",
        "Policy Types: Ingress",
    ),
    (
        "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, endpoints: [{addresses: [10.9.8.6]}], ports: []}",
        "10.9.8.6",
    ),
    (
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, rules: [{apiGroups: [apps], resources: [deployments], verbs: [get]}]}",
        "deployments.apps",
    ),
    (
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, rules: [{nonResourceURLs: [/x], verbs: [get]}]}",
        "[/x]",
    ),
    (
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: described}, subjects: [{kind: ServiceAccount, name: described, namespace: default}]}",
        "ServiceAccount",
    ),
    (
        "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: described}}",
        "described",
    ),
    (
        "{apiVersion: storage.k8s.io/v1, kind: StorageClass, provisioner: example.com/x}",
        "Provisioner:           example.com/x",
    ),
    ("{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, value: 123}", "123"),
    (
        "{apiVersion: coordination.k8s.io/v1, kind: Lease, spec: {holderIdentity: me}}",
        "Holder Identity:  me",
    ),
    ("{apiVersion: node.k8s.io/v1, kind: RuntimeClass, handler: x}", "Handler:"),
    ("{apiVersion: v1, kind: Namespace}", "No resource quota"),
];

/// The object as a manifest.
fn manifest(object: &str) -> String {
    let template = "{metadata: {labels: {app: x}}, spec: {containers: [{name: x, image: registry.example/x}]}}";
    let once = template.replace("spec: {", "spec: {restartPolicy: Never, ");
    let object = object.replace("TEMPLATE", template).replace("ONCE", &once);
    // Without the line before it, kubectl would take it for JSON.
    object.replacen("{apiVersion", "---\n{metadata: {name: described}, apiVersion", 1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_all_kinds_are_described() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let manifests: Vec<String> = DESCRIBED.iter().map(|(object, _)| manifest(object)).collect();
    let file = cluster.write("described.yaml", &manifests.join("\n"));
    kubectl.ok(&format!("create -f {file}"));
    for ((_, wanted), manifest) in DESCRIBED.iter().zip(manifests) {
        let file = cluster.write("one.yaml", &manifest);
        let described = kubectl.ok(&format!("describe -f {file}"));
        assert!(
            described.contains("described") && described.contains(wanted),
            "{wanted}: {described}"
        );
    }
    kubectl.says("describe cm -l nosuch=x", "");
    kubectl.refused("describe cm nosuch", "configmaps \"nosuch\" not found");
    kubectl.says("describe svc kubernetes", "Endpoints:");
    // A prefix of names will do.
    kubectl.says("describe deploy descr", "Name:                   described");
}

const POD: &str = r"
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: main, image: 'registry.example/one:1'}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_and_their_pods_are_described_and_awaited() {
    let cluster = Cluster::start_with_workers(3, 2).await;
    let kubectl = Kubectl::new(&cluster);
    let file = cluster.write("pod.yaml", POD);
    // The account that pods run as is made in the background.
    eventually("the pod is accepted", async || {
        kubectl.run(&format!("apply -f {file}")).status.success()
    })
    .await;
    kubectl.prints("wait --for=condition=Ready pod/one --timeout=20s", "pod/one condition met");
    kubectl.says("wait --for=condition=Ready=true pod -l app=one --timeout=20s", "condition met");
    kubectl.says("wait --for=jsonpath={.status.phase}=Running pod/one --timeout=20s", "met");
    kubectl.says("wait --for=jsonpath={.status.podIP} pod/one --timeout=20s", "met");
    kubectl.says("wait --for=create pod/one --timeout=1s", "met");
    kubectl.refused("wait --for=condition=Nosuch pod/one --timeout=1s", "timed out");
    kubectl.refused("wait --for=delete pod/one --timeout=1s", "timed out");
    let node = kubectl.ok("get pod one -o jsonpath={.spec.nodeName}");
    let described = kubectl.ok(&format!("describe node {node}"));
    for wanted in ["Ready ", "Allocatable:", "Non-terminated Pods:", "one", "Allocated resources:"]
    {
        assert!(described.contains(wanted), "{wanted}: {described}");
    }
    let described = kubectl.ok("describe pods one");
    for wanted in ["Status:           Running", "registry.example/one:1", "Successfully assigned"] {
        assert!(described.contains(wanted), "{wanted}: {described}");
    }
    kubectl.says("get pods one -o wide", &node);
    kubectl.prints(
        &format!("get pods --field-selector spec.nodeName={node},status.phase=Running -o name"),
        "pod/one",
    );
    kubectl.ok("delete pod one --wait=false");
    kubectl.ok("wait --for=delete pod/one --timeout=20s");
}
