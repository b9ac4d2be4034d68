//! `auth`, `certificate`, `create token` and `config`.

use super::turns::Kubectl;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reddwarf_tests::cluster::Cluster;
use std::fs;

const ROLES: &str = r"
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: default}
rules:
- {apiGroups: [''], resources: [pods], verbs: [get]}
RULE---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reading, namespace: default}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: User, name: USER, apiGroup: rbac.authorization.k8s.io}]
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_may_do_is_asked_and_reconciled() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    kubectl.prints("auth can-i create deployments.apps -n default", "yes");
    kubectl.prints("auth can-i get /healthz", "yes");
    kubectl.prints("auth can-i update pods --subresource=status -A", "yes");
    kubectl.says("auth can-i --list", "*.*");
    kubectl.says("auth whoami", "system:masters");
    kubectl.says("auth whoami -o jsonpath={.status.userInfo.groups}", "system:authenticated");

    let file = cluster.write("roles.yaml", &ROLES.replace("RULE", "").replace("USER", "ann"));
    let reconcile = format!("auth reconcile -f {file}");
    kubectl.says(&reconcile, "role.rbac.authorization.k8s.io/reader reconciled");
    // What is missing is added, what is more stays.
    let more = "- {apiGroups: [apps], resources: [deployments], verbs: [get]}\n";
    fs::write(&file, ROLES.replace("RULE", more).replace("USER", "bob")).expect("written");
    kubectl.says(&reconcile, "rolebinding.rbac.authorization.k8s.io/reading reconciled");
    kubectl.prints("get role reader -o jsonpath={.rules[*].resources[0]}", "pods deployments");
    kubectl.prints("get rolebinding reading -o jsonpath={.subjects[*].name}", "ann bob");
    fs::write(&file, ROLES.replace("RULE", "").replace("USER", "bob")).expect("written");
    kubectl.ok(&format!("{reconcile} --remove-extra-permissions --remove-extra-subjects"));
    kubectl.prints("get rolebinding reading -o jsonpath={.subjects[*].name}", "bob");
    kubectl.prints("get role reader -o jsonpath={.rules[*].resources[0]}", "pods");
}

/// A request for a client's certificate.
fn request(name: &str) -> String {
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::default();
    parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
    let pem = parameters.serialize_request(&key).expect("a request").pem().expect("text");
    format!(
        "---\n{{apiVersion: certificates.k8s.io/v1, kind: CertificateSigningRequest, metadata: {{name: {name}}},\n\
         spec: {{signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], request: {}}}}}",
        STANDARD.encode(pem)
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_approved_and_denied() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    for (name, verb, condition) in [("ann", "approve", "Approved"), ("bob", "deny", "Denied")] {
        kubectl.ok_with_input("create -f -", &request(name));
        kubectl.says(&format!("get csr {name}"), "Pending");
        kubectl.says("get csr", "kubernetes.io/kube-apiserver-client");
        kubectl.says(&format!("describe csr {name}"), &format!("Common Name:    {name}"));
        kubectl.ok(&format!("certificate {verb} {name}"));
        kubectl.says(&format!("get csr {name}"), condition);
        kubectl.says(&format!("wait --for=condition={condition} csr/{name} --timeout=5s"), "met");
    }
    kubectl.refused("certificate approve bob", "");
    kubectl.refused("certificate approve nosuch", "not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kubeconfig_is_read_and_rewritten() {
    let cluster = Cluster::start(3).await;
    let kubectl = Kubectl::new(&cluster);
    let contexts = kubectl.ok("config get-contexts -o name");
    assert_eq!(contexts.lines().collect::<Vec<_>>(), ["node-1", "node-2", "node-3"]);
    kubectl.says("config view --minify", "kind: Config");
    let copy = cluster.group.folder.join("copy.kubeconfig");
    fs::copy(cluster.group.admin_kubeconfig(), &copy).expect("copied");
    // The last flag of a name counts.
    let config = |line: &str| kubectl.ok(&format!("--kubeconfig={} config {line}", copy.display()));
    config("use-context node-2");
    assert_eq!(config("current-context").trim(), "node-2");
    config("set-context node-2 --namespace=kube-system");
    config("rename-context node-2 second");
    config("set-cluster copied --server=https://127.0.0.1:1 --insecure-skip-tls-verify=true");
    config("set-credentials nobody --token=x");
    config("set-context other --cluster=copied --user=nobody");
    config("set contexts.other.namespace default");
    config("unset contexts.other.namespace");
    assert!(config("get-clusters").contains("copied") && config("get-users").contains("nobody"));
    let here = format!(
        "--kubeconfig={} --context=second get sa default -o jsonpath={{.metadata.namespace}}",
        copy.display()
    );
    kubectl.prints(&here, "kube-system");
    kubectl.refused(&format!("--kubeconfig={} --context=other get ns", copy.display()), "refused");
    config("delete-context other");
    config("delete-cluster copied");
    config("delete-user nobody");
    assert!(!config("view").contains("copied"));
}
